# SPDX-License-Identifier: MIT
"""Runs that are handed to a sidecar: what arrives, what is told, what is not started."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from renacer_otel.exporters.receiver import Receiver
from tests.cli.tool import RENACER, environ, renacer, run_program
from tests.sidecar.serving import handed, sidecar, traced

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from tests.sidecar.serving import Sidecar


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


@pytest.fixture
def serving(tmp_path: Path, receiver: Receiver) -> Iterator[Sidecar]:
    with sidecar(tmp_path, receiver.endpoint) as made:
        yield made


def attributes(span: Span) -> dict[str, str | int]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def by_parent(spans: list[Span]) -> dict[bytes, list[Span]]:
    found: dict[bytes, list[Span]] = {}
    for span in spans:
        found.setdefault(span.parent_span_id, []).append(span)
    return found


def test_a_run_arrives_whole(serving: Sidecar, receiver: Receiver) -> None:
    done = traced(serving.path, "sh", "-c", "echo out; exit 7")
    assert (done.code, done.out) == (7, "out\n")
    calls, spans = handed(done)
    assert " 0 lost; tracer " in done.lines[-1]
    ended = serving.end()
    assert ended.code == 0
    assert ended.number("runs") == 1
    assert ended.number("sent") == spans
    assert ended.number("lost") == 0
    found = [each.span for each in receiver.spans]
    assert len(found) == spans == calls + 2
    assert len({span.span_id for span in found}) == spans
    children = by_parent(found)
    (root,) = children[b""]
    assert root.name == "renacer-otel run"
    (process,) = children[root.span_id]
    assert attributes(process)["process.exit.code"] == 7
    assert len(children[process.span_id]) == calls


def test_what_is_secret_does_not_leave(serving: Sidecar, receiver: Receiver) -> None:
    mine, default, named = "mine-Zq1", "default-Zq2", "named-Zq3"
    with_default = ["echo", f"--password={default}", mine, f"frobnicate={named}"]
    done = renacer(
        f"--sidecar={serving.path}", "--redact", "mine-Zq[0-9]", *with_default,
        env=environ(OTEL_RESOURCE_ATTRIBUTES=f"password={default},who={mine}"),
    )  # fmt: skip
    assert done.code == 0
    serving.end()
    sent = [
        each.resource.SerializeToString() + each.span.SerializeToString() for each in receiver.spans
    ]
    assert any(b"frobnicate" in each for each in sent)
    assert not [each for each in sent if default.encode() in each or mine.encode() in each]


def test_the_resource_is_the_command_s(serving: Sidecar, receiver: Receiver) -> None:
    traced(serving.path, "true", OTEL_RESOURCE_ATTRIBUTES="team=a%20b")
    renacer(
        f"--sidecar={serving.path}", "--otlp-service-name", "mine", "true",
    )  # fmt: skip
    serving.end()
    resources = {each.resource.SerializeToString(): each.resource for each in receiver.spans}
    told = [
        {each.key: each.value.string_value for each in resource.attributes}
        for resource in resources.values()
    ]
    assert sorted(each["service.name"] for each in told) == ["mine", "true"]
    assert [each.get("team") for each in told if each["service.name"] == "true"] == ["a b"]
    assert len({each["renacer.run.id"] for each in told}) == 2


def test_context_goes_through(serving: Sidecar, receiver: Receiver) -> None:
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    done = traced(
        serving.path, "sh", "-c", "echo $TRACEPARENT", TRACEPARENT=f"00-{trace}-{parent}-01"
    )
    serving.end()
    spans = [each.span for each in receiver.spans]
    assert {span.trace_id.hex() for span in spans} == {trace}
    (root,) = [span for span in spans if span.name == "renacer-otel run"]
    assert root.parent_span_id.hex() == parent
    (process,) = [span for span in spans if span.parent_span_id == root.span_id]
    assert done.out.strip() == f"00-{trace}-{process.span_id.hex()}-01"


def test_a_selection_goes_through(serving: Sidecar, receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = renacer(
        f"--sidecar={serving.path}", "-P", tmp_path / "file", "-e", "trace=openat,read,close",
        "cat", tmp_path / "file",
    )  # fmt: skip
    assert done.out == "x"
    serving.end()
    names = [each.span.name for each in receiver.spans]
    assert sorted(names) == ["cat", "close", "openat", "read", "read", "renacer-otel run"]


def test_many_at_once(serving: Sidecar, receiver: Receiver) -> None:
    script = f'for i in 1 2 3 4 5 6; do "{RENACER}" --sidecar="$0" -- true & done; wait'
    done = run_program(["sh", "-c", script, str(serving.path)])
    assert done.code == 0
    ended = serving.end()
    assert ended.number("runs") == 6
    assert ended.number("lost") == 0
    assert len({each.span.trace_id for each in receiver.spans}) == 6
    assert sum(each.span.name == "renacer-otel run" for each in receiver.spans) == 6


def test_the_variable_names_it(serving: Sidecar, receiver: Receiver) -> None:
    done = renacer("--", "true", env=environ(RENACER_SIDECAR=str(serving.path)))
    assert handed(done)[0] > 5
    serving.end()
    assert receiver.spans


def test_a_flag_goes_over_the_variable(serving: Sidecar, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = renacer("-o", out, "--", "true", env=environ(RENACER_SIDECAR=str(serving.path)))
    assert done.code == 0
    assert "execve(" in out.read_text()
    assert serving.end().number("runs") == 0


def test_a_tracer_imports_no_exporter(serving: Sidecar) -> None:
    heavy = ["grpc", "google", "opentelemetry", "logging", "numpy", "ssl", "http", "dataclasses"]
    if sys.version_info >= (3, 14):
        heavy.remove("dataclasses")
    code = (
        "import sys, os\n"
        "from renacer_otel.cli.main import main\n"
        f"main(['-q', '--sidecar={serving.path}', '--', 'true'])\n"
        f"print(*sorted(set({heavy!r}) & sys.modules.keys()))\n"
    )
    done = run_program([sys.executable, "-c", code])
    assert (done.code, done.out, done.err) == (0, "\n", "")


def test_no_sidecar_there_by_the_flag(tmp_path: Path) -> None:
    marker = tmp_path / "made"
    done = traced(tmp_path / "nobody.sock", "touch", marker)
    assert done.code == 125
    assert done.error.startswith(f"no sidecar at {tmp_path}/nobody.sock: ")
    assert not marker.exists()


def test_no_sidecar_there_by_the_variable(tmp_path: Path) -> None:
    done = renacer(
        "--", "sh", "-c", "echo out; exit 3",
        env=environ(RENACER_SIDECAR=str(tmp_path / "nobody.sock")),
    )  # fmt: skip
    assert (done.code, done.out) == (3, "out\n")
    assert done.lines[0].startswith("renacer-otel: warning: no sidecar at ")
    assert "no sidecar has read " in done.lines[1]
    calls, spans = handed(done)
    assert spans == 0
    assert f"{calls:,} lost" in done.lines[-1]


def test_a_command_that_cannot_start_leaves_no_trace(serving: Sidecar, receiver: Receiver) -> None:
    done = traced(serving.path, "/no/such/command")
    assert done.code == 127
    assert "no such command" in done.error
    ended = serving.end()
    assert ended.number("sent") == 0
    assert not receiver.spans


@pytest.mark.parametrize(
    "words",
    [
        ("-o", "file"),
        ("--format", "json"),
        ("--otlp-endpoint", "http://localhost:1"),
        ("--otlp-header", "a=b"),
        ("-c",),
        ("--engine", "python"),
    ],
)
def test_what_does_not_go_with_it(words: tuple[str, ...], tmp_path: Path) -> None:
    done = renacer(f"--sidecar={tmp_path}/s", *words, "--", "true")
    assert done.code == 125
    assert "leave out" in done.error
