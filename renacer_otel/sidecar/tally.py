# SPDX-License-Identifier: MIT
"""All runs of a sidecar as one: the figures that it shows of itself.

Asked for from another thread than the one that serves; a run is freed under the same lock.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.exporters.ledger import QUEUE_FULL, REJECTED, RING_FULL, UNSENT
from renacer_otel.exporters.metric_data import COUNTER, GAUGE_SUM, Metric, Point
from renacer_otel.exporters.own_metrics import Figures

if TYPE_CHECKING:
    from renacer_otel.exporters.ledger import Books
    from renacer_otel.exporters.otlp_sender import SenderCounters
    from renacer_otel.sidecar.exporter import ExporterCounts
    from renacer_otel.sidecar.taken import TakenRun


class RunFigures(NamedTuple):
    """Of one run, or the sums of many. Spans unless said otherwise.

    What tracers say of themselves (calls, events, ns, stops) is shown as they say it.
    """

    waiting: int = 0  # made, and not with the exporter yet
    dropped: int = 0  # the run's queue was full
    failed: int = 0  # lost on the way to the exporter
    calls: int = 0  # calls
    lost_calls: int = 0  # calls
    lost_events: int = 0  # events
    damages: int = 0  # of the ring
    tracer_ns: int = 0
    stops: int = 0

    def plus(self, other: RunFigures) -> RunFigures:
        """The sums."""
        return RunFigures(*(one + more for one, more in zip(self, other, strict=True)))


class Tally:
    """See the module's docstring. Each run: begin(), and close() instead of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: set[TakenRun] = set()
        self._over = RunFigures()
        self._taken = 0

    def begin(self, run: TakenRun) -> None:
        """It has been started."""
        with self._lock:
            self._live.add(run)
            self._taken += 1

    def close(self, run: TakenRun) -> int:
        """Ends and frees it; returns how many spans never came to the exporter."""
        run.end()
        with self._lock:
            figures = run.figures()
            self._live.discard(run)
            # What waits now is with nobody any more; it was counted as dropped.
            self._over = self._over.plus(figures._replace(waiting=0))
            run.free()
        return figures.dropped + figures.failed

    def figures(self) -> tuple[RunFigures, int, int]:
        """The sums of all, how many run now, and how many were ever taken."""
        with self._lock:
            total = self._over
            for run in self._live:
                total = total.plus(run.figures())
            return total, len(self._live), self._taken


def figures_of(
    runs: RunFigures, live: int, counts: ExporterCounts, queue: tuple[int, int]
) -> Figures:
    """What own_metrics() is told. `queue`: bytes that wait for the sender, and at most.

    A sidecar knows of live spans only that each run has one: its root.
    """
    way = {QUEUE_FULL: runs.dropped, "exporter_failed": runs.failed}
    books = counts.books.plus(runs.waiting, way)
    is_spooled = counts.spool is not None
    in_flight = 0 if is_spooled else counts.sender.in_flight
    return Figures(
        live=live,
        made=books.emitted,
        queued=books.queued - in_flight,
        queued_bytes=queue[0],
        queue_bytes=queue[1],
        dropped=books.unoffered,
        spooled=books.spooled if is_spooled else None,
        sent=_sent(books, counts.sender, in_flight),
        calls=runs.calls,
        lost=(
            ("call", RING_FULL, runs.lost_calls),
            ("event", RING_FULL, runs.lost_events),
        ),
        tracer_ns=runs.tracer_ns,
        stops=runs.stops,
    )


def _sent(books: Books, sender: SenderCounters, in_flight: int) -> SenderCounters:
    """The sender's counters by the books, in which spans of an earlier sidecar are as ours."""
    from dataclasses import replace

    rejected, lost = books.because(REJECTED), books.because(UNSENT)
    sums = sum(rejected.values()), sum(lost.values())
    return replace(
        sender,
        submitted=books.exported + sum(sums) + in_flight,
        sent=books.exported,
        rejected=sums[0],
        lost=sums[1],
        kept=0,
        rejected_reasons=rejected,
        lost_reasons=lost,
    )


def more_metrics(
    runs: RunFigures, live: int, taken: int, refused: int, counts: ExporterCounts
) -> list[Metric]:
    """What only a sidecar has. `refused`: peers that were cut off."""

    def one(name: str, unit: str, told: str, kind: str, value: int) -> Metric:
        return Metric(name, unit, told, kind, (Point({}, value),))

    found = [
        one("renacer.sidecar.runs.live", "{run}", "Runs that are read now.", GAUGE_SUM, live),
        one("renacer.sidecar.runs", "{run}", "Runs that were taken.", COUNTER, taken),
        one("renacer.sidecar.refused", "{peer}", "Peers that were cut off.", COUNTER, refused),
        one("renacer.sidecar.damages", "{damage}", "Rings found damaged.", COUNTER, runs.damages),
    ]
    if counts.spool is not None:
        books, (used, limit) = counts.books, counts.spool
        found += [
            one("renacer.spool.inherited", "{span}", "Spans of earlier sidecars, found in the"
                " spool.", COUNTER, books.inherited),
            one("renacer.spool.size", "By", "Bytes in the spool's folder.", GAUGE_SUM, used),
            one("renacer.spool.capacity", "By", "How many may be.", GAUGE_SUM, limit),
        ]  # fmt: skip
    return found
