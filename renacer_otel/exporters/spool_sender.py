# SPDX-License-Identifier: MIT
"""A sender behind a spool: what is submitted goes to the spool, and from there to the collector.

submit() waits for the local disk at most, never for the network. A request leaves the spool when
the collector has acknowledged it, or refused it for good: then it is set aside there and counted.
What the collector does not let us send (authentication) stays. A request on which the connection
dies again and again is tried alone, and set aside once others get through and it does not.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from renacer_otel.exporters.ledger import REJECTED
from renacer_otel.exporters.otlp_convert import converted
from renacer_otel.exporters.otlp_sender import Job, SenderCounters, Verdict

if TYPE_CHECKING:
    from renacer_otel.exporters.otlp_sender import OtlpSender
    from renacer_otel.exporters.spool import Entry, Spool

_STRIKES = 3
_FIRST_WAIT_S, _MAX_WAIT_S = 0.2, 30.0
_UNAUTHORIZED_WAIT_S = 30.0
_PATIENCE = 3  # attempts, before others get a turn
_JOIN_S = 1.0
POISON = REJECTED + "ends the connection"


class SpooledSender:
    """Use as OtlpSender. It closes the spool, too. `encoding`: of the sender's requests."""

    def __init__(self, sender: OtlpSender, spool: Spool, encoding: int) -> None:
        self.spool = spool
        self._sender = sender
        self._encoding = encoding
        self._feeder: threading.Thread | None = None
        self._ended = threading.Event()
        self._deadline: float | None = None  # CLOCK_MONOTONIC seconds
        self._lock = threading.Lock()
        self._unauthorized = False
        self.submitted = 0  # spans, by this process
        self.earlier_sent = 0  # of those of earlier processes
        self.earlier_rejected = 0
        self._rejected = 0  # of all

    def open(self) -> None:
        """Makes ready to send, and begins with what is in the spool. Idempotent."""
        self._sender.open()
        if self._feeder is None:
            self._feeder = threading.Thread(
                target=self._feed, name="renacer-spool-send", daemon=True
            )
            self._feeder.start()

    def submit(self, block: bytes | memoryview, spans: int, *, last: bool = False) -> bool:
        """Takes a block; False = there was no room, and it is counted as dropped.

        `last`: it ends a run; see Spool.put().
        """
        with self._lock:  # several runs of a sidecar come at once
            self.submitted += spans
        return self.spool.put(self._sender.wrap(block), spans, self._encoding, last=last)

    def start_deadline(self, seconds: float) -> None:
        """What is not sent within `seconds` stays in the spool. Can only be tightened."""
        until = time.monotonic() + max(seconds, 0.0)
        self._deadline = until if self._deadline is None else min(self._deadline, until)
        self.spool.hurry(seconds)
        self._sender.start_deadline(seconds)

    def close(self, seconds: float = 0.0) -> SenderCounters:
        """Sends on until all is settled, `seconds` at most; what is left stays in the spool."""
        self.start_deadline(seconds)
        # It may be tightened meanwhile.
        self.spool.wait_empty(lambda: self._deadline or 0.0, lambda: self._unauthorized)
        self._ended.set()
        self.spool.stop()
        counters = self._sender.close(0.0)
        if self._feeder is not None:
            self._feeder.join(_JOIN_S)
        self.spool.close()
        return self._own(counters)

    @property
    def is_left(self) -> bool:
        """Whether anything stays in the spool, of whomever."""
        return self.spool.is_left()

    def counters(self) -> SenderCounters:
        """A snapshot, of the spans of this process but for `earlier`."""
        return self._own(self._sender.counters())

    def _own(self, counters: SenderCounters) -> SenderCounters:
        with self._lock:
            sent = max(counters.sent - self.earlier_sent, 0)
            rejected = max(self._rejected - self.earlier_rejected, 0)
            earlier = self.earlier_sent
        kept = min(self.spool.own_spans(), self.submitted - sent - rejected)
        return replace(
            counters,
            submitted=self.submitted,
            sent=sent,
            rejected=rejected,
            kept=kept,
            lost=self.submitted - sent - rejected - kept if self._ended.is_set() else 0,
            earlier=earlier,
        )

    # --- the feeder ---------------------------------------------------------------------------

    def _feed(self) -> None:
        while (taken := self.spool.take()) is not None:
            entry, data = taken
            if not self._give(entry, data):
                self.spool.put_back(entry)
                return
            while self._unauthorized and not self._ended.wait(_UNAUTHORIZED_WAIT_S):
                self._unauthorized = False

    def _give(self, entry: Entry, data: bytes) -> bool:
        """Begins to send one; False = there is no time left."""
        try:
            request = converted(data, entry.encoding, self._encoding)
        except ValueError:
            with self._lock:
                self._rejected += entry.spans
                self.earlier_rejected += entry.spans if entry.is_earlier else 0
            self.spool.settle(entry, {REJECTED + "unreadable": entry.spans}, [(data, entry.spans)])
            return True
        alone = entry.deaths > 0  # nobody else is to suffer from it, or to be taken for it
        if alone and not self._sender.wait_idle():
            return False
        settled = partial(self._settled, entry, request, alone)
        patience = 1 if alone else _PATIENCE
        if not self._sender.offer(Job(request, entry.spans, settled=settled, patience=patience)):
            return False
        if alone:
            self._sender.wait_idle()
        return True

    def _settled(self, entry: Entry, request: bytes, alone: bool, verdict: Verdict) -> None:
        if not verdict.unsent:
            self._unauthorized = False
            with self._lock:
                self._rejected += sum(verdict.rejected.values())
            if entry.is_earlier:
                with self._lock:
                    self.earlier_sent += verdict.sent
                    self.earlier_rejected += sum(verdict.rejected.values())
            dropped = {REJECTED + why: spans for why, spans in verdict.rejected.items()}
            self.spool.settle(entry, dropped, verdict.refused, self._encoding)
        elif verdict.unauthorized:
            self._unauthorized = True
            self.spool.put_back(entry)
        elif verdict.died:
            self._died(entry, request, alone)
        else:
            self.spool.put_back(entry, _FIRST_WAIT_S)

    def _died(self, entry: Entry, request: bytes, alone: bool) -> None:
        """The connection died on it. A strike is: alone, and others have got through since."""
        served = self._sender.counters().batches
        if alone and 0 <= entry.served < served:
            entry.strikes += 1
        entry.deaths += 1
        entry.served = served
        if entry.strikes >= _STRIKES:
            with self._lock:
                self._rejected += entry.spans
                self.earlier_rejected += entry.spans if entry.is_earlier else 0
            spans = entry.spans
            self.spool.settle(entry, {POISON: spans}, [(request, spans)], self._encoding)
        else:
            wait = min(_FIRST_WAIT_S * 2 ** min(entry.deaths - 1, 10), _MAX_WAIT_S)
            self.spool.put_back(entry, wait)
