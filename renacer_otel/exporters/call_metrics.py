# SPDX-License-Identifier: MIT
"""What was measured of calls, as metrics: syscall.duration, .errors, .io, .unfinished.

The sum of all counts of syscall.duration and syscall.unfinished is the number of calls that the
tracer saw, less those that were lost before they could be measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel.exporters.metric_data import (
    COUNTER,
    HISTOGRAM,
    OVERFLOW,
    Attributes,
    Exemplar,
    HistogramPoint,
    Metric,
    Point,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from renacer_otel.spans.metered import CallSeries, ErrorSeries, Measured

#: Which way bytes went: `read` into the program, or `write` out of it.
DIRECTION = "syscall.io.direction"


def call_metrics(
    measured: Measured, unix_ns: Callable[[int], int], *, exemplars: bool
) -> list[Metric]:
    """The metrics; those of which there is nothing are left out.

    `unix_ns`: Unix time of CLOCK_MONOTONIC's, both in ns. `exemplars`: of each histogram the
    slowest call that has a span.
    """
    calls = measured.calls
    found = [
        Metric(
            "syscall.duration",
            "s",
            "Time from entry to exit of the system calls that returned.",
            HISTOGRAM,
            tuple(_duration(series, unix_ns, exemplars) for series in calls if series.count),
        ),
        Metric(
            "syscall.errors",
            "{call}",
            "System calls that failed, or that a signal cut short.",
            COUNTER,
            tuple(
                Point({**_attributes(series), "error.type": series.error}, series.count)
                if not series.rest
                else Point(OVERFLOW, series.count)
                for series in measured.errors
            ),
        ),
        Metric(
            "syscall.io",
            "By",
            "Bytes that system calls moved.",
            COUNTER,
            tuple(point for series in calls for point in _moved(series)),
        ),
        Metric(
            "syscall.unfinished",
            "{call}",
            "System calls that did not return, as their thread ended in them.",
            COUNTER,
            tuple(
                Point(_attributes(series), series.unfinished)
                for series in calls
                if series.unfinished
            ),
        ),
    ]
    return [metric for metric in found if metric.points]


def _attributes(series: CallSeries | ErrorSeries) -> Attributes:
    if series.rest:
        return OVERFLOW
    attributes: dict[str, str | int | bool] = {"syscall.name": series.call}
    if series.program:
        attributes["process.executable.name"] = series.program
    if series.pid:
        attributes["process.pid"] = series.pid
    return attributes


def _moved(series: CallSeries) -> list[Point]:
    if series.rest:
        moved = (series.read or 0) + (series.written or 0)
        told = series.read is not None or series.written is not None
        return [Point(OVERFLOW, moved)] if told else []
    ways = (("read", series.read), ("write", series.written))
    return [
        Point({**_attributes(series), DIRECTION: way}, moved)
        for way, moved in ways
        if moved is not None
    ]


def _duration(series: CallSeries, unix_ns: Callable[[int], int], exemplars: bool) -> HistogramPoint:
    slowest = series.slowest if exemplars else None
    exemplar = None
    if slowest is not None:
        exemplar = Exemplar(
            slowest.ns / 1e9, unix_ns(slowest.at), slowest.trace_id, slowest.span_id
        )
    return HistogramPoint(
        attributes=_attributes(series),
        count=series.count,
        zero=series.zero,
        sum=series.sum / 1e9,
        min=series.shortest / 1e9,
        max=series.longest / 1e9,
        scale=series.scale,
        offset=series.offset,
        buckets=series.buckets,
        exemplar=exemplar,
    )
