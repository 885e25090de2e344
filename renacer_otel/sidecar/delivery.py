# SPDX-License-Identifier: MIT
"""Between a run's blocks and the collector: the sender, a spool in front of it, and the books."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from renacer_otel.engine.launch import NativeRun, Stats, Tuning
    from renacer_otel.exporters.ledger import Books, Ledger
    from renacer_otel.exporters.otlp_settings import OtlpSettings
    from renacer_otel.exporters.spool_folder import SpoolFolder
    from renacer_otel.exporters.status_file import StatusFile
    from renacer_otel.sidecar.outputs import OtlpOutput, Sender
    from renacer_otel.spans.resource import AttributeValue

STATUS_VERSION = 1
# A request is at most this part of a spool.
_REQUESTS_IN_SPOOL = 32


class Spooling(NamedTuple):
    """A spool to be used: its folder, locked; the sender closes it."""

    folder: SpoolFolder
    limit: int  # bytes
    on_full: str  # of spool.ON_FULL

    def tuned(self, tuning: Tuning) -> Tuning:
        """The spool is waited for, and has room for several requests."""
        return tuning._replace(
            otlp_waits=True, batch_bytes=min(tuning.batch_bytes, self.limit // _REQUESTS_IN_SPOOL)
        )


def make_sender(
    settings: OtlpSettings,
    attributes: Mapping[str, AttributeValue],
    ledger: Ledger,
    spool: Spooling | None,
    tell: Callable[[str], None],
) -> Sender:
    """What blocks are submitted to; each span's fate is booked in `ledger`."""
    from renacer_otel.exporters import senders

    sender = senders.make_sender(settings, attributes)
    if spool is not None:
        return senders.make_spooled(sender, settings, ledger, *spool, tell=tell)
    sender.ledger = ledger
    return sender


def books_of(run: NativeRun, ledger: Ledger) -> Books:
    """Where every span of a run is, those included that wait, or were lost, before the exporter."""
    from renacer_otel.exporters.ledger import QUEUE_FULL, RING_FULL

    books, stats = ledger.books(), run.stats()
    before = {QUEUE_FULL: stats.dropped_spans, RING_FULL: stats.lost_calls}
    return books.plus(stats.queued_spans, before)


def status_file(
    path: str, about: Mapping[str, Any], run: NativeRun, otlp: OtlpOutput, *, flight: bool
) -> StatusFile:
    """Begun. `about`: what it says beside the counts; `flight`: there is a flight recorder.

    Raises OutputError.
    """
    from renacer_otel.exporters.status_file import StatusFile

    def report() -> dict[str, Any]:
        ended = otlp.has_ended
        said = status(about, books_of(run, otlp.ledger), otlp.sender, ended=ended)
        return {**said, "flight_recorder": _recorded(run.stats())} if flight else said

    made = StatusFile(path, report)
    made.start()
    return made


def _recorded(stats: Stats) -> dict[str, int]:
    """Calls that the flight recorder has got, each in one of these."""
    return {"kept": stats.kept, "exported": stats.flown, "left_out": stats.omitted}


def status(
    about: Mapping[str, Any], books: Books, sender: Sender | None, *, ended: bool
) -> dict[str, Any]:
    """The counts at this moment: emitted + inherited = exported + queued + spooled + dropped."""
    from renacer_otel.exporters.spool_sender import SpooledSender

    said: dict[str, Any] = {
        "version": STATUS_VERSION,
        **about,
        "time_unix_nano": time.time_ns(),
        "state": "ended" if ended else "running",
        **books._asdict(),
    }
    if sender is None:
        return said
    counters = sender.counters()
    said["requests"] = {
        "acknowledged": counters.batches,
        "retries": counters.retries,
        "bytes": counters.sent_bytes,
        "last_error": counters.last_error,
    }
    if isinstance(sender, SpooledSender):
        said["spool"] = sender.spool.status()._asdict()
    return said
