# SPDX-License-Identifier: MIT
"""The metrics of a run: sent now and then and at the end, and shown to who asks by HTTP.

A thread as those of the outputs. Every export is a sender of its own that has so long and no
longer: with cumulative metrics the next one says all that one that failed would have said.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.exporters.ledger import QUEUE_FULL, RING_FULL
from renacer_otel.exporters.metric_data import Deltas
from renacer_otel.exporters.otlp_sender import SenderCounters
from renacer_otel.exporters.own_metrics import NO_MEMORY, Exporter, Figures, own_metrics
from renacer_otel.sidecar.outputs import Output
from renacer_otel.spans import metered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from renacer_otel.engine.launch import NativeRun
    from renacer_otel.exporters.metric_data import Metric
    from renacer_otel.exporters.metric_settings import MetricSettings
    from renacer_otel.exporters.metrics_server import MetricsServer, Page
    from renacer_otel.exporters.otlp_metrics import MetricsEncoder
    from renacer_otel.exporters.otlp_sender import OtlpSender
    from renacer_otel.exporters.otlp_settings import OtlpSettings
    from renacer_otel.sidecar.outputs import OtlpOutput
    from renacer_otel.spans.resource import AttributeValue

# What the metrics keep for themselves of the time for the end, of which spans may need all.
_SHARE = 0.5


class MeteringConfig(NamedTuple):
    """What is to become of metrics. At least one of `settings` and `listen`."""

    settings: MetricSettings | None = None  # to send them
    listen: tuple[str, int] | None = None  # host and port to show them at
    by_pid: bool = False


class Metering(Output):
    """See the module's docstring. `result`, final after join(), is in data points.

    `spans`: where spans go, and the output that sends them; `unix_ns`: Unix time of
    CLOCK_MONOTONIC's. Use as an Output, and end() before the run is closed.
    """

    def __init__(
        self,
        run: NativeRun,
        config: MeteringConfig,
        attributes: Callable[[], Mapping[str, AttributeValue]],
        spans: tuple[OtlpSettings, OtlpOutput] | None,
        unix_ns: Callable[[int], int],
    ) -> None:
        super().__init__(run, 0, "renacer-metrics")
        self._config = config
        self._attributes = attributes
        self._spans = spans
        self._unix_ns = unix_ns
        self._ending = threading.Event()
        self._until: float | None = None  # CLOCK_MONOTONIC seconds
        self._lock = threading.Lock()  # of what follows
        self._gone = False  # the run is closed
        self._sender: OtlpSender | None = None
        self._sent = SenderCounters()  # all exports so far
        self._deltas = Deltas()
        self._made_encoder: MetricsEncoder | None = None
        self._started_ns = self._since_ns = self._now_ns()
        self._server = self._make_server()

    # --- life, from other threads ---------------------------------------------------------------

    def prepare(self) -> None:
        """As an Output; takes the address, too. Raises OutputError, EngineError."""
        if self._server is not None:
            self._server.open()
        super().prepare()

    def start_deadline(self, seconds: float) -> None:
        """Nothing is traced any more, all is counted: what is left is to be sent within so long."""
        until = time.monotonic() + seconds
        with self._lock:
            self._until = until if self._until is None else min(self._until, until)
            if self._sender is not None:
                self._sender.start_deadline(seconds * _SHARE)
        self._ending.set()

    def end(self) -> None:
        """The run is about to be closed: from now on nothing is asked of it."""
        self._begin.set()
        self._ending.set()
        with self._lock:
            self._gone = True
        if self._server is not None:
            self._server.close()

    # --- the thread -----------------------------------------------------------------------------

    def run(self) -> None:
        """Until the end."""
        self._begin.wait()
        if not self._wanted:
            return
        if self._server is not None:
            self._server.start()
        try:
            self._send_now_and_then()
        except Exception as error:  # noqa: BLE001 (told at the end)
            self._fail(error)

    def _send_now_and_then(self) -> None:
        settings = self._config.settings
        if settings is None:
            self._ending.wait()
            return
        while not self._ending.wait(settings.interval_s):
            self._export(settings, settings.timeout_s, last=False)
        with self._lock:
            until, gone = self._until, self._gone
        if gone or until is None:
            return
        # What became of the spans is to be in it, if that is known in time.
        if self._spans is not None:
            self._spans[1].join(max(until - time.monotonic(), 0.0) * _SHARE)
        left = max(until - time.monotonic(), 0.0)
        self._export(settings, min(left, settings.timeout_s), last=True)

    def _export(self, settings: MetricSettings, limit_s: float, *, last: bool) -> None:
        from renacer_otel.exporters.metric_data import Interval
        from renacer_otel.exporters.metrics_sender import make_metrics_sender

        anew = metered.ALL if settings.delta else metered.SLOWEST
        metrics = self._collect(anew, exemplars=settings.exemplars)
        if metrics is None:
            return
        if settings.delta:
            calls = [metric for metric in metrics if metric.name.startswith("syscall.")]
            metrics = calls + self._deltas.of(metrics[len(calls) :])
        now = self._now_ns()
        start = self._since_ns if settings.delta else self._started_ns
        self._since_ns = now
        requests = self._encoder(settings).encode(metrics, Interval(start, now, settings.delta))
        sender = make_metrics_sender(settings.otlp)
        with self._lock:
            self._sender = sender
            late = self._until is not None and not last
        sender.start_deadline(0.0 if late else limit_s)
        for request in requests:
            sender.submit(request, request.points)
        counters = sender.close(limit_s)
        with self._lock:
            self._sender = None
            self._sent = _added(self._sent, counters)
        self._tell(counters, delta=settings.delta, last=last)

    def _tell(self, counters: SenderCounters, *, delta: bool, last: bool) -> None:
        result = self.result
        result.written += counters.sent
        result.rejected += counters.rejected
        if last or delta:
            # Else the next export says all of it.
            result.lost += counters.lost
            if counters.lost or counters.rejected:
                result.error = counters.last_error
        result.warning = counters.warning or result.warning

    def _encoder(self, settings: MetricSettings) -> MetricsEncoder:
        if self._made_encoder is None:
            from renacer_otel.exporters.otlp_metrics import MetricsEncoder

            as_json = settings.otlp.protocol == "http/json"
            self._made_encoder = MetricsEncoder(self._attributes(), as_json=as_json)
        return self._made_encoder

    # --- what is told -----------------------------------------------------------------------------

    def _now_ns(self) -> int:
        return self._unix_ns(time.monotonic_ns())

    def _collect(self, anew: int, *, exemplars: bool) -> list[Metric] | None:
        """All metrics as they are now; None = the run is closed, or they cannot be had now."""
        from renacer_otel.exporters.call_metrics import call_metrics

        with self._lock:
            if self._gone:
                return None
            try:
                measured = metered.of_run(self._run, anew)
            except metered.NotNow:
                return None
            figures = self._figures(measured.missed)
            sent = self._sent
        spans = Exporter.of(self._spans[0]) if self._spans else None
        settings = self._config.settings
        metrics = (Exporter.of(settings.otlp, "metric"), sent) if settings else None
        told = call_metrics(measured, self._unix_ns, exemplars=exemplars and spans is not None)
        return told + own_metrics(figures, spans, metrics)

    def _figures(self, missed: int) -> Figures:
        run = self._run
        flow, stats = run.flow(), run.stats()
        output = self._spans[1] if self._spans else None
        sent = output.counters() if output else None
        dropped = {QUEUE_FULL: flow.dropped} if flow.dropped else {}
        if output and sent is None and output.result.lost:
            dropped["no_exporter"] = output.result.lost
        lost = [
            ("call", RING_FULL, stats.lost_calls),
            ("event", RING_FULL, stats.lost_events),
            ("span", NO_MEMORY, flow.unmade),
            ("line", "output_failed", stats.text_lost),
            ("measurement", NO_MEMORY, missed),
        ]
        is_running = not self._ending.is_set()
        return Figures(
            live=flow.open_calls + flow.processes + is_running,  # the run itself is one, too
            made=flow.made,
            queued=flow.queued + flow.making,
            queued_bytes=flow.queued_bytes,
            queue_bytes=flow.queue_bytes,
            dropped=dropped,
            sent=sent or SenderCounters(),
            calls=max(flow.calls, stats.calls),
            lost=tuple(each for each in lost if each[2] or each[1] == RING_FULL),
            tracer_ns=stats.tracer_ns,
            stops=stats.stops,
        )

    def _make_server(self) -> MetricsServer | None:
        if self._config.listen is None:
            return None
        from renacer_otel.exporters.metrics_server import MetricsServer, readiness

        pages = {"/metrics": self._page, "/readyz": readiness(self._not_ready)}
        return MetricsServer(self._config.listen, pages)

    def _not_ready(self) -> str:
        return "the run has ended" if self._ending.is_set() else ""

    def _page(self) -> Page:
        from renacer_otel.exporters.metrics_server import Page
        from renacer_otel.exporters.prometheus_text import CONTENT_TYPE, render

        metrics = self._collect(metered.NOTHING, exemplars=False)
        if metrics is None:
            return Page("they cannot be had now\n", status=503)
        settings = self._config.settings
        if settings is not None and settings.delta:
            # What is measured begins anew with every export: it would seem to fall.
            metrics = [metric for metric in metrics if not metric.name.startswith("syscall.")]
        return Page(render(metrics, self._attributes()), CONTENT_TYPE)


def _added(one: SenderCounters, other: SenderCounters) -> SenderCounters:
    """The counters of two senders as of one."""

    def reasons(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
        return {key: first.get(key, 0) + second.get(key, 0) for key in {**first, **second}}

    return SenderCounters(
        submitted=one.submitted + other.submitted,
        sent=one.sent + other.sent,
        rejected=one.rejected + other.rejected,
        lost=one.lost + other.lost,
        batches=one.batches + other.batches,
        retries=one.retries + other.retries,
        sent_bytes=one.sent_bytes + other.sent_bytes,
        rejected_reasons=reasons(one.rejected_reasons, other.rejected_reasons),
        lost_reasons=reasons(one.lost_reasons, other.lost_reasons),
        last_error=other.last_error or one.last_error,
        warning=other.warning or one.warning,
    )
