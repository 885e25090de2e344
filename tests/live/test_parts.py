# SPDX-License-Identifier: MIT
"""A run of very many calls is read back from a real Jaeger part by part, by the links alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from renacer_otel.ring import trace_file
from tests.cli.tool import read_totals
from tests.live.jaeger_api import read_trace
from tests.live.traced import trace
from tests.scale import FULL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.backend import Jaeger
    from tests.live.jaeger_api import ReadSpan
    from tests.live.traced import Run

pytestmark = [pytest.mark.live, pytest.mark.timeout(1800)]

CALLS = 2_000_000 if FULL else 60_000
MAX_SPANS = 10_000
ROOT = "renacer-otel run"
COUNTED = ("renacer.omitted.calls", "renacer.filtered_calls", "renacer.lost_calls")


def run_of(folder: Path, jaeger: Jaeger, *options: str) -> Run:
    """dd, a read and a write for each byte."""
    command = ["dd", "if=/dev/zero", "of=/dev/null", "bs=1", f"count={CALLS // 2}", "status=none"]
    endpoint = ("--otlp-endpoint", f"http://127.0.0.1:{jaeger.otlp_port}")
    # Where Jaeger is the slower one, the disk waits for it, and nothing is dropped.
    spool = ("--spool", str(folder / "spool"))
    words = (*endpoint, *spool, "--flush-timeout", "600s", "--fail-on-loss", *options)
    run = trace(folder, command, options=words, seconds=1500.0)
    assert run.status == 0, run.errors
    return run


def calls_of(span: ReadSpan) -> int:
    """How many system calls a span tells of."""
    if "syscall.name" not in span.attributes and "renacer.fold.count" not in span.attributes:
        return 0
    return int(str(span.attributes.get("renacer.fold.count", 1)))


def root_of(spans: list[ReadSpan]) -> ReadSpan:
    (root,) = [span for span in spans if span.name == ROOT]
    return root


def next_of(root: ReadSpan) -> str | None:
    """The trace of the part behind it; the run itself has a link to each of the first ones."""
    if "renacer.part" not in root.attributes:
        found = [link for link in root.links if link.attributes["renacer.edge"] == "part"]
        return found[0].trace_id if found else None
    found = [link for link in root.links if link.attributes["renacer.edge"] == "next"]
    assert len(found) < 2
    return found[0].trace_id if found else None


@pytest.mark.parametrize("fold", ["off", "auto"])
def test_part_by_part(jaeger: Jaeger, tmp_path: Path, fold: str) -> None:
    run = run_of(tmp_path, jaeger, *(("--fold", "off") if fold == "off" else ()))
    totals = read_totals(run.errors.splitlines()[-1])
    assert (totals.rejected, totals.lost) == (0, 0), run.errors
    where: str | None = trace_file.read(run.file).metadata["trace_id"]
    first = root_of(read_trace(jaeger.query_port, str(where)))
    spans = calls = parts = 0
    while where is not None:
        part = read_trace(jaeger.query_port, where)
        parts += 1
        assert 0 < len(part) <= MAX_SPANS
        assert {span.trace_id for span in part} == {where}
        ids = {span.span_id for span in part}
        assert len(ids) == len(part)
        assert {span.parent_id for span in part} - ids == {""}  # each parent is in its part
        root = root_of(part)
        assert root.attributes.get("renacer.part", 1) == parts
        if parts > 1:
            edges = {link.attributes["renacer.edge"]: link.trace_id for link in root.links}
            assert edges["run"] == first.trace_id
        spans += len(part)
        calls += sum(map(calls_of, part))
        where = next_of(root)
    assert parts == first.attributes.get("renacer.parts", 1)
    assert spans == totals.sent
    left_out = sum(int(str(first.attributes.get(name, 0))) for name in COUNTED)
    assert calls + left_out == first.attributes["renacer.calls"] == totals.calls
    assert totals.calls >= CALLS
    if fold == "off":
        assert parts > CALLS // MAX_SPANS
    print(f"--fold {fold}: {totals.calls:,} calls, {spans:,} spans in {parts} parts")
