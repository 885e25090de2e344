# SPDX-License-Identifier: MIT
"""What renacer-otel tells of itself, as metrics.

Spans by OpenTelemetry's names for SDKs (semantic conventions, docs/otel/sdk-metrics.md), the rest
as `renacer.*`. At rest, and but for what a moment between two looks moves, in spans:

    otel.sdk.span.started = live + queue.size + inflight + exported + processed{error.type}

where exported is of every error.type and of none. All these are counted apart from each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from renacer_otel.exporters.metric_data import COUNTER, GAUGE_SUM, Attributes, Metric, Point
from renacer_otel.exporters.otlp_endpoint import UNIX

if TYPE_CHECKING:
    from renacer_otel.exporters.otlp_sender import SenderCounters
    from renacer_otel.exporters.otlp_settings import OtlpSettings

#: Why something was lost before an exporter had it.
REASON = "renacer.lost.reason"
NO_MEMORY = "no_memory"

# What an exporter of spans (or metrics: metric) is called, by protocol.
_TYPES = {
    "grpc": "otlp_grpc_{}_exporter",
    "http/protobuf": "otlp_http_{}_exporter",
    "http/json": "otlp_http_json_{}_exporter",
}


@dataclass(frozen=True)
class Exporter:
    """Who sends: its kind, and where to."""

    type: str
    address: str = ""
    port: int = 0

    @classmethod
    def of(cls, settings: OtlpSettings, signal: str = "span") -> Exporter:
        """The exporter of a way to a collector; `signal`: span or metric."""
        kind = _TYPES[settings.protocol].format(signal)
        if settings.target.startswith(UNIX):
            return cls(kind, settings.target.removeprefix(UNIX))
        host, _, port = settings.target.rpartition(":")
        return cls(kind, host.strip("[]"), int(port) if port.isdigit() else 0)

    @property
    def attributes(self) -> Attributes:
        """As every one of its points has them."""
        named: dict[str, str | int | bool] = _component(self.type)
        if self.address:
            named["server.address"] = self.address
        if self.port:
            named["server.port"] = self.port
        return named


@dataclass(frozen=True)
class Figures:
    """Where spans are at one moment, and all that was lost so far.

    `made`: spans that have ended and were encoded. `dropped`: of these, those that no exporter got,
    by reason. `spooled`: on disk; None = there is no spool. `lost`: (what, reason, how many), what
    was lost and is no span that was made: call, event, line, …
    """

    live: int = 0
    made: int = 0
    queued: int = 0
    queued_bytes: int = 0
    queue_bytes: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    spooled: int | None = None
    sent: SenderCounters | None = None  # None = no spans are exported
    calls: int = 0
    lost: tuple[tuple[str, str, int], ...] = ()
    tracer_ns: int = 0  # CPU time
    stops: int = 0

    @property
    def started(self) -> int:
        """Spans so far, those that live included."""
        return self.live + self.made


def own_metrics(
    figures: Figures,
    spans: Exporter | None,
    metrics: tuple[Exporter, SenderCounters] | None = None,
) -> list[Metric]:
    """All metrics of these figures. `metrics`: who sends metrics, and what became of them."""
    found = [*_of_run(figures), *_of_losses(figures)]
    if spans is not None and figures.sent is not None:
        found += [*_of_spans(figures), *_of_exporter(spans, figures.sent)]
    if metrics is not None:
        exporter, sent = metrics
        found += [
            _inflight("otel.sdk.exporter.metric_data_point.inflight", "{data_point}",
                      "Data points that the exporter has, and whose fate is open.",
                      exporter, sent),
            _exported("otel.sdk.exporter.metric_data_point.exported", "{data_point}",
                      "Data points whose export has ended.", exporter, sent),
        ]  # fmt: skip
    return [metric for metric in found if metric.points]


def _component(kind: str) -> dict[str, str | int | bool]:
    return {"otel.component.type": kind, "otel.component.name": f"{kind}/0"}


def _one(name: str, unit: str, told: str, kind: str, value: float) -> Metric:
    return Metric(name, unit, told, kind, (Point({}, value),))


def _of_run(figures: Figures) -> list[Metric]:
    return [
        _one("renacer.calls", "{call}", "System calls that the tracer saw.", COUNTER,
             figures.calls),
        _one("renacer.tracer.cpu.time", "s", "CPU time of the tracing thread.", COUNTER,
             figures.tracer_ns / 1e9),
        _one("renacer.tracer.stops", "{stop}", "How often a traced thread was stopped.", COUNTER,
             figures.stops),
    ]  # fmt: skip


def _of_losses(figures: Figures) -> list[Metric]:
    found: dict[str, list[Point]] = {}
    for what, reason, count in figures.lost:
        found.setdefault(what, []).append(Point({REASON: reason}, count))
    return [
        Metric(f"renacer.lost.{what}s", f"{{{what}}}", f"Lost for good: {what}s.", COUNTER,
               tuple(points))
        for what, points in found.items()
    ]  # fmt: skip


def _of_spans(figures: Figures) -> list[Metric]:
    sampled: Attributes = {"otel.span.sampling_result": "RECORD_AND_SAMPLE"}
    processor = _component("batching_span_processor")
    submitted = figures.sent.submitted if figures.sent else 0
    processed = [Point(processor, submitted)]
    processed += [
        Point({**processor, "error.type": reason}, count)
        for reason, count in figures.dropped.items()
    ]
    found = [
        Metric("otel.sdk.span.started", "{span}", "Spans that were begun.", COUNTER,
               (Point(sampled, figures.started),)),
        Metric("otel.sdk.span.live", "{span}", "Spans that have not ended.", GAUGE_SUM,
               (Point(sampled, figures.live),)),
        Metric("otel.sdk.processor.span.processed", "{span}",
               "Spans that the exporter was given, or that were dropped before.", COUNTER,
               tuple(processed)),
        Metric("otel.sdk.processor.span.queue.size", "{span}",
               "Spans that wait for the exporter.", GAUGE_SUM,
               (Point(processor, figures.queued),)),
        # The queue is bounded in bytes: how many spans that is nobody knows.
        Metric("renacer.processor.queue.size", "By", "Bytes that wait for the exporter.",
               GAUGE_SUM, (Point(processor, figures.queued_bytes),)),
        Metric("renacer.processor.queue.capacity", "By",
               "How many bytes may wait for the exporter.", GAUGE_SUM,
               (Point(processor, figures.queue_bytes),)),
    ]  # fmt: skip
    if figures.spooled is not None:
        told = "Spans that wait on disk."
        found.append(_one("renacer.spool.spans", "{span}", told, GAUGE_SUM, figures.spooled))
    return found


def _of_exporter(exporter: Exporter, sent: SenderCounters) -> list[Metric]:
    def counted(name: str, unit: str, told: str, value: int) -> Metric:
        return Metric(name, unit, told, COUNTER, (Point(exporter.attributes, value),))

    return [
        _inflight("otel.sdk.exporter.span.inflight", "{span}",
                  "Spans that the exporter has, and whose fate is open.", exporter, sent),
        _exported("otel.sdk.exporter.span.exported", "{span}",
                  "Spans whose export has ended.", exporter, sent),
        counted("renacer.exporter.requests", "{request}", "Requests that were acknowledged.",
                sent.batches),
        counted("renacer.exporter.retries", "{retry}", "Attempts beyond the first.", sent.retries),
        counted("renacer.exporter.sent", "By", "Bytes of acknowledged requests, uncompressed.",
                sent.sent_bytes),
    ]  # fmt: skip


def _inflight(name: str, unit: str, told: str, exporter: Exporter, sent: SenderCounters) -> Metric:
    return Metric(name, unit, told, GAUGE_SUM, (Point(exporter.attributes, sent.in_flight),))


def _exported(name: str, unit: str, told: str, exporter: Exporter, sent: SenderCounters) -> Metric:
    """Without error.type what was acknowledged; with it what was refused or lost, by its cause."""
    failed: dict[str, int] = {}
    for reasons in (sent.rejected_reasons, sent.lost_reasons):
        for reason, count in reasons.items():
            # The conventions' word, where the collector gives no reason of its own.
            kind = "rejected" if reason == "partial success" else reason.replace(" ", "_")
            failed[kind] = failed.get(kind, 0) + count
    points = [Point(exporter.attributes, sent.sent)]
    points += [
        Point({**exporter.attributes, "error.type": kind}, count) for kind, count in failed.items()
    ]
    return Metric(name, unit, told, COUNTER, tuple(points))
