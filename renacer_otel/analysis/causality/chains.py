# SPDX-License-Identifier: MIT
"""Whether one event happened before another: a shortest chain of edges that proves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from renacer_otel.analysis.causality.history import History, Point


class _Arrival(NamedTuple):
    """A thread is reached at an event: by `edge`, from what `before` reached."""

    thread: int
    number: int
    edge: int
    before: int  # index of an arrival, -1 = the start


class Chains:
    """Chains through a history's edges: the certain ones, or all.

    Each edge is looked at once a question: what is reached in a thread is reached from its
    earliest event on.
    """

    def __init__(self, history: History, *, certain: bool) -> None:
        edges = history.edges
        self._rows = np.flatnonzero(edges["certain"]) if certain else np.arange(len(edges))
        self._edges = edges[self._rows]
        count = len(history.run.threads)
        self._starts = np.searchsorted(self._edges["cause_thread"], np.arange(count + 1))

    def between(self, start: Point, goal: Point) -> list[int] | None:
        """The rows of the fewest edges by which `start` is before `goal`, in order.

        [] = they are of one thread, or the same. None = there is no such chain.
        """
        if start.thread == goal.thread:
            return [] if start.number <= goal.number else None
        arrivals = [_Arrival(start.thread, start.number, -1, -1)]
        reached = {start.thread: start.number}
        level = [(0, goal.number)]  # arrivals, each with the event before which edges are new
        while level:
            following: dict[int, tuple[int, int]] = {}
            for at, until in level:
                for arrival in self._leave(arrivals, at, until, goal.number):
                    known = reached.get(arrival.thread, goal.number + 1)
                    if arrival.number >= known:
                        continue
                    # Of two in one level, the later one's edges follow from the earlier's.
                    before = following.get(arrival.thread, (0, known))[1]
                    following[arrival.thread] = (len(arrivals), before)
                    reached[arrival.thread] = arrival.number
                    arrivals.append(arrival)
            if goal.thread in following:
                return self._back(arrivals, following[goal.thread][0])
            level = list(following.values())
        return None

    def _leave(self, arrivals: list[_Arrival], at: int, until: int, goal: int) -> list[_Arrival]:
        """Where edges lead from what an arrival reached: the earliest event of each thread."""
        arrival = arrivals[at]
        first, last = self._starts[arrival.thread], self._starts[arrival.thread + 1]
        causes = self._edges["cause"][first:last]
        low, high = np.searchsorted(causes, np.array([arrival.number, until], np.uint64))
        some = self._edges[first + low : first + high]
        rows = np.flatnonzero(some["effect"] <= np.uint64(goal))
        rows = rows[np.lexsort((some["effect"][rows], some["effect_thread"][rows]))]
        threads, which = np.unique(some["effect_thread"][rows], return_index=True)
        effects = some["effect"][rows[which]]
        edges = rows[which] + first + low
        return [
            _Arrival(int(thread), int(effect), int(edge), at)
            for thread, effect, edge in zip(threads, effects, edges, strict=True)
        ]

    def _back(self, arrivals: list[_Arrival], at: int) -> list[int]:
        found: list[int] = []
        while at > 0:
            found.append(int(self._rows[arrivals[at].edge]))
            at = arrivals[at].before
        return found[::-1]
