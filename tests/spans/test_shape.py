# SPDX-License-Identifier: MIT
"""What spans there are: long traces split, repeated calls folded, calls left out."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.json_format import Parse
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from renacer_otel.analysis.loading import load
from renacer_otel.engine.launch import Tuning
from tests.cli.tool import renacer
from tests.otlp_json import with_base64_ids
from tests.spans.made_spans import (
    ROOT,
    attributes,
    by_trace,
    calls_of,
    check_counts,
    check_whole,
    exported,
    run_of,
)

if TYPE_CHECKING:
    from pathlib import Path


def copying(calls: int) -> tuple[str, ...]:
    """About so many calls: a read and a write each byte."""
    count = f"count={calls // 2}"
    return ("--", "dd", "if=/dev/zero", "of=/dev/null", "bs=1", count, "status=none")


PIPES = ("--", "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do echo $i | cat; done; exit 0")


def edges(span: Span) -> list[str]:
    return [attributes(link)["renacer.edge"] for link in span.links]  # type: ignore[arg-type]


def test_small_runs_are_one_trace_with_a_span_for_each_call() -> None:
    spans = exported(*copying(1000))
    assert len(by_trace(spans)) == 1
    assert not [span for span in spans if "renacer.fold.count" in attributes(span)]
    assert "renacer.parts" not in run_of(spans)
    check_whole(spans)
    check_counts(spans)


# --- splitting --------------------------------------------------------------------------------


def test_each_part_is_a_whole_trace_of_its_size() -> None:
    spans = exported("--fold", "off", "--max-trace-spans", "100", *copying(1000))
    check_whole(spans)
    check_counts(spans)
    traces = by_trace(spans)
    assert max(map(len, traces.values())) <= 100
    assert len(traces) >= run_of(spans)["renacer.calls"] // 97
    assert run_of(spans)["renacer.parts"] == len(traces)
    roots = {attributes(span).get("renacer.part", 1): span for span in spans if span.name == ROOT}
    assert sorted(roots) == list(range(1, len(traces) + 1))
    first = roots.pop(1)
    assert edges(first) == ["part"] * min(len(roots), 64)
    assert first.dropped_links_count == len(roots) - len(first.links)
    for number, root in roots.items():
        links = {attributes(link)["renacer.edge"]: link.trace_id for link in root.links}  # type: ignore[arg-type]
        assert links.pop("run") == first.trace_id
        if number > 2:
            assert links.pop("previous") == roots[number - 1].trace_id
        if number <= len(roots):
            assert links.pop("next") == roots[number + 1].trace_id
        assert not links
        for span in traces[root.trace_id]:
            assert span.start_time_unix_nano >= root.start_time_unix_nano
            assert span.end_time_unix_nano <= root.end_time_unix_nano
            assert (
                attributes(span)["renacer.lamport.end"] <= attributes(root)["renacer.lamport.end"]
            )
            assert span.flags & 0xFF == 3
    # The process, and what it is told by, stay where they were.
    (own,) = [span for span in traces[first.trace_id] if "process.exit.code" in attributes(span)
              and span.name != ROOT]  # fmt: skip
    assert own.name == "dd"


def test_links_lead_into_the_part_that_their_cause_is_in() -> None:
    spans = exported("--fold", "off", "--max-trace-spans", "64", *PIPES)
    check_whole(spans)
    check_counts(spans)
    assert len(by_trace(spans)) > 5
    ids = {(span.trace_id, span.span_id): span for span in spans}
    found = Counter(
        (span.name, attributes(link)["renacer.edge"], ids[link.trace_id, link.span_id].name)  # type: ignore[arg-type]
        for span in spans
        for link in span.links
    )
    assert found["read", "pipe", "write"] == 8
    assert sum(count for (_, edge, _), count in found.items() if edge == "fork") == 16
    for span in spans:
        for link in span.links:
            if attributes(link)["renacer.edge"] == "pipe":  # type: ignore[arg-type]
                cause = attributes(ids[link.trace_id, link.span_id])
                assert cause["renacer.lamport.start"] < attributes(span)["renacer.lamport.end"]


def test_parts_end_by_their_bytes_too() -> None:
    spans = exported("--fold", "off", "--max-trace-spans", "1000000", *copying(18_000))
    check_whole(spans)
    sizes = [sum(span.ByteSize() for span in trace) for trace in by_trace(spans).values()]
    assert len(sizes) > 1
    assert max(sizes) <= 4_000_000
    assert sum(map(calls_of, spans)) == run_of(spans)["renacer.calls"]


def test_never_split() -> None:
    spans = exported("--fold", "off", "--max-trace-spans", "0", *copying(12_000))
    assert len(by_trace(spans)) == 1
    assert len(spans) > 12_000


def test_under_another_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's root is a child of the span that TRACEPARENT names; later parts are new traces."""
    trace, parent = bytes(range(16)), bytes(range(8, 16))
    monkeypatch.setenv("TRACEPARENT", f"00-{trace.hex()}-{parent.hex()}-01")
    spans = exported("--fold", "off", "--max-trace-spans", "100", *copying(600))
    check_counts(spans)
    traces = by_trace(spans)
    for span in traces.pop(trace):
        assert span.parent_span_id == parent if span.name == ROOT else span.parent_span_id
    for members in traces.values():
        (root,) = [span for span in members if not span.parent_span_id]
        assert trace in {link.trace_id for link in root.links}
    check_whole(spans, frozenset([parent]))


# --- folding ----------------------------------------------------------------------------------


def test_a_million_calls_fold_into_few(tmp_path: Path) -> None:
    spans = exported("--fold", "always", *copying(20_000))
    check_whole(spans)
    check_counts(spans)
    assert len(spans) < 150
    run = run_of(spans)
    folds = [span for span in spans if "renacer.fold.count" in attributes(span)]
    assert run["renacer.folded_calls"] == sum(map(calls_of, folds))
    (copies,) = [span for span in folds if span.name in ("read+write", "write+read")]
    given = attributes(copies)
    assert given["renacer.fold.calls"] == copies.name.split("+")
    assert given["renacer.fold.bytes"] == given["renacer.fold.count"]  # one each
    assert abs(given["renacer.fold.count"] - 20_000) <= 8
    total = copies.end_time_unix_nano - copies.start_time_unix_nano
    assert 0 < given["renacer.fold.duration.min"] <= given["renacer.fold.duration.max"]
    assert given["renacer.fold.duration.sum"] <= total
    assert given["renacer.fold.duration.sum"] == sum(
        given[f"renacer.fold.{number}.duration.sum"] for number in (1, 2)
    )
    assert (
        given["renacer.lamport.end"] - given["renacer.lamport.start"]
        == 2 * given["renacer.fold.count"] - 1
    )


READS = """
import os
descriptor = os.open("/dev/zero", os.O_RDONLY)
for size in range(1, 101):
    os.read(descriptor, 8)
try:
    os.read(-1, 8)
except OSError:
    pass
for size in range(1, 101):
    os.read(descriptor, 8)
"""


def test_an_error_is_a_span_of_its_own() -> None:
    spans = exported(
        "--fold", "always", "-e", "trace=read", "--", sys.executable, "-S", "-c", READS
    )
    reads = [
        attributes(span)
        for span in sorted(spans, key=lambda span: span.start_time_unix_nano)
        if span.name == "read"
    ][-3:]
    assert [given.get("renacer.fold.count", 1) for given in reads] == [100, 1, 100]
    assert reads[1]["error.type"] == "EBADF"
    assert reads[0]["syscall.result"] == 8  # of all
    assert reads[0]["syscall.args.count"] == 8
    assert reads[0]["renacer.fold.bytes"] == 800
    check_counts(spans)


def test_causes_and_effects_are_not_folded() -> None:
    spans = exported("--fold", "always", *PIPES)
    check_whole(spans)
    check_counts(spans)
    assert sum("pipe" in edges(span) for span in spans) == 8
    for span in spans:
        assert not (span.links and "renacer.fold.count" in attributes(span))


def test_auto_begins_when_the_trace_is_half_full() -> None:
    spans = exported("--max-trace-spans", "400", *copying(4000))
    check_whole(spans)
    check_counts(spans)
    assert len(by_trace(spans)) == 1
    alone = [span for span in spans if "renacer.fold.count" not in attributes(span)]
    assert 195 <= len(alone) <= 260


# --- thinning ---------------------------------------------------------------------------------

SLOW = (
    "import time, os; time.sleep(0.15); os.path.exists('/none'); [os.getppid() for _ in range(99)]"
)


@pytest.mark.parametrize(
    "options",
    [("--export-min-duration", "120ms"), ("--spans", "process"), ("--export-errors-only",)],
    ids=lambda options: str(options[0]),
)
def test_errors_and_slow_calls_are_kept(options: tuple[str, ...]) -> None:
    spans = exported(*options, "--", sys.executable, "-S", "-c", SLOW)
    check_whole(spans)
    check_counts(spans)
    calls = [attributes(span) for span in spans if "syscall.name" in attributes(span)]
    assert [given for given in calls if given["syscall.name"].endswith("nanosleep")]
    assert [given for given in calls if given.get("file.path") == "/none"]
    assert not [given for given in calls if given["syscall.name"] == "getppid"]
    assert run_of(spans)["renacer.omitted.calls"] >= 99
    assert run_of(spans)["renacer.omitted.duration"] > 0


def test_what_is_kept_is_said() -> None:
    spans = exported(
        "--spans", "process", "--keep", "getppid", "--", sys.executable, "-S", "-c", SLOW
    )
    names = Counter(span.name for span in spans if "syscall.name" in attributes(span))
    assert names == {"getppid": 99}
    spans = exported("--spans", "process", "--keep", "none", *PIPES)
    assert not sum(map(calls_of, spans))
    check_whole(spans)
    check_counts(spans)
    run = run_of(spans)
    forks = sum(span.dropped_links_count for span in spans)
    assert forks >= 16
    assert run["renacer.omitted.links"] == forks


def test_the_run_alone() -> None:
    (root,) = exported("--spans", "none", *copying(100))
    given = attributes(root)
    assert given["renacer.omitted.calls"] == given["renacer.calls"] > 100


def test_folded_is_fold_always() -> None:
    spans = exported("--spans", "folded", *copying(1000))
    assert len(spans) < 150
    check_counts(spans)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--fold", "offf"), "--fold: 'offf' is not one of off, auto, always; did you mean off?"),
        (("--spans", "calls"), "--spans: 'calls' is not one of all, process, none, folded"),
        (("--spans", "folded", "--fold", "off"), "contradict each other; drop one"),
        (("--max-trace-spans", "5"), "--max-trace-spans: give 16 or more, or 0 for no limit"),
        (("--max-trace-spans", "many"), "is not a whole number"),
        (("--keep", "slow=0"), "--keep slow: give a duration: --keep slow=10ms"),
        (("--keep", "slow"), "--keep slow"),
        (("--keep", "errors,none"), "--keep: 'none' is not one of errors, slow=TIME"),
        (("--keep", "opennat"), "--keep: no system call is called 'opennat'; did you mean openat?"),
        (("--export-min-duration", "5"), "--export-min-duration: the unit is missing in '5'"),
    ],
)
def test_bad_values_are_told_in_one_line(options: tuple[str, ...], said: str) -> None:
    done = renacer("--otlp-endpoint", "http://127.0.0.1:1", *options, "true")
    assert done.code == 125
    assert said in done.error


@pytest.mark.parametrize("option", ["--export-errors-only", "--spans=none"])
def test_what_leaves_spans_out_has_no_use_without_them(option: str) -> None:
    done = renacer(option, "true")
    assert done.code == 125
    assert "is about spans, and none are made; add --otlp-endpoint URL" in done.error


# --- OTLP/JSON --------------------------------------------------------------------------------


def in_file(path: Path) -> list[Span]:
    spans: list[Span] = []
    for line in path.read_text().splitlines():
        data = Parse(json.dumps(with_base64_ids(json.loads(line))), TracesData())
        for resource in data.resource_spans:
            for scope in resource.scope_spans:
                spans += scope.spans
    return spans


@pytest.mark.parametrize("fold", ["off", "always"])
def test_files_have_the_same(fold: str, tmp_path: Path) -> None:
    path = tmp_path / "spans.jsonl"
    options = ("--fold", fold, "--max-trace-spans", "200", "--format", "otlp-json", "-o", path)
    done = renacer(*options, *copying(1000))
    assert done.code == 0, done.err
    spans = in_file(path)
    check_whole(spans)
    check_counts(spans)
    run = load(path)
    assert len(run.processes) == 1  # copies are none
    if fold == "off":
        assert len(run.calls) == run_of(spans)["renacer.calls"]
        assert len(by_trace(spans)) >= 5
        assert "calls" not in run.unknown
    else:
        assert "calls" in run.unknown
        folded = run_of(spans)["renacer.folded_calls"]
        assert any(sentence.startswith(f"{folded:,} calls apart") for sentence in run.lacks)


def test_both_outputs_of_a_run_are_the_same_spans(tmp_path: Path) -> None:
    path = tmp_path / "spans.jsonl"
    spans = exported("--fold", "always", "--max-trace-spans", "50", "--format", "otlp-json",
                     "-o", path, *PIPES)  # fmt: skip

    def key(span: Span) -> Any:
        return span.trace_id, span.span_id, span.parent_span_id, span.name, len(span.links)

    assert sorted(map(key, spans)) == sorted(map(key, in_file(path)))


def test_who_uses_the_engine_has_all_spans_in_one_trace() -> None:
    """What the command line chooses, the engine does not by itself."""
    tuning = Tuning()
    assert (tuning.fold, tuning.max_trace_spans, tuning.spans) == ("off", 0, "all")
