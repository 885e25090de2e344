# SPDX-License-Identifier: MIT
"""Quantiles within their bound of the exact ones, and the summary of a TRACE file."""

from __future__ import annotations

import struct
from math import floor
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renacer_otel.analysis import summary
from renacer_otel.engine.launch import COUNT_BY
from renacer_otel.errors import UsageError
from renacer_otel.ring import trace_file
from renacer_otel.spans import counts
from tests.cli.summary_tables import read_tables
from tests.cli.tool import renacer
from tests.scale import examples

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_HEAD = struct.Struct("<IBBHiiQQQiI6Qq")
X86_64 = 1
SYSCALL = 3


def call(
    seq: int, duration: int, nr: int = 0, result: int = 0, flags: int = 0, tid: int = 7
) -> bytes:
    """A record of a whole call of `duration` ns."""
    return _HEAD.pack(104, SYSCALL, X86_64, flags, tid, 7, seq, 10, 10 + duration, nr, 0,
                      *(0,) * 6, result)  # fmt: skip


def lines(durations: Sequence[int]) -> tuple[summary.Line, summary.Line]:
    """The line of one name whose calls took so long, and the total."""
    records = b"".join(call(2 * i + 1, duration) for i, duration in enumerate(durations))
    found = summary.summarize(counts.of_records([records], "all", wall=True))
    (table,) = found.tables
    (line,) = table.lines
    return line, table.total


def check(durations: Sequence[int]) -> None:
    """Every quantile is within the bound of the duration of exactly that rank."""
    ordered = sorted(durations)
    for line in lines(durations):
        assert (line.calls, line.time) == (len(durations), sum(durations))
        assert (line.shortest, line.longest) == (ordered[0], ordered[-1])
        assert line.quantiles is not None
        for q, found in zip(summary.QUANTILES, line.quantiles, strict=True):
            exact = ordered[floor(q * (len(ordered) - 1))]
            assert abs(found - exact) <= summary.QUANTILE_ERROR * exact + 0.5, (q, found, exact)


# Up to what would be three hours; and up to years.
DURATIONS = st.one_of(
    st.integers(0, 300), st.integers(0, 10**7), st.integers(0, 10**13), st.integers(0, 2**55)
)


@settings(max_examples=examples(300))
@given(st.lists(DURATIONS, min_size=1, max_size=400))
def test_quantiles_are_within_their_bound(durations: list[int]) -> None:
    check(durations)


def test_durations_that_only_damage_makes() -> None:
    """Their sum stays at what 64 bits hold."""
    line, total = lines([2**63, 2**63, 5])
    assert (line.calls, line.time, line.longest) == (3, 2**64 - 1, 2**63)
    assert total.calls == 3


@settings(max_examples=30)
@given(st.floats(0.1, 3.0), st.integers(0, 2**32))
def test_quantiles_of_heavy_tails(alpha: float, seed: int) -> None:
    """Pareto: what waits for a network or a disk looks like."""
    from random import Random

    random = Random(seed)
    check([min(int(5000 * random.paretovariate(alpha)), 10**15) for _ in range(3000)])


def test_a_line_for_each_number_and_the_errors_of_it() -> None:
    records = [
        call(1, 100, nr=0),
        call(3, 300, nr=0, result=-2, flags=1),
        call(5, 50, nr=1),
        call(7, 70, nr=9999, result=-38, flags=1),
    ]
    found = summary.summarize(counts.of_records(records, "all", wall=True), "nothing")
    (table,) = found.tables
    assert [(line.name, line.calls, line.errors, line.time) for line in table.lines] == [
        ("read", 2, 1, 400),
        ("write", 1, 0, 50),
        ("syscall_0x270f", 1, 1, 70),
    ]
    assert (table.total.calls, table.total.errors, table.total.time) == (4, 2, 520)


def test_more_threads_and_numbers_than_there_is_room_for() -> None:
    """Memory is bounded: what is beyond goes into the first group, and no call is missing."""
    threads, numbers = 20_000, 3_000
    records = b"".join(call(2 * i + 1, 5, tid=i + 8) for i in range(threads))
    records += b"".join(call(2 * (threads + i) + 1, 5, nr=1000 + i) for i in range(numbers))
    counted = counts.of_records([records], "thread", wall=True)
    assert len(counted.groups) == 1 << 14
    assert len(counted.rows) < (1 << 14) + 300
    assert sum(row.calls for row in counted.rows) == threads + numbers
    found = summary.summarize(counted)
    assert found.total.calls == threads + numbers
    (rest,) = (table for table in found.tables if table.group is None)
    assert rest.total.calls > 3_600
    assert "syscall_other" in {line.name for line in rest.lines}


def test_what_is_no_record_is_refused() -> None:
    with pytest.raises(ValueError, match="not a record"):
        counts.of_records([b"\0" * 104], "all", wall=True)


@pytest.mark.parametrize("wall", [False, True])
@pytest.mark.parametrize("by", COUNT_BY)
def test_the_same_of_a_file(by: str, wall: bool, tmp_path: Path) -> None:
    """What -C says beside a TRACE file is what the file says."""
    flags = [*(["-w"] if wall else []), *(["--by", by] if by != "all" else [])]
    done = renacer("-q", "-C", *flags, "--format", "record", "-o", tmp_path / "run",
                   "sh", "-c", "cat /etc/passwd | sort; ls /no")  # fmt: skip
    found = summary.of_trace(tmp_path / "run", by, wall=wall)
    tables = read_tables(done.err)
    assert len(tables) == {"all": 1, "process": 4, "thread": 4}.get(by, len(tables))
    assert len([table for table in found.tables if table.total.calls]) == len(tables)
    for table, shown in zip(found.tables, tables, strict=True):
        finished = [line for line in table.lines if line.calls]
        assert [line.name for line in finished] == [row["syscall"] for row in shown.rows]
        assert [str(line.calls) for line in finished] == [row["calls"] for row in shown.rows]
        times = [f"{line.time / 1e9:.6f}" for line in finished]
        assert times == [row["seconds"] for row in shown.rows]
        if wall:
            medians = [f"{line.quantiles[0] / 1e9:.6f}" for line in finished if line.quantiles]
            assert medians == [row["p50"] for row in shown.rows]
    trace = trace_file.read(tmp_path / "run")
    assert trace.end is not None
    assert found.total.calls + found.total.unfinished == trace.end["calls"]


def test_a_file_without_cpu_times(tmp_path: Path) -> None:
    assert renacer("--format", "record", "-o", tmp_path / "run", "true").code == 0
    with pytest.raises(UsageError, match="no CPU times"):
        summary.of_trace(tmp_path / "run", wall=False)
    assert summary.of_trace(tmp_path / "run").total.calls > 10
