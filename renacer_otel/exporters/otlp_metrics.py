# SPDX-License-Identifier: MIT
"""Metrics as OTLP requests, by the official classes: they are few and asked for seldom."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from renacer_otel._version import __version__
from renacer_otel.exporters.envelope import SCHEMA_URL, SCOPE_NAME, resource_message
from renacer_otel.exporters.metric_data import (
    COUNTER,
    HISTOGRAM,
    HistogramPoint,
    Interval,
    Metric,
    Point,
    points_in,
    split,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.proto.metrics.v1 import metrics_pb2

    from renacer_otel.spans.resource import AttributeValue

#: So no request comes near the 4 MiB that a collector takes by default: a point has at most 1 KiB
#: of buckets and the escaped name of a program, up to 1 KiB.
MAX_POINTS = 1000


class Request(bytes):
    """A whole request, for a sender that asks an envelope."""

    points: int


class MetricsEncoder:
    """Makes ExportMetricsServiceRequests in protobuf, or with `as_json` in OTLP/JSON.

    `attributes` are those of the resource.
    """

    def __init__(self, attributes: Mapping[str, AttributeValue], *, as_json: bool) -> None:
        self._resource = resource_message(attributes)
        self._as_json = as_json

    def encode(self, metrics: list[Metric], interval: Interval) -> list[Request]:
        """The requests that carry all points, none of them empty."""
        return [self._request(part, interval) for part in split(metrics, MAX_POINTS)]

    def _request(self, metrics: list[Metric], interval: Interval) -> Request:
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
            ExportMetricsServiceRequest,
        )
        from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
        from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics, ScopeMetrics

        scope = ScopeMetrics(
            scope=InstrumentationScope(name=SCOPE_NAME, version=__version__),
            metrics=[_metric(metric, interval) for metric in metrics],
            schema_url=SCHEMA_URL,
        )
        resource = ResourceMetrics(
            resource=self._resource, scope_metrics=[scope], schema_url=SCHEMA_URL
        )
        message = ExportMetricsServiceRequest(resource_metrics=[resource])
        request = Request(_json(message) if self._as_json else message.SerializeToString())
        request.points = points_in(metrics)
        return request


class NoEnvelope:
    """For senders: what they are given is a request already."""

    def wrap(self, block: bytes | memoryview) -> bytes:
        """The same."""
        return bytes(block)


def _metric(metric: Metric, interval: Interval) -> metrics_pb2.Metric:
    from opentelemetry.proto.metrics.v1 import metrics_pb2

    made = metrics_pb2.Metric(name=metric.name, unit=metric.unit, description=metric.description)
    temporality = (
        metrics_pb2.AGGREGATION_TEMPORALITY_DELTA
        if interval.delta and metric.kind in (COUNTER, HISTOGRAM)
        else metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE
    )
    if metric.kind == HISTOGRAM:
        made.exponential_histogram.aggregation_temporality = temporality
        made.exponential_histogram.data_points.extend(
            _histogram(point, interval)
            for point in metric.points
            if isinstance(point, HistogramPoint)
        )
        return made
    made.sum.aggregation_temporality = temporality
    made.sum.is_monotonic = metric.kind == COUNTER
    made.sum.data_points.extend(
        _number(point, interval) for point in metric.points if isinstance(point, Point)
    )
    return made


def _number(point: Point, interval: Interval) -> metrics_pb2.NumberDataPoint:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import NumberDataPoint

    made = NumberDataPoint(
        attributes=resource_message(point.attributes).attributes,
        start_time_unix_nano=interval.start,
        time_unix_nano=interval.end,
    )
    if isinstance(point.value, float):
        made.as_double = point.value
    else:
        made.as_int = min(point.value, (1 << 63) - 1)
    return made


def _histogram(
    point: HistogramPoint, interval: Interval
) -> metrics_pb2.ExponentialHistogramDataPoint:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint

    made = ExponentialHistogramDataPoint(
        attributes=resource_message(point.attributes).attributes,
        start_time_unix_nano=interval.start,
        time_unix_nano=interval.end,
        count=point.count,
        sum=point.sum,
        scale=point.scale,
        zero_count=point.zero,
        min=point.min,
        max=point.max,
    )
    made.positive.offset = point.offset
    made.positive.bucket_counts.extend(point.buckets)
    if point.exemplar is not None:
        made.exemplars.add(
            time_unix_nano=point.exemplar.time,
            as_double=point.exemplar.value,
            span_id=point.exemplar.span_id,
            trace_id=point.exemplar.trace_id,
        )
    return made


def _json(message: Any) -> bytes:
    """OTLP/JSON: proto3 JSON, but for ids in hex and enums as numbers."""
    from google.protobuf.json_format import MessageToDict

    told = MessageToDict(message, use_integers_for_enums=True)
    for resource in told["resourceMetrics"]:
        for metric in resource["scopeMetrics"][0]["metrics"]:
            for point in metric.get("exponentialHistogram", {}).get("dataPoints", ()):
                for exemplar in point.get("exemplars", ()):
                    for key in ("traceId", "spanId"):
                        exemplar[key] = _hex(exemplar[key])
    return json.dumps(told, separators=(",", ":")).encode("ascii")


def _hex(text: str) -> str:
    import base64

    return base64.b64decode(text).hex()
