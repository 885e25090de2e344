# SPDX-License-Identifier: MIT
"""The longest causal path: what the end of the command had to wait for, step by step.

It is walked backwards. From an event the path goes back along its thread, until there is a call
that waited: one whose cause, in another thread, came after its own entry. There it goes over to
the latest such cause, and on. So each of its pieces had to be over before the next could begin,
and to make the command faster something on it must become faster.

Every nanosecond of it is one of: `running`, between two calls of its thread; `kernel`, in a call
that waited for no other thread that we know of; `blocked`, from a cause to its effect, such as
from the entry of a write to the exit of the read that waited for it. How long the effect's
thread had been waiting before the cause came is told beside it: `waited`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from renacer_otel.analysis.causality.history import EXIT, SIGNAL, START, view
from renacer_otel.spans import replay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from renacer_otel.analysis.causality.history import History, Point

_ORDINAL_COMMAND = 1
_INTERRUPTED, _RESTARTED = 2, 4  # RN_FLAG_INTERRUPTED, RN_FLAG_RESTARTED


class Step(NamedTuple):
    """A piece of the path in one thread, and the edge that led out of it to the next step.

    Times in ns. `edge`: row of History.edges, -1 in the last step. `blocked`: from the edge's
    cause to its effect; `waited`: of the effect's thread, before the cause, in the call with the
    entry `call`, 0 = in none.
    """

    first: Point
    last: Point
    running: int
    kernel: int
    edge: int
    blocked: int
    waited: int
    call: int


class Blocked(NamedTuple):
    """A process waited for another, by one kind of edge; see Step. Sums over `times` steps."""

    process: int  # ordinals
    on: int
    edge: str
    call: str  # that waited; "" = an event
    certain: bool
    times: int
    blocked: int
    waited: int


class Share(NamedTuple):
    """Of a process in the path, ns."""

    process: int
    running: int
    kernel: int
    blocked: int


class InKernel(NamedTuple):
    """Calls of one name in the path that waited for no other thread."""

    process: int
    call: str
    calls: int
    time: int


@dataclass
class CriticalPath:
    """`steps` in the order of time. Times in ns; `total` = running + kernel + blocked.

    `shares`, `blocked_on` and `calls`: greatest first.
    """

    steps: list[Step] = field(default_factory=list)
    running: int = 0
    kernel: int = 0
    blocked: int = 0
    certain: bool = True  # False: some edge is only one of several possible causes
    shares: list[Share] = field(default_factory=list)
    blocked_on: list[Blocked] = field(default_factory=list)
    calls: list[InKernel] = field(default_factory=list)

    @property
    def total(self) -> int:
        """From its first event to its last."""
        return self.running + self.kernel + self.blocked


def critical_path(history: History) -> CriticalPath:
    """The path to the end of the command, or to the last event where the command has no end."""
    path = CriticalPath()
    point = _end(history)
    if point is None:
        return path
    threads = _Threads(history)
    waits = _Waits(history, threads)
    ranges: list[tuple[int, int]] = []
    edge, blocked, waited, call = -1, 0, 0, 0
    while True:
        found = waits.before(point)
        effect = threads.first(point.thread) if found is None else waits.effect(found)
        running, kernel, calls = threads.split(effect, point)
        ranges.append(calls)
        path.steps.append(Step(effect, point, running, kernel, edge, blocked, waited, call))
        if found is None:
            break
        point, edge, blocked, waited, call = waits.over(found, effect)
        path.certain &= bool(history.edges["certain"][edge])
    path.steps.reverse()
    _sum_up(history, path)
    path.calls = _calls(history, threads, ranges)
    return path


def _end(history: History) -> Point | None:
    run = history.run
    of_command = run.threads["ordinal"][run.events["thread"]] == _ORDINAL_COMMAND
    ends = run.events["seq"][of_command & (run.events["kind"] == EXIT) & (run.events["last"] != 0)]
    if not len(ends):
        ends = np.concatenate([run.events["seq"], run.calls["seq"], run.calls["end"]])
    return history.point(int(ends.max())) if len(ends) else None


class _Threads:
    """Calls and events of each thread, in order."""

    def __init__(self, history: History) -> None:
        run = history.run
        calls, bounds = run.calls, np.arange(len(run.threads) + 1)
        self._history = history
        order = np.lexsort((calls["seq"], calls["thread"]))
        self.order, self.rows = order, view(order)
        self._t0, self._t1 = view(calls["t0"]), view(calls["t1"])
        self._flags = view(calls["flags"])
        self._starts: list[int] = np.searchsorted(calls["thread"][order], bounds).tolist()
        self.entries = view(calls["seq"][order])
        self.exits = view(calls["end"][order])
        spent = calls["t1"].astype(np.int64) - calls["t0"].astype(np.int64)
        spent = np.where(calls["end"] > 0, np.maximum(spent, 0), 0)[order]
        self.spent = view(np.concatenate([np.zeros(1, np.int64), np.cumsum(spent)]))
        order = np.lexsort((run.events["seq"], run.events["thread"]))
        self._events = view(run.events["seq"][order])
        self._event_starts = np.searchsorted(run.events["thread"][order], bounds).tolist()

    def entered(self, thread: int, number: int) -> int:
        """The place behind the last call of a thread that was entered before event `number`."""
        return bisect_left(self.entries, number, self._starts[thread], self._starts[thread + 1])

    def has_before(self, thread: int, place: int) -> bool:
        """Whether a call of the thread stands before a place."""
        return place > self._starts[thread]

    def is_cut(self, thread: int, place: int) -> bool:
        """Whether a signal ended the call at a place, and it did not go on after it."""
        following = place + 1
        return bool(
            self._flags[self.rows[place]] & _INTERRUPTED
            and not (
                following < self._starts[thread + 1]
                and self._flags[self.rows[following]] & _RESTARTED
            )
        )

    def first(self, thread: int) -> Point:
        """A thread's first event."""
        numbers = [
            view[starts[thread]]
            for view, starts in (
                (self.entries, self._starts), (self._events, self._event_starts)
            )
            if starts[thread] < starts[thread + 1]
        ]  # fmt: skip
        found = self._history.point(min(numbers))
        assert found is not None
        return found

    def split(self, first: Point, last: Point) -> tuple[int, int, tuple[int, int]]:
        """(running, kernel) between two events of a thread, in ns, and its whole calls there.

        These: the places of the first, and behind the last.
        """
        begin, end = self._history.time(first), self._history.time(last)
        low = self.entered(first.thread, first.number)
        high = self.entered(last.thread, last.number)
        kernel = 0
        # `first` within a call, such as an exec: its rest.
        if self.has_before(first.thread, low) and not 0 < self.exits[low - 1] <= first.number:
            kernel += min(self._t1[self.rows[low - 1]], end) - begin
        # `last` within a call: such as an exit.
        if high > low and not 0 < self.exits[high - 1] <= last.number:
            high -= 1
            kernel += end - self._t0[self.rows[high]]
        kernel += self.spent[high] - self.spent[low]
        whole = max(end - begin, 0)
        kernel = max(0, min(kernel, whole))
        return whole - kernel, kernel, (low, high)


class _Waits:
    """The events that a thread came to only after a cause in another: the latest cause of each."""

    def __init__(self, history: History, threads: _Threads) -> None:
        self._history = history
        edges = history.edges
        effects, bases = edges["effect"].copy(), edges["call"].copy()
        waits = edges["cause"] > bases
        kinds = {int(row["seq"]): int(row["kind"]) for row in _events_of(history)}
        for row in np.flatnonzero(bases == 0).tolist():
            effect, thread = int(effects[row]), int(edges["effect_thread"][row])
            place = threads.entered(thread, effect) - 1
            kind = kinds.get(effect)
            if kind == START or not threads.has_before(thread, place + 1):
                continue  # there is nothing before it
            bases[row] = threads.entries[place]
            if kind == SIGNAL:
                # What waited for it is the call that it ended, if it did.
                effects[row] = threads.exits[place] if threads.is_cut(thread, place) else 0
            waits[row] = bases[row] < edges["cause"][row] < effects[row]
        rows = np.flatnonzero(waits)
        rows = rows[np.lexsort((edges["cause"][rows], effects[rows], edges["effect_thread"][rows]))]
        threads_of, effects_of = edges["effect_thread"][rows], effects[rows]
        is_last = np.ones(len(rows), bool)
        if len(rows) > 1:
            same = (threads_of[1:] == threads_of[:-1]) & (effects_of[1:] == effects_of[:-1])
            is_last[:-1] = ~same
        self._rows = view(rows[is_last])
        self._effects = view(effects_of[is_last])
        self._bases = view(bases[rows[is_last]])
        self._causes = view(edges["cause"])
        bounds = np.arange(len(history.run.threads) + 1)
        self._starts = np.searchsorted(threads_of[is_last], bounds).tolist()

    def before(self, point: Point) -> int | None:
        """The last of them in the event's thread, at or before it."""
        first, last = self._starts[point.thread], self._starts[point.thread + 1]
        found = bisect_right(self._effects, point.number, first, last) - 1
        return found if found >= first else None

    def effect(self, found: int) -> Point:
        """The event that came after the wait."""
        return self._point(self._effects[found])

    def over(self, found: int, effect: Point) -> tuple[Point, int, int, int, int]:
        """(the cause, its edge, ns from it to the effect, ns of waiting before it, in what)."""
        row = self._rows[found]
        cause = self._point(self._causes[row])
        time, base = self._history.time, self._bases[found]
        waited = max(time(cause) - time(self._point(base)), 0) if base else 0
        return cause, row, max(time(effect) - time(cause), 0), waited, base

    def _point(self, number: int) -> Point:
        point = self._history.point(number)
        assert point is not None, "edges are placed"
        return point


def _events_of(history: History) -> NDArray[Any]:
    """The events that are effects of edges."""
    effects = history.edges["effect"][history.edges["call"] == 0]
    found: NDArray[Any] = history.run.events[np.isin(history.run.events["seq"], effects)]
    return found


def _sum_up(history: History, path: CriticalPath) -> None:
    shares: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    edges, names = history.edges, replay.edge_names()
    columns = [view(edges[name]) for name in ("effect_thread", "cause_thread", "kind", "certain")]
    waiting = _names_of_calls(history, path)
    who = view(history.run.threads["ordinal"])
    sums: dict[tuple[int, int, int, bool, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for step, call in zip(path.steps, waiting, strict=True):
        share = shares[who[step.first.thread]]
        share[0] += step.running
        share[1] += step.kernel
        if step.edge < 0:
            continue
        effect, cause, kind, is_certain = (column[step.edge] for column in columns)
        shares[who[effect]][2] += step.blocked
        total = sums[who[effect], who[cause], kind, bool(is_certain), call]
        total[0] += 1
        total[1] += step.blocked
        total[2] += step.waited
    path.shares = [Share(process, *values) for process, values in shares.items()]
    path.shares.sort(key=lambda share: -sum(share[1:]))
    path.running, path.kernel, path.blocked = (
        sum(share[at] for share in path.shares) for at in (1, 2, 3)
    )
    path.blocked_on = [
        Blocked(process, on, names[kind], call, certain, *values)
        for (process, on, kind, certain, call), values in sums.items()
    ]
    path.blocked_on.sort(key=lambda row: -(row.blocked + row.waited))


def _names_of_calls(history: History, path: CriticalPath) -> Iterator[str]:
    """Of each step the call that its edge ended; "" = none."""
    abis, numbers = view(history.run.calls["abi"]), view(history.run.calls["nr"])
    for step in path.steps:
        point = history.point(step.call)
        yield replay.call_name(abis[point.row], numbers[point.row]) if point else ""


def _calls(history: History, threads: _Threads, ranges: list[tuple[int, int]]) -> list[InKernel]:
    """The whole calls in these ranges of places, by process and name."""
    steps = np.zeros(len(threads.order) + 1, np.int64)
    for low, high in ranges:
        steps[low] += 1
        steps[high] -= 1
    on_path = np.cumsum(steps[:-1]) > 0
    calls = history.run.calls[threads.order[on_path]]
    spent = np.diff(np.asarray(threads.spent))[on_path]
    processes, which = np.unique(
        history.run.threads["ordinal"][calls["thread"]], return_inverse=True
    )
    codes, names = replay.call_names(calls)
    # As one number: NumPy sorts rows of several fields slowly.
    keys = which.reshape(-1).astype(np.int64) * len(names) + codes
    keys, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
    times = np.bincount(which.reshape(-1), weights=spent, minlength=len(keys))
    rows = []
    for key, count, time in zip(keys.tolist(), counts.tolist(), times.tolist(), strict=True):
        process, code = divmod(key, len(names))
        rows.append(InKernel(int(processes[process]), names[code], count, int(time)))
    return sorted(rows, key=lambda row: -row.time)
