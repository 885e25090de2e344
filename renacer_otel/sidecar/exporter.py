# SPDX-License-Identifier: MIT
"""The one exporter that all runs of a sidecar share.

Runs put whole requests into a bounded queue, which never makes them wait: what finds no room is
dropped and counted. One thread hands them on to the sender, which may wait for the collector.
At any time: put = dropped + queued + what the sender counts as submitted.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from renacer_otel.exporters.otlp_sender import OtlpSender, SenderCounters
    from renacer_otel.exporters.otlp_settings import OtlpSettings


class ExporterCounts(NamedTuple):
    """Spans: put in, that found no room, that wait here; and the sender's own."""

    put: int
    dropped: int
    queued: int
    sender: SenderCounters


class Exporter:
    """See the module's docstring. `queue_bytes`: of requests that wait. Thread-safe."""

    def __init__(self, settings: OtlpSettings, queue_bytes: int) -> None:
        self.json = settings.protocol == "http/json"
        self._settings = settings
        self._limit = queue_bytes
        self._changed = threading.Condition()
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._bytes = 0
        self._put = self._dropped = self._queued = 0
        self._ended = False
        self._sender: OtlpSender | None = None
        self._thread = threading.Thread(target=self._work, name="renacer-export", daemon=True)

    def open(self) -> None:
        """Imports what sends, and begins."""
        from renacer_otel.exporters.senders import make_shared_sender

        self._sender = make_shared_sender(self._settings)
        self._sender.open()
        self._thread.start()

    def put(self, request: bytes, spans: int) -> bool:
        """Takes a request of `spans` spans. False: there was no room, and it is counted."""
        with self._changed:
            self._put += spans
            if self._ended or (self._bytes and self._bytes + len(request) > self._limit):
                self._dropped += spans
                return False
            self._waiting.append((request, spans))
            self._bytes += len(request)
            self._queued += spans
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
                self._queued -= spans

    def close(self, seconds: float) -> ExporterCounts:
        """Waits until all is settled, at most `seconds`; what is not is lost, and counted."""
        assert self._sender is not None
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._sender.start_deadline(seconds)  # from then on submit() does not wait
        self._thread.join()
        self._sender.close(seconds)
        return self.counts()

    def counts(self) -> ExporterCounts:
        """A snapshot."""
        assert self._sender is not None
        with self._changed:
            return ExporterCounts(self._put, self._dropped, self._queued, self._sender.counters())
