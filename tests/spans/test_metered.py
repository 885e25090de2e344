# SPDX-License-Identifier: MIT
"""What the core measures of calls: against OpenTelemetry's own aggregation, exact arithmetic, and
the summary of the same records."""

from __future__ import annotations

import struct
from collections import Counter
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation

from renacer_otel.ring import trace_file
from renacer_otel.spans import counts, metered
from tests.cli.tool import renacer
from tests.scale import examples

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_HEAD = struct.Struct("<IBBHiiQQQiI6Qq")
X86_64 = 1
SYSCALL = 3
FAILED = 1
READ, WRITE, SENDFILE, ENOENT = 0, 1, 40, 2


def call(seq: int, duration: int, nr: int = 0, result: int = 0, pid: int = 7) -> bytes:
    """A record of a whole call of `duration` ns."""
    flags = FAILED if result < 0 else 0
    return _HEAD.pack(104, SYSCALL, X86_64, flags, pid, pid, seq, 10, 10 + duration, nr, 0,
                      *(0,) * 6, result)  # fmt: skip


def measured(durations: Sequence[int]) -> metered.CallSeries:
    """The one series of calls that took so long."""
    records = b"".join(call(2 * i + 1, duration) for i, duration in enumerate(durations))
    (series,) = metered.of_records([records]).calls
    return series


def buckets(offset: int, found: Sequence[int]) -> dict[int, int]:
    """Index -> count, without the empty ones."""
    return {offset + i: count for i, count in enumerate(found) if count}


def by_the_sdk(durations: Sequence[int]) -> ExponentialHistogramDataPoint:
    """What OpenTelemetry's SDK makes of the same durations, in seconds."""
    reader = InMemoryMetricReader(
        preferred_aggregation={Histogram: ExponentialBucketHistogramAggregation()}
    )
    provider = MeterProvider([reader], shutdown_on_exit=False)
    histogram = provider.get_meter("m").create_histogram("h", unit="s")
    for duration in durations:
        histogram.record(duration / 1e9)
    data = reader.get_metrics_data()
    assert data is not None
    (point,) = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    provider.shutdown()
    assert isinstance(point, ExponentialHistogramDataPoint)
    return point


DURATIONS = st.one_of(
    st.integers(0, 300), st.integers(0, 10**7), st.integers(0, 10**13), st.integers(0, 2**55)
)
NEAR = st.builds(
    lambda base, more: base + more, st.sampled_from([1000, 10**6, 10**9]), st.integers(0, 3)
)


@settings(max_examples=examples(240))
@given(st.one_of(st.lists(DURATIONS, min_size=1, max_size=200), st.lists(NEAR, min_size=1)))
def test_as_the_sdk_aggregates(durations: list[int]) -> None:
    ours, theirs = measured(durations), by_the_sdk(durations)
    assert (ours.count, ours.zero) == (theirs.count, theirs.zero_count)
    assert ours.sum == sum(durations)  # exact, where theirs adds up rounded seconds
    assert (ours.shortest, ours.longest) == (min(durations), max(durations))
    assert len(ours.buckets) <= 160
    if ours.count == ours.zero:
        assert not ours.buckets
        return
    assert ours.scale == theirs.scale
    assert buckets(ours.offset, ours.buckets) == buckets(
        theirs.positive.offset, theirs.positive.bucket_counts
    )


@settings(max_examples=examples(300))
@given(st.integers(1, 2**63))
def test_the_bucket_holds_its_value(duration: int) -> None:
    """By 50 digits: base^index < value <= base^(index + 1), at the finest scale."""
    series = measured([duration])
    assert (series.scale, series.buckets) == (20, (1,))
    with localcontext() as context:
        context.prec = 50
        exact = (Decimal(duration) / 10**9).ln() / Decimal(2).ln() * 2**20
        # So close to a bound nobody could tell.
        slack = Decimal("1e-4")
        assert series.offset - slack < exact <= series.offset + 1 + slack


@pytest.mark.parametrize("octave", range(-9, 30))
def test_a_bound_belongs_to_the_bucket_below(octave: int) -> None:
    """Powers of two in seconds are bounds; on them the SDK and we agree, too."""
    duration = 10**9 << octave if octave >= 0 else 10**9 >> -octave
    assert measured([duration]).offset == (octave << 20) - 1
    assert measured([duration + 1]).offset == octave << 20


def test_errors_and_bytes() -> None:
    records = [
        call(1, 5, READ, 100), call(3, 5, READ, 0), call(5, 5, READ, -5), call(7, 5, WRITE, 7),
        call(9, 5, SENDFILE, 30), call(11, 5, 257, -ENOENT), call(13, 5, 257, -ENOENT),
        call(15, 5, 257, -4000), call(17, 5, 99999, -38),
    ]  # fmt: skip
    found = metered.of_records([b"".join(records)])
    by_name = {series.call: series for series in found.calls}
    assert (by_name["read"].count, by_name["read"].read, by_name["read"].written) == (3, 100, None)
    assert (by_name["write"].read, by_name["write"].written) == (None, 7)
    assert (by_name["sendfile"].read, by_name["sendfile"].written) == (30, 30)
    assert (by_name["openat"].read, by_name["openat"].written) == (None, None)
    errors = {(series.call, series.error): series.count for series in found.errors}
    assert errors == {("read", "EIO"): 1, ("openat", "ENOENT"): 2, ("openat", "4000"): 1,
                      ("_OTHER", "ENOSYS"): 1}  # fmt: skip


@settings(max_examples=examples(90))
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 400), st.integers(-30, 30)),
        min_size=1,
        max_size=300,
    ),
    st.integers(2, 40),
)
def test_nothing_is_lost_beyond_the_limit(calls: list[tuple[int, int, int]], limit: int) -> None:
    records = b"".join(
        call(2 * i + 1, 10 * i, nr, result, pid=10 + pid)
        for i, (pid, nr, result) in enumerate(calls)
    )
    whole = metered.of_records([records], by_pid=True)
    found = metered.of_records([records], by_pid=True, limit=limit)
    assert len(found.calls) <= limit
    assert len(found.errors) <= limit
    assert sum(series.count for series in found.calls) == len(calls)
    assert sum(series.sum for series in found.calls) == sum(10 * i for i in range(len(calls)))
    failed = sum(result < 0 for _, _, result in calls)
    assert sum(series.count for series in found.errors) == failed
    for way in ("read", "written"):
        moved = [getattr(series, way) for series in found.calls]
        assert sum(filter(None, moved)) == sum(
            filter(None, (getattr(series, way) for series in whole.calls))
        )
    # A series that there is, is as it would be without a limit.
    by_key = {(each.call, each.pid): each for each in whole.calls}
    for each in found.calls:
        if not each.rest:
            assert each.count == by_key[each.call, each.pid].count


def test_no_record() -> None:
    with pytest.raises(ValueError, match="not a record"):
        metered.of_records([b"x" * 104])
    assert metered.of_records([]) == metered.Measured([], [])


def test_as_the_summary_of_a_trace(tmp_path: Path) -> None:
    """A real command, from its TRACE file: the same calls, errors and times as `-c -w` has."""
    path = tmp_path / "t.renacer"
    words = ("sh", "-c", "ls / /nonexistent | sort >/dev/null; true & wait")
    done = renacer("--format", "record", "-o", path, "--", *words)
    assert done.code in (0, 2), done.err
    with trace_file.open_trace(path) as reader:
        chunks = [bytes(frame.records) for frame in reader]
    by_process = counts.of_records(chunks, "process", wall=True)
    found = metered.of_records(chunks)
    want: Counter[tuple[str, str]] = Counter()
    times: Counter[tuple[str, str]] = Counter()
    for row in by_process.rows:
        want[row.name, ""] += row.calls
        times[row.name, ""] += row.time
    got: Counter[tuple[str, str]] = Counter()
    took: Counter[tuple[str, str]] = Counter()
    for series in found.calls:
        got[series.call, ""] += series.count
        took[series.call, ""] += series.sum
        assert series.count == series.zero + sum(series.buckets)
    assert +got == +want
    assert +took == +times
    assert sum(series.unfinished for series in found.calls) == sum(
        row.unfinished for row in by_process.rows
    )
    assert sum(series.count for series in found.errors) == sum(
        row.errors for row in by_process.rows
    )
    assert {"ls", "sort"} <= {series.program for series in found.calls}
