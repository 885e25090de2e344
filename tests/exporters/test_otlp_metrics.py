# SPDX-License-Identifier: MIT
"""Metrics as OTLP: what official classes read of it, from real servers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renacer_otel.exporters.metric_data import (
    COUNTER,
    GAUGE_SUM,
    HISTOGRAM,
    OVERFLOW,
    Deltas,
    Exemplar,
    HistogramPoint,
    Interval,
    Metric,
    Point,
    points_in,
    split,
)
from renacer_otel.exporters.metrics_sender import make_metrics_sender
from renacer_otel.exporters.otlp_metrics import MAX_POINTS, MetricsEncoder
from renacer_otel.exporters.otlp_settings import PROTOCOLS, OtlpSettings
from tests.exporters.http_server import HttpCollector, Reply
from tests.exporters.metrics_collector import (
    MetricsCollector,
    all_of_http,
    attributes,
    metrics_in,
    numbers,
)
from tests.scale import examples

if TYPE_CHECKING:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )

    from renacer_otel.exporters.otlp_sender import SenderCounters

POINT = HistogramPoint(
    {"syscall.name": "read", "process.pid": 7}, 5, 1, 0.5, 0.0, 0.25, 3, -40, (1, 0, 3),
    Exemplar(0.25, 1_700_000_000_000_000_001, bytes(range(16)), bytes(range(8, 16))),
)  # fmt: skip
METRICS = [
    Metric("d", "s", "Durations.", HISTOGRAM, (POINT, replace(POINT, attributes=OVERFLOW,
                                                             exemplar=None))),
    Metric("c", "{call}", "Calls.", COUNTER, (Point({"a": "\ud800\x00\u2028"}, 2**62),)),
    Metric("t", "s", "Time.", COUNTER, (Point({}, 1.5),)),
    Metric("u", "By", "Queue.", GAUGE_SUM, (Point({}, -3), Point({"b": True}, 2**70))),
]  # fmt: skip
RESOURCE: dict[str, str | int] = {"service.name": "s", "n": 1}
INTERVAL = Interval(1_700_000_000_000_000_000, 1_700_000_001_000_000_007)


def sent(
    protocol: str, collector: MetricsCollector | HttpCollector, limit_s: float = 20.0
) -> SenderCounters:
    """Sends METRICS as a run does."""
    _, _, target = collector.endpoint.partition("://")
    settings_ = OtlpSettings(target, collector.endpoint, False, protocol, "/v1/metrics")
    encoder = MetricsEncoder({**RESOURCE}, as_json=protocol == "http/json")
    sender = make_metrics_sender(settings_)
    sender.start_deadline(limit_s)
    for request in encoder.encode(METRICS, INTERVAL):
        sender.submit(request, request.points)
    return sender.close(limit_s)


def check(request: ExportMetricsServiceRequest) -> None:
    """It is METRICS."""
    (resource,) = request.resource_metrics
    assert {pair.key for pair in resource.resource.attributes} == set(RESOURCE)
    (scope,) = resource.scope_metrics
    assert scope.scope.name == "renacer_otel"
    assert scope.schema_url == resource.schema_url == "https://opentelemetry.io/schemas/1.44.0"
    found = metrics_in(request)
    assert [(each.name, each.unit, each.description) for each in found.values()] == [
        (each.name, each.unit, each.description) for each in METRICS
    ]
    histogram = found["d"].exponential_histogram
    assert histogram.aggregation_temporality == 2
    point, rest = histogram.data_points
    assert attributes(point) == POINT.attributes
    assert attributes(rest) == {"otel.metric.overflow": True}
    assert (point.count, point.zero_count, point.sum) == (5, 1, 0.5)
    assert (point.min, point.max, point.scale) == (0.0, 0.25, 3)
    assert point.HasField("min")  # 0 is a minimum
    assert (point.positive.offset, [*point.positive.bucket_counts]) == (-40, [1, 0, 3])
    assert (point.start_time_unix_nano, point.time_unix_nano) == (INTERVAL.start, INTERVAL.end)
    (exemplar,) = point.exemplars
    assert (exemplar.as_double, exemplar.time_unix_nano) == (0.25, 1_700_000_000_000_000_001)
    assert (exemplar.trace_id, exemplar.span_id) == (bytes(range(16)), bytes(range(8, 16)))
    assert not rest.exemplars
    assert found["c"].sum.is_monotonic
    assert found["t"].sum.is_monotonic
    assert not found["u"].sum.is_monotonic
    assert numbers(found["c"]) == {(("a", "\\ud800\x00\u2028"),): 2**62}
    assert numbers(found["t"]) == {(): 1.5}
    assert numbers(found["u"]) == {(): -3, (("b", True),): 2**63 - 1}


def test_by_grpc() -> None:
    with MetricsCollector() as collector:
        counters = sent("grpc", collector)
    assert (counters.sent, counters.lost, counters.rejected) == (points_in(METRICS), 0, 0)
    (request,) = collector.requests
    check(request)
    assert str(collector.metadata[0]["user-agent"]).startswith("renacer-otel/")


@pytest.mark.parametrize("protocol", PROTOCOLS[1:])
def test_by_http(protocol: str) -> None:
    with HttpCollector() as collector:
        counters = sent(protocol, collector)
    assert (counters.sent, counters.lost, counters.rejected) == (points_in(METRICS), 0, 0)
    (request,) = all_of_http(collector)
    check(request)


def test_json_as_otlp_has_it() -> None:
    """Ids in hex, enums as numbers, 64 bits as strings."""
    (request,) = MetricsEncoder({**RESOURCE}, as_json=True).encode(METRICS, INTERVAL)
    said = json.loads(request)
    metrics = said["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
    point = metrics[0]["exponentialHistogram"]["dataPoints"][0]
    assert point["exemplars"][0]["traceId"] == bytes(range(16)).hex()
    assert point["exemplars"][0]["spanId"] == bytes(range(8, 16)).hex()
    assert metrics[0]["exponentialHistogram"]["aggregationTemporality"] == 2
    assert point["positive"] == {"offset": -40, "bucketCounts": ["1", "0", "3"]}
    assert point["timeUnixNano"] == str(INTERVAL.end)


def test_delta_is_of_what_only_grows() -> None:
    encoder = MetricsEncoder({**RESOURCE}, as_json=False)
    (request,) = encoder.encode(METRICS, replace(INTERVAL, delta=True))
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

    found = metrics_in(metrics_service_pb2.ExportMetricsServiceRequest.FromString(request))
    assert found["d"].exponential_histogram.aggregation_temporality == 1
    assert found["c"].sum.aggregation_temporality == 1
    assert found["u"].sum.aggregation_temporality == 2


def test_retried_and_refused() -> None:
    with MetricsCollector(["UNAVAILABLE", "UNAVAILABLE"]) as collector:
        counters = sent("grpc", collector)
        assert (counters.sent, counters.retries) == (points_in(METRICS), 2)
    with MetricsCollector(["INVALID_ARGUMENT"]) as collector:
        counters = sent("grpc", collector)
        assert counters.rejected_reasons == {"INVALID_ARGUMENT": points_in(METRICS)}
        assert not collector.requests


def test_partial_success_counts_data_points() -> None:
    with MetricsCollector([2]) as collector:
        counters = sent("grpc", collector)
    assert (counters.sent, counters.rejected) == (points_in(METRICS) - 2, 2)
    assert len(collector.requests) == 1  # it is never sent again
    body = b'{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"no"}}'
    with HttpCollector([Reply(body=body, kind="application/json")]) as http:
        counters = sent("http/json", http)
    assert (counters.sent, counters.rejected) == (points_in(METRICS) - 3, 3)


def test_a_wrong_path_is_told_as_of_metrics() -> None:
    with HttpCollector([Reply(status=404)]) as collector:
        counters = sent("http/protobuf", collector)
    assert "/v1/metrics" in counters.last_error
    assert "/v1/traces" not in counters.last_error


def test_a_collector_that_is_not_there() -> None:
    with MetricsCollector() as collector:
        pass  # the port is free again
    counters = sent("grpc", collector, limit_s=0.3)
    assert counters.lost == points_in(METRICS)
    assert "no collector listens there" in counters.last_error


@settings(max_examples=examples(60))
@given(st.lists(st.integers(0, 2500), min_size=1, max_size=5))
def test_many_points_go_in_parts(sizes: list[int]) -> None:
    metrics = [
        Metric(f"m{i}", "1", "", COUNTER, tuple(Point({"i": n}, n) for n in range(size)))
        for i, size in enumerate(sizes)
    ]
    parts = split(metrics, MAX_POINTS)
    assert all(0 < points_in(part) <= MAX_POINTS for part in parts)
    assert len(parts) == -(-sum(sizes) // MAX_POINTS)
    for metric in metrics:
        found = [each.points for part in parts for each in part if each.name == metric.name]
        assert tuple(point for points in found for point in points) == metric.points


def test_the_largest_requests_are_below_4_mib() -> None:
    """As many series as there may be, with the longest names that are escaped to the most."""
    name = "\\x01" * 255
    points = tuple(
        replace(POINT, attributes={"syscall.name": "x" * 40, "process.executable.name": name,
                                   "process.pid": n}, buckets=(2**40,) * 160)
        for n in range(2000)
    )  # fmt: skip
    requests = MetricsEncoder({**RESOURCE}, as_json=False).encode(
        [Metric("d", "s", "", HISTOGRAM, points)], INTERVAL
    )
    assert len(requests) == 2
    assert max(map(len, requests)) < 4 << 20


def test_differences_of_counters() -> None:
    deltas = Deltas()
    first, second = Point({"a": 1}, 5), Point({"a": 2}, 1)
    metric = Metric("c", "1", "", COUNTER, (first,))
    gauge = Metric("g", "1", "", GAUGE_SUM, (Point({}, 9),))
    assert deltas.of([metric, gauge]) == [metric, gauge]
    more = replace(metric, points=(replace(first, value=7), second))
    (told, same) = deltas.of([more, gauge])
    assert [point.value for point in told.points if isinstance(point, Point)] == [2, 1]
    assert same == gauge
