# SPDX-License-Identifier: MIT
"""Events in the order of their threads, and the edges between threads: happens-before.

An event is meant by its number in the trace. a happens before b if a stands earlier in the same
thread, or an edge leads from a to b, or a chain of both does. Only certain edges prove; of the
others each may have been the cause, and one of them was.
"""

from __future__ import annotations

import functools
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from renacer_otel.spans.replay import Replay

# enum rn_kind of event.h.
START, EXEC, EXIT, SIGNAL = 4, 5, 6, 7

#: Edges whose two ends were found. `call` is the entry of the call at whose exit `effect` is, 0
#: where the effect is an event of its own.
EDGE = np.dtype(
    [
        ("cause", "<u8"),
        ("effect", "<u8"),
        ("call", "<u8"),
        ("cause_thread", "<u4"),
        ("effect_thread", "<u4"),
        ("kind", "u1"),
        ("certain", "?"),
    ]
)


class Point(NamedTuple):
    """An event: `row` is that of its call (`is_exit`: it is its exit) or else of the events."""

    number: int
    thread: int
    row: int
    is_call: bool
    is_exit: bool


def view(column: NDArray[Any]) -> memoryview:
    """To be read value by value: a NumPy scalar takes ten times as long."""
    return np.ascontiguousarray(column).data


class _Index:
    """Rows by the number of an event; the threads and times of rows."""

    def __init__(self, numbers: NDArray[Any], threads: NDArray[Any], times: NDArray[Any]) -> None:
        self._numbers = numbers
        self.threads, self.times = view(threads), view(times)

    @functools.cached_property
    def _order(self) -> NDArray[np.int64]:
        return np.argsort(self._numbers, kind="stable")

    @functools.cached_property
    def numbers(self) -> NDArray[Any]:
        """All numbers, in order."""
        found: NDArray[Any] = self._numbers[self._order]
        return found

    @functools.cached_property
    def _view(self) -> memoryview:
        return view(self.numbers)

    @functools.cached_property
    def _rows(self) -> memoryview:
        return view(self._order)

    def rows(self, wanted: NDArray[Any]) -> NDArray[np.int64]:
        """The row of each number, -1 where there is none."""
        if not len(wanted) or not len(self._numbers):
            return np.full(len(wanted), -1, np.int64)
        at = np.minimum(np.searchsorted(self.numbers, wanted), len(self.numbers) - 1)
        return np.where(self.numbers[at] == wanted, self._order[at], -1)

    def row(self, number: int) -> int:
        """The same of one number."""
        at = bisect_left(self._view, number)
        there = at < len(self._view) and self._view[at] == number
        return int(self._rows[at]) if there else -1


@dataclass
class History:
    """`edges` (EDGE) by thread and number of the cause. `unplaced`: edges of events that are not
    in the trace, or that would go backwards."""

    run: Replay
    edges: NDArray[Any]
    unplaced: int
    _entries: _Index
    _exits: _Index
    _events: _Index

    @classmethod
    def of(cls, run: Replay) -> History:
        """Places the edges of an interpreted trace."""
        calls = run.calls
        entries = _Index(calls["seq"], calls["thread"], calls["t0"])
        exits = _Index(calls["end"], calls["thread"], calls["t1"])
        events = _Index(run.events["seq"], run.events["thread"], run.events["t"])
        found = np.zeros(len(run.edges), EDGE)
        found["kind"], found["certain"] = run.edges["kind"], run.edges["certain"] != 0
        found["cause"] = run.edges["cause"]
        there = np.zeros(len(found), bool)
        for index, threads in (
            (entries, calls["thread"]),
            (events, run.events["thread"]),
            (exits, calls["thread"]),
        ):
            rows = index.rows(run.edges["cause"])
            new = (rows >= 0) & ~there
            found["cause_thread"][new] = threads[rows[new]]
            there |= new
        rows = entries.rows(run.edges["effect"])
        is_call = rows >= 0
        of_call = calls[rows[is_call]]
        found["call"][is_call] = of_call["seq"]
        found["effect"][is_call] = of_call["end"]
        found["effect_thread"][is_call] = of_call["thread"]
        rows = events.rows(run.edges["effect"])
        is_event = (rows >= 0) & ~is_call
        of_event = run.events[rows[is_event]]
        found["effect"][is_event] = of_event["seq"]
        found["effect_thread"][is_event] = of_event["thread"]
        # What never returned has no exit, and so no effect: its number is 0.
        there &= (is_call | is_event) & (found["cause"] < found["effect"]) & (found["cause"] > 0)
        unplaced = len(found) - int(there.sum())
        found = found[there]
        found = found[np.lexsort((found["cause"], found["cause_thread"]))]
        return cls(run, found, unplaced, entries, exits, events)

    def point(self, number: int) -> Point | None:
        """The event of this number."""
        for index, is_call, is_exit in (
            (self._entries, True, False),
            (self._exits, True, True),
            (self._events, False, False),
        ):
            row = index.row(number) if number > 0 else -1
            if row >= 0:
                return Point(number, int(index.threads[row]), row, is_call, is_exit)
        return None

    def time(self, point: Point) -> int:
        """When it was: CLOCK_MONOTONIC, ns."""
        index = self._events
        if point.is_call:
            index = self._exits if point.is_exit else self._entries
        return int(index.times[point.row])

    def process_of(self, thread: int) -> int:
        """The ordinal of a thread's process."""
        return int(self.run.threads["ordinal"][thread])
