# SPDX-License-Identifier: MIT
"""The one exporter that all runs of a sidecar share.

Without a spool runs put whole requests into a bounded queue, which never makes them wait: what
finds no room is dropped and counted. One thread hands them on to the sender, which may wait for the
collector. With one they are on disk when put() returns. Where every span is says the ledger.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.exporters.ledger import QUEUE_FULL, Books, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from renacer_otel.exporters.otlp_sender import OtlpSender, SenderCounters
    from renacer_otel.exporters.otlp_settings import OtlpSettings
    from renacer_otel.exporters.spool_sender import SpooledSender
    from renacer_otel.sidecar.delivery import Spooling


class ExporterCounts(NamedTuple):
    """Where all spans are that were put in, and what the sender counts."""

    books: Books
    sender: SenderCounters
    spool: tuple[int, int] | None = None  # bytes in it, and at most


class Exporter:
    """See the module's docstring. `queue_bytes`: of requests that wait. Thread-safe.

    With a spool put() may wait for the disk, and by its policy for room; `tell` gets its sentences.
    """

    def __init__(
        self,
        settings: OtlpSettings,
        queue_bytes: int,
        spool: Spooling | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.json = settings.protocol == "http/json"
        self.spooling = spool
        self.ledger = Ledger()
        self._settings = settings
        self._tell = tell
        self._limit = queue_bytes
        self._changed = threading.Condition()
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._bytes = 0
        self._ended = False
        self._sender: OtlpSender | None = None
        self._spooled: SpooledSender | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Imports what sends, and begins: with what is in the spool, too."""
        from renacer_otel.exporters import senders

        sender = senders.make_shared_sender(self._settings)
        if self.spooling is not None:
            self._spooled = senders.make_spooled(
                sender, self._settings, self.ledger, *self.spooling, tell=self._tell
            )
            self._spooled.open()
            return
        sender.ledger = self.ledger
        sender.open()
        self._begin(sender)

    def _begin(self, sender: OtlpSender) -> None:
        self._sender = sender
        self._thread = threading.Thread(target=self._work, name="renacer-export", daemon=True)
        self._thread.start()

    @property
    def keeps(self) -> bool:
        """Whether what put() has taken survives this process."""
        return self.spooling is not None

    def put(self, request: bytes, spans: int, *, last: bool = False) -> bool:
        """Takes a request of `spans` spans; `last`: it ends a run. False: there was no room, and it
        is counted."""
        self.ledger.emit(spans)
        if self._spooled is not None:
            return self._spooled.submit(request, spans, last=last)
        with self._changed:
            if self._ended or (self._bytes and self._bytes + len(request) > self._limit):
                self.ledger.drop(spans, QUEUE_FULL)
                return False
            self._waiting.append((request, spans))
            self._bytes += len(request)
            self._changed.notify_all()
        return True

    def _work(self) -> None:
        assert self._sender is not None
        while True:
            with self._changed:
                while not self._waiting and not self._ended:
                    self._changed.wait()
                if not self._waiting:
                    return
                request, spans = self._waiting[0]
            self._sender.submit(request, spans)
            with self._changed:
                self._waiting.popleft()
                self._bytes -= len(request)

    def hurry(self) -> None:
        """From now on put() waits for no room in the spool."""
        if self._spooled is not None:
            self._spooled.spool.hurry(0.0)

    def close(self, seconds: float) -> ExporterCounts:
        """Waits until all is settled, at most `seconds`; what is not is kept in the spool, else
        lost, and counted."""
        if self._spooled is not None:
            self._spooled.close(seconds)
            return self.counts()
        assert self._sender is not None
        assert self._thread is not None
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._sender.start_deadline(seconds)  # from then on submit() does not wait
        self._thread.join()
        self._sender.close(seconds)
        return self.counts()

    def counts(self) -> ExporterCounts:
        """A snapshot."""
        sender = self._spooled or self._sender
        assert sender is not None  # opened
        spool = None
        if self._spooled is not None:
            status = self._spooled.spool.status()
            spool = status.bytes, status.limit
        return ExporterCounts(self.ledger.books(), sender.counters(), spool)

    def queued_bytes(self) -> int:
        """Of requests that wait in memory."""
        if self._spooled is not None:
            return self._spooled.spool.status().memory_bytes
        with self._changed:
            return self._bytes

    def unready(self) -> str:
        """Why what is put in now may be lost; "" = it is not."""
        if self._spooled is not None:
            spool = self._spooled.spool
            if not spool.status().writing:
                return "the spool takes nothing: its disk is full, or broken"
            return "the spool is full" if spool.is_full else ""
        return "" if self._sender is not None else "there is no exporter yet"
