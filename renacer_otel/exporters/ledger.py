# SPDX-License-Identifier: MIT
"""Where every span is: emitted + inherited = exported + queued + spooled + dropped, at any time.

Spans enter once, when the encoder has handed them on (or when a spool of an earlier run is read),
and move from then on: each move takes from one count what it adds to another, under one lock.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

# Reasons come from a bounded set of words, but for status codes that a collector makes up.
_MAX_REASONS = 32
_OTHER = "other"
#: The reasons of what found no room in a queue in memory, and in the ring before it.
QUEUE_FULL, RING_FULL = "queue_full", "ring_full"
#: What reasons begin with of which the sender tells: refused for good, not sent in time.
REJECTED, UNSENT = "rejected: ", "unsent: "


class Books(NamedTuple):
    """The counts at one moment, in spans."""

    emitted: int = 0  # by this process
    inherited: int = 0  # found in the spool, from earlier ones
    exported: int = 0  # acknowledged by the collector
    queued: int = 0  # in memory
    spooled: int = 0  # on disk
    dropped: dict[str, int] = {}  # noqa: RUF012 (never changed) reason -> spans

    @property
    def lost(self) -> int:
        """All that is dropped."""
        return sum(self.dropped.values())

    @property
    def unoffered(self) -> dict[str, int]:
        """Of what is dropped: all but what a sender tells of."""
        return {
            why: spans
            for why, spans in self.dropped.items()
            if not why.startswith((REJECTED, UNSENT))
        }

    def because(self, kind: str) -> dict[str, int]:
        """Of what is dropped: what is REJECTED, or UNSENT, by the reason behind that word."""
        return {
            why[len(kind) :]: spans for why, spans in self.dropped.items() if why.startswith(kind)
        }

    @property
    def balanced(self) -> bool:
        """Whether every span is in one place."""
        there = self.exported + self.queued + self.spooled + self.lost
        return self.emitted + self.inherited == there and min(self.queued, self.spooled) >= 0

    def plus(self, queued: int, dropped: dict[str, int]) -> Books:
        """With spans that wait, or were dropped, before they came here."""
        reasons = dict(self.dropped)
        for reason, spans in dropped.items():
            if spans:
                reasons[reason] = reasons.get(reason, 0) + spans
        return self._replace(
            emitted=self.emitted + queued + sum(dropped.values()),
            queued=self.queued + queued,
            dropped=reasons,
        )


class Ledger:
    """The counts as they move. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._books = Books(dropped={})

    def emit(self, spans: int) -> None:
        """The encoder has handed them on: they wait in memory."""
        self._move(emitted=spans, queued=spans)

    def inherit(self, spans: int) -> None:
        """They were found in the spool."""
        self._move(inherited=spans, spooled=spans)

    def spool(self, spans: int) -> None:
        """From memory to disk."""
        self._move(queued=-spans, spooled=spans)

    def export(self, spans: int, *, spooled: bool = False) -> None:
        """The collector has them. `spooled`: they were on disk, else in memory."""
        self._move(exported=spans, **{"spooled" if spooled else "queued": -spans})

    def drop(self, spans: int, reason: str, *, spooled: bool = False) -> None:
        """They will not arrive."""
        if not spans:
            return
        with self._lock:
            dropped = self._books.dropped
            if reason not in dropped and len(dropped) >= _MAX_REASONS:
                reason = _OTHER
            dropped[reason] = dropped.get(reason, 0) + spans
            self._take(spans, spooled=spooled)

    def _take(self, spans: int, *, spooled: bool) -> None:
        books = self._books
        if spooled:
            self._books = books._replace(spooled=books.spooled - spans)
        else:
            self._books = books._replace(queued=books.queued - spans)

    def _move(self, **by: int) -> None:
        with self._lock:
            books = self._books
            self._books = books._replace(
                **{name: getattr(books, name) + spans for name, spans in by.items()}
            )

    def books(self) -> Books:
        """A consistent snapshot."""
        with self._lock:
            return self._books._replace(dropped=dict(self._books.dropped))
