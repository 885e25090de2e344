# SPDX-License-Identifier: MIT
"""Our own metrics: the conventions' names, and sums that tell where every span is."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from renacer_otel.exporters.metric_data import (
    COUNTER,
    GAUGE_SUM,
    HISTOGRAM,
    OVERFLOW,
    HistogramPoint,
    Metric,
    Point,
)
from renacer_otel.exporters.otlp_sender import SenderCounters
from renacer_otel.exporters.otlp_settings import OtlpSettings
from renacer_otel.exporters.own_metrics import Exporter, Figures, own_metrics
from renacer_otel.exporters.prometheus_text import metric_name, render
from renacer_otel.spans import metered
from tests.scale import examples
from tests.spans.test_metered import call

SENT = SenderCounters(
    submitted=100, sent=60, rejected=10, lost=5, batches=3, retries=2, sent_bytes=999,
    rejected_reasons={"partial success": 4, "HTTP 400": 6},
    lost_reasons={"no time left to send": 5},
)  # fmt: skip
FIGURES = Figures(
    live=3, made=118, queued=11, queued_bytes=1100, queue_bytes=32 << 20,
    dropped={"queue_full": 7}, sent=SENT, calls=500,
    lost=(("call", "ring_full", 8), ("event", "ring_full", 17)), tracer_ns=1_500_000_000, stops=900,
)  # fmt: skip
EXPORTER = Exporter("otlp_grpc_span_exporter", "127.0.0.1", 4317)


def values(metrics: list[Metric]) -> dict[str, dict[str, float]]:
    """Name -> error.type or renacer.lost.reason ("" = none) -> value."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for metric in metrics:
        for point in metric.points:
            assert isinstance(point, Point)
            reason = point.attributes.get("error.type") or point.attributes.get(
                "renacer.lost.reason", ""
            )
            assert str(reason) not in found[metric.name]
            found[metric.name][str(reason)] = point.value
    return found


def test_names_of_the_conventions() -> None:
    found = values(own_metrics(FIGURES, EXPORTER, (replace(EXPORTER), SENT)))
    assert found["otel.sdk.span.started"] == {"": 121}
    assert found["otel.sdk.span.live"] == {"": 3}
    assert found["otel.sdk.processor.span.queue.size"] == {"": 11}
    assert found["otel.sdk.processor.span.processed"] == {"": 100, "queue_full": 7}
    assert found["otel.sdk.exporter.span.inflight"] == {"": 25}
    assert found["otel.sdk.exporter.span.exported"] == {
        "": 60, "rejected": 4, "HTTP_400": 6, "no_time_left_to_send": 5}  # fmt: skip
    assert found["otel.sdk.exporter.metric_data_point.exported"][""] == 60
    assert found["renacer.lost.calls"] == {"ring_full": 8}
    assert found["renacer.lost.events"] == {"ring_full": 17}
    assert found["renacer.tracer.cpu.time"] == {"": 1.5}


COUNTS = st.integers(0, 1000)
REASONS = st.dictionaries(st.sampled_from(["UNAVAILABLE", "partial success", "x y"]), COUNTS)


@settings(max_examples=examples(150))
@given(COUNTS, COUNTS, COUNTS, REASONS, REASONS, COUNTS, COUNTS)
def test_every_span_is_in_one_place(
    live: int,
    queued: int,
    dropped: int,
    rejected: dict[str, int],
    lost: dict[str, int],
    sent: int,
    inflight: int,
) -> None:
    given_over = sent + sum(rejected.values()) + sum(lost.values()) + inflight
    counters = SenderCounters(
        submitted=given_over, sent=sent, rejected=sum(rejected.values()),
        lost=sum(lost.values()), rejected_reasons=rejected, lost_reasons=lost,
    )  # fmt: skip
    figures = Figures(
        live=live, made=queued + dropped + given_over, queued=queued,
        dropped={"queue_full": dropped}, sent=counters,
    )  # fmt: skip
    found = values(own_metrics(figures, EXPORTER))
    assert found["otel.sdk.span.started"][""] == (
        found["otel.sdk.span.live"][""]
        + found["otel.sdk.processor.span.queue.size"][""]
        + found["otel.sdk.processor.span.processed"]["queue_full"]
        + found["otel.sdk.exporter.span.inflight"][""]
        + sum(found["otel.sdk.exporter.span.exported"].values())
    )


@pytest.mark.parametrize(
    ("protocol", "target", "want"),
    [
        ("grpc", "127.0.0.1:4317", Exporter("otlp_grpc_span_exporter", "127.0.0.1", 4317)),
        ("http/protobuf", "[::1]:4318", Exporter("otlp_http_span_exporter", "::1", 4318)),
        ("http/json", "unix:/run/s", Exporter("otlp_http_json_span_exporter", "/run/s")),
    ],
)
def test_who_sends(protocol: str, target: str, want: Exporter) -> None:
    assert Exporter.of(OtlpSettings(target, "", False, protocol)) == want
    attributes = want.attributes
    assert attributes["otel.component.name"] == f"{want.type}/0"
    assert ("server.port" in attributes) == bool(want.port)


def test_without_an_exporter_there_are_no_spans() -> None:
    names = {metric.name for metric in own_metrics(FIGURES, None)}
    assert "renacer.calls" in names
    assert not [name for name in names if name.startswith("otel.sdk")]


# --- Prometheus' text -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "unit", "kind", "want"),
    [
        ("otel.sdk.span.started", "{span}", COUNTER, "otel_sdk_span_started_total"),
        ("otel.sdk.span.live", "{span}", GAUGE_SUM, "otel_sdk_span_live"),
        ("syscall.duration", "s", HISTOGRAM, "syscall_duration_seconds"),
        ("syscall.io", "By", COUNTER, "syscall_io_bytes_total"),
        ("a.seconds", "s", COUNTER, "a_seconds_total"),
        ("x-.9y_total", "1", COUNTER, "x_9y_total_ratio_total"),
        ("9x", "", GAUGE_SUM, "_9x"),
    ],
)
def test_names_for_prometheus(name: str, unit: str, kind: str, want: str) -> None:
    assert metric_name(Metric(name, unit, "", kind, ())) == want


TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


@settings(max_examples=examples(150))
@given(
    st.dictionaries(TEXTS.filter(bool), TEXTS, max_size=4),
    st.dictionaries(
        st.sampled_from(["syscall.name", "process.executable.name", "a.b"]), TEXTS, max_size=3
    ),
    st.integers(0, 2**63) | st.floats(0, 1e18),
    TEXTS,
)
def test_whatever_is_told_can_be_parsed(
    resource: dict[str, str], labels: dict[str, str], value: float, told: str
) -> None:
    metric = Metric("m.x", "{call}", told, COUNTER, (Point(labels, value), Point(OVERFLOW, 1)))
    text = render([metric], resource)
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert set(families) == {"target_info", "m_x"}
    first, rest = families["m_x"].samples
    assert first.name == "m_x_total"
    got = {key.replace("_", "."): value for key, value in first.labels.items()}
    for key, want in labels.items():
        assert got[key] == want
    assert first.labels["otel_scope_name"] == "renacer_otel"
    assert float(first.value) == float(value)
    assert rest.labels["otel_metric_overflow"] == "true"


@settings(max_examples=examples(60))
@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=100))
def test_fixed_buckets_count_exactly(durations: list[int]) -> None:
    """Their bounds are powers of two: what the text says of them is no estimate."""
    records = b"".join(call(2 * i + 1, duration) for i, duration in enumerate(durations))
    (series,) = metered.of_records([records]).calls
    point = HistogramPoint(
        {"a": "b"}, series.count, series.zero, series.sum / 1e9, 0, 0, series.scale,
        series.offset, series.buckets,
    )  # fmt: skip
    text = render([Metric("d", "s", "", HISTOGRAM, (point,))], {})
    (_, family) = text_string_to_metric_families(text)
    assert (family.name, family.type) == ("d_seconds", "histogram")
    before = 0.0
    for sample in family.samples:
        if sample.name == "d_seconds_bucket":
            bound = float(sample.labels["le"])
            want = sum(duration / 1e9 <= bound for duration in durations)
            assert sample.value == want, bound
            assert sample.value >= before
            before = sample.value
        elif sample.name == "d_seconds_count":
            assert sample.value == len(durations)
        else:
            assert math.isclose(sample.value, sum(durations) / 1e9)
    assert family.samples[-3].labels["le"] == "+Inf"
