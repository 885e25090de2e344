# SPDX-License-Identifier: MIT
"""The outputs: text, TRACE and OTLP/JSON files, and that they agree with what is sent."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from renacer_otel.exporters.receiver import Receiver
from renacer_otel.ring import trace_file
from tests.cli.tool import Done, call_lines, call_names, environ, renacer
from tests.otlp_json import with_base64_ids

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

TREE = ("sh", "-c", "cat /proc/sys/kernel/ostype | (read word; echo $word); nosuch 2>&-; true")


def parse_json_lines(path: Path) -> list[ExportTraceServiceRequest]:
    """Each line of an OTLP/JSON file, read by the official classes; unknown keys fail."""
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n")
    requests = []
    for line in text[:-1].split("\n"):
        message = with_base64_ids(json.loads(line))
        requests.append(json_format.ParseDict(message, ExportTraceServiceRequest()))
    return requests


def spans_of(requests: list[ExportTraceServiceRequest]) -> dict[bytes, Span]:
    """All spans by their id, each of which is there once."""
    spans = [
        span
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    found = {span.span_id: span for span in spans}
    assert len(found) == len(spans)
    return found


def test_json_file_and_collector_get_the_same(tmp_path: Path) -> None:
    path = tmp_path / "spans.json"
    with Receiver() as receiver:
        done = renacer(
            *("--otlp-endpoint", receiver.endpoint, "--otlp-service-name", "näme"),
            *("--format", "otlp-json", "-o", path, *TREE),
        )
        received = receiver.spans
    assert done.code == 0
    requests = parse_json_lines(path)
    in_file = spans_of(requests)
    sent = {item.span.span_id: item.span for item in received}
    assert in_file == sent
    assert len(sent) > 100
    assert {item.resource.SerializeToString(deterministic=True) for item in received} == {
        spans.resource.SerializeToString(deterministic=True)
        for request in requests
        for spans in request.resource_spans
    }
    assert {(item.scope.name, item.scope.version) for item in received} == {
        (scope.scope.name, scope.scope.version)
        for request in requests
        for spans in request.resource_spans
        for scope in spans.scope_spans
    }
    names = {pair.value.string_value for pair in received[0].resource.attributes}
    assert "näme" in names


def test_last_line_has_the_receivers_numbers() -> None:
    with Receiver() as receiver:
        done = renacer("--otlp-endpoint", receiver.endpoint, "--", *TREE)
        names = [item.span.name for item in receiver.spans]
        processes = sum(
            any(pair.key == "process.creation.time" for pair in item.span.attributes)
            for item in receiver.spans
        )
    totals = done.totals
    assert totals.sent == len(names)
    assert (totals.rejected, totals.lost, totals.unwritten) == (0, 0, 0)
    assert totals.calls == len(names) - processes - names.count("renacer-otel run")
    assert names.count("renacer-otel run") == 1
    assert processes > 2


def test_record_file_has_the_same_counts(tmp_path: Path) -> None:
    path = tmp_path / "run.renacer"
    with Receiver() as receiver:
        words = ("--otlp-endpoint", receiver.endpoint, "--format", "record", "-o", path)
        done = renacer(*words, *TREE)
        spans = [item.span for item in receiver.spans]
    trace = trace_file.read(path)
    assert trace.complete
    assert trace.end is not None
    entries = sum(int((trace.events["kind"] == kind).sum()) for kind in (1, 3))
    assert entries == done.totals.calls == trace.end["calls"]
    assert trace.end["spans"] == len(spans)
    assert trace.metadata["trace_id"] == spans[0].trace_id.hex()
    assert trace.metadata["command"] == list(TREE)


def test_text_has_every_call(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    done = renacer("-o", path, *TREE)
    text = path.read_text()
    assert len(call_lines(text)) == done.totals.calls
    assert all(re.match(r"\d+ +\S", line) for line in text.splitlines())
    assert text.splitlines()[-1].endswith("+++ exited with 0 +++")
    assert 'openat(AT_FDCWD, "/proc/sys/kernel/ostype"' in text


def test_text_goes_to_standard_error_by_default() -> None:
    done = renacer("echo", "word")
    assert done.out == "word\n"
    assert done.lines[0].startswith('execve("')
    assert done.lines[-2] == "+++ exited with 0 +++"
    assert len(call_lines(done.err)) == done.totals.calls


def test_format_text_beside_an_endpoint(tmp_path: Path) -> None:
    with Receiver() as receiver:
        done = renacer("--otlp-endpoint", receiver.endpoint, "--format", "text", "true")
        assert len(call_lines(done.err)) == done.totals.calls
        assert done.totals.sent == receiver.count
        done = renacer("--otlp-endpoint", receiver.endpoint, "-o", tmp_path / "trace", "true")
        assert len(done.lines) == 1
        assert len(call_lines((tmp_path / "trace").read_text())) == done.totals.calls


@pytest.mark.parametrize("limit", [0, 4, 32])
def test_string_limit(limit: int, tmp_path: Path) -> None:
    path = tmp_path / "trace"
    renacer("-q", "-s", str(limit), "-e", "write", "-o", path, "echo", "0123456789" * 4)
    shown = ("0123456789" * 4)[:limit]
    assert f'write(1, "{shown}"..., 41) = 41' in re.sub(" +=", " =", path.read_text())


def test_times_of_calls(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    renacer("-q", "-T", "-o", path, "sleep", "0.05")
    lines = call_lines(path.read_text())
    times = [re.search(r" <(\d+\.\d{6})>$", line) for line in lines if "exit_group" not in line]
    assert all(times)
    sleeps = [line for line in lines if re.search(r"nanosleep\(", line)]
    assert len(sleeps) == 1
    match = re.search(r"<([\d.]+)>$", sleeps[0])
    assert match
    assert 0.05 <= float(match[1]) < 5


def test_chosen_calls_in_every_output(tmp_path: Path) -> None:
    with Receiver() as receiver:
        done = renacer(
            *("-e", "trace=uname,exit_group", "--otlp-endpoint", receiver.endpoint),
            *("-o", tmp_path / "trace", "uname"),
        )
        names = sorted(item.span.name for item in receiver.spans)
    calls = call_names((tmp_path / "trace").read_text())
    assert names == sorted([*calls, "renacer-otel run", "uname"])
    assert set(calls) == {"uname", "exit_group"}
    assert done.totals.calls == len(calls)


def export_unsampled(*words: str | Path) -> tuple[Done, int]:
    """Runs `true` below a parent that is not sampled; also returns what the receiver got."""
    with Receiver() as receiver:
        done = renacer(
            *("--otlp-endpoint", receiver.endpoint, *words, "true"),
            env=environ(TRACEPARENT=f"00-{1:032x}-{2:016x}-00"),
        )
        return done, receiver.totals()["requests"]


def test_unsampled_parent(tmp_path: Path) -> None:
    done, requests = export_unsampled()
    assert (done.code, requests) == (0, 0)
    assert len(done.lines) == 1
    assert done.totals.sent is None
    done, requests = export_unsampled("-o", tmp_path / "trace")
    assert (done.code, requests) == (0, 0)
    assert len(call_lines((tmp_path / "trace").read_text())) == done.totals.calls
    done, requests = export_unsampled("-q", "--verbose")
    assert (
        "renacer-otel: warning: the inbound trace is not sampled: nothing is exported" in done.lines
    )


def test_secrets_of_headers_stay_out_of_the_trace(tmp_path: Path) -> None:
    with Receiver() as receiver:
        done = renacer(
            *("--otlp-endpoint", receiver.endpoint, "--otlp-header", "authorization=hunter2"),
            *("--otlp-header=x-key=hunter3", "--format", "otlp-json", "-o", tmp_path / "spans"),
            *("-e", "trace=none", "true"),
        )
        assert done.code == 0
        metadata = dict(receiver.calls[0].metadata)
        assert (metadata["authorization"], metadata["x-key"]) == ("hunter2", "hunter3")
    text = (tmp_path / "spans").read_text()
    assert "hunter" not in text
    assert "authorization=…" in text
    assert "x-key=…" in text


def test_engine_and_output_options_are_told_in_the_trace() -> None:
    with Receiver() as receiver:
        renacer("-q", "--cpu", "free", "--otlp-endpoint", receiver.endpoint, "-s", "5", "true")
        root = next(item.span for item in receiver.spans if item.span.name == "renacer-otel run")
    told = {pair.key: pair.value.string_value for pair in root.attributes}
    expected = f"-q --cpu free --otlp-endpoint {receiver.endpoint} -s 5"
    assert told["renacer.options"] == expected
    assert told["renacer.engine"] == "ptrace"
    assert told["renacer.command"] == "true"
