# SPDX-License-Identifier: MIT
"""Metrics in Prometheus' text format, version 0.0.4.

Names, units and labels by the OpenTelemetry specification,
compatibility/prometheus_and_openmetrics.md, "OTLP Metric points to Prometheus". The format has no
exponential histograms: they become ones of fixed buckets, whose bounds are bounds of theirs, so
that no count is a guess. It has no exemplars either.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from renacer_otel._version import __version__
from renacer_otel.exporters.envelope import SCOPE_NAME
from renacer_otel.exporters.metric_data import COUNTER, HISTOGRAM, HistogramPoint, Metric

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from renacer_otel.exporters.metric_data import Attributes

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Exponents of the upper bounds in seconds, base 2: 238 ns, 954 ns, 3.8 µs, … 4 s, 16 s, 64 s.
_BOUNDS = range(-22, 7, 2)

_UNITS = {"s": "seconds", "By": "bytes", "1": "ratio"}
_SCOPE = {"otel_scope_name": SCOPE_NAME, "otel_scope_version": __version__}


def render(metrics: list[Metric], resource: Mapping[str, object]) -> str:
    """The text of these metrics; `resource` becomes the labels of target_info."""
    lines = [
        "# HELP target_info Resource attributes.",
        "# TYPE target_info gauge",
        f"target_info{_labels(_named(resource))} 1",
    ]
    for metric in metrics:
        lines += _family(metric)
    return "\n".join([*lines, ""])


def metric_name(metric: Metric) -> str:
    """With the suffixes of unit and kind: otel_sdk_span_started_total."""
    name = _clean(metric.name)
    unit = _UNITS.get(metric.unit, "")
    if unit and unit not in name.split("_"):
        name += f"_{unit}"
    if metric.kind == COUNTER and not name.endswith("_total"):
        name += "_total"
    return name


def _clean(name: str) -> str:
    clean = re.sub(r"_+", "_", re.sub(r"[^a-zA-Z0-9_:]", "_", name))
    return f"_{clean}" if clean[:1].isdigit() else clean


def _family(metric: Metric) -> Iterator[str]:
    name = metric_name(metric)
    kind = {COUNTER: "counter", HISTOGRAM: "histogram"}.get(metric.kind, "gauge")
    told = metric.description.replace("\\", r"\\").replace("\n", r"\n")
    yield f"# HELP {name} {told}"
    yield f"# TYPE {name} {kind}"
    for point in metric.points:
        labels = {**_named(point.attributes), **_SCOPE}
        if isinstance(point, HistogramPoint):
            yield from _histogram(name, labels, point)
        else:
            yield f"{name}{_labels(labels)} {point.value}"


def _histogram(name: str, labels: Mapping[str, str], point: HistogramPoint) -> Iterator[str]:
    for exponent in _BOUNDS:
        bound = {**labels, "le": str(2.0**exponent)}
        yield f"{name}_bucket{_labels(bound)} {_up_to(point, exponent)}"
    yield f"{name}_bucket{_labels({**labels, 'le': '+Inf'})} {point.count}"
    yield f"{name}_sum{_labels(labels)} {point.sum}"
    yield f"{name}_count{_labels(labels)} {point.count}"


def _up_to(point: HistogramPoint, exponent: int) -> int:
    """How many are at most 2**exponent: no 64 bits of ns need a scale below 0, so that this is
    the bound of a bucket."""
    end = exponent << point.scale
    return point.zero + sum(point.buckets[: max(end - point.offset, 0)])


def _named(attributes: Attributes | Mapping[str, object]) -> dict[str, str]:
    """Attributes as labels; those that become one name are joined, as the specification says."""
    found: dict[str, list[str]] = {}
    for key in sorted(attributes):
        name = _clean(key.replace(":", "_"))
        found.setdefault(name, []).append(_text(attributes[key]))
    return {name: ";".join(texts) for name, texts in found.items()}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _labels(labels: Mapping[str, str]) -> str:
    parts = [f'{name}="{_escaped(value)}"' for name, value in labels.items()]
    return "{" + ",".join(parts) + "}"


def _escaped(value: str) -> str:
    clean = value.encode("utf-8", "backslashreplace").decode("utf-8")
    return clean.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
