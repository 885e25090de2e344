# SPDX-License-Identifier: MIT
"""Metrics as plain values, before they are OTLP or Prometheus' text.

Kinds: COUNTER only grows, GAUGE_SUM goes up and down (OpenTelemetry's UpDownCounter), HISTOGRAM is
an exponential one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

COUNTER = "counter"
GAUGE_SUM = "updowncounter"
HISTOGRAM = "histogram"

Attributes: TypeAlias = Mapping[str, str | int | bool]

#: The attribute of what is beyond the limit of series (metrics/sdk.md, "Overflow attribute").
OVERFLOW: Attributes = {"otel.metric.overflow": True}


@dataclass(frozen=True)
class Exemplar:
    """One measurement of a point, and its span. `time`: Unix ns."""

    value: float
    time: int
    trace_id: bytes
    span_id: bytes


@dataclass(frozen=True)
class Point:
    """A number."""

    attributes: Attributes
    value: int | float


@dataclass(frozen=True)
class HistogramPoint:
    """An exponential histogram: bucket i has what is above base**(offset + i), to the next bound
    inclusive; base is 2**(2**-scale)."""

    attributes: Attributes
    count: int
    zero: int
    sum: float
    min: float
    max: float
    scale: int
    offset: int
    buckets: tuple[int, ...]
    exemplar: Exemplar | None = None


@dataclass(frozen=True)
class Metric:
    """One metric; `unit` by UCUM. `points` are Points, of a HISTOGRAM HistogramPoints."""

    name: str
    unit: str
    description: str
    kind: str
    points: tuple[Point, ...] | tuple[HistogramPoint, ...]


@dataclass(frozen=True)
class Interval:
    """Of what time metrics are: Unix ns. `delta`: counters and histograms are of just that time,
    else of all since the start."""

    start: int
    end: int
    delta: bool = False


def points_in(metrics: list[Metric]) -> int:
    """How many data points there are."""
    return sum(len(metric.points) for metric in metrics)


def split(metrics: list[Metric], most: int) -> list[list[Metric]]:
    """The metrics in parts of at most `most` points each."""
    parts: list[list[Metric]] = []
    room = 0
    for metric in metrics:
        rest = metric.points
        while rest:
            if room == 0:
                parts.append([])
                room = most
            parts[-1].append(replace(metric, points=rest[:room]))
            taken, rest = rest[:room], rest[room:]
            room -= len(taken)
    return parts


class Deltas:
    """Turns counters that only grow into what they grew by since the last time."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, tuple[tuple[str, object], ...]], int | float] = {}

    def of(self, metrics: list[Metric]) -> list[Metric]:
        """The same metrics, counters as differences; others as they are."""
        return [self._one(metric) if metric.kind == COUNTER else metric for metric in metrics]

    def _one(self, metric: Metric) -> Metric:
        points = []
        for point in metric.points:
            assert isinstance(point, Point)
            key = (metric.name, tuple(sorted(point.attributes.items())))
            points.append(replace(point, value=point.value - self._before.get(key, 0)))
            self._before[key] = point.value
        return replace(metric, points=tuple(points))
