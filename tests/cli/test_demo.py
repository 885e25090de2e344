# SPDX-License-Identifier: MIT
"""`renacer-otel demo`."""

from __future__ import annotations

import re
from pathlib import Path

from tests.cli.tool import environ, read_totals, renacer


def test_demo() -> None:
    done = renacer("demo", env=environ(COLUMNS="80"))
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[:2] == ["one", "three"]
    assert re.fullmatch(r"renacer-otel run  [\d.]+ .?s  L 1-\d+", lines[2])
    for program in ("sort", "head"):
        line = rf".*─ {program}  pid \d+  [\d.]+ .?s  L \d+-\d+"
        assert sum(bool(re.fullmatch(line, found)) for found in lines) == 1
    assert all(len(line) <= 80 for line in lines)
    counts = re.fullmatch(
        r"1 trace, 1 run, 4 processes, (\d+) calls \(\d+ failed\), (\d+) spans", lines[-4]
    )
    assert counts
    calls, spans = int(counts[1]), int(counts[2])
    assert spans == calls + 4 + 1
    totals = read_totals(f"renacer-otel: {lines[-3]} {lines[-2]}")
    assert totals[:5] == (calls, spans, 0, 0, 0)
    assert lines[-1] == f"{spans} spans made, sent and received: nothing lost."


def test_demo_of_a_command_sees_that_command_only(tmp_path: Path) -> None:
    """The demo has grpc's threads around it, a plain run has not: the calls are the same."""
    plain = renacer("-o", tmp_path / "trace", "true").totals.calls
    for _ in range(3):
        done = renacer("demo", "--", "true")
        assert done.code == 0
        told = " ".join(done.out.splitlines()[-3:-1])
        assert read_totals(f"renacer-otel: {told}").calls == plain


def test_demo_leaves_options_of_its_command_alone() -> None:
    done = renacer("demo", "echo", "--help", "-q")
    assert done.code == 0
    assert done.out.startswith("--help -q\nrenacer-otel run  ")
