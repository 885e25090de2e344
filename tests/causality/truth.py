# SPDX-License-Identifier: MIT
"""What truly came before what in a program, by what its calls carried; and what a trace says.

An event is a place (lane, 2 * row) for a call's entry, (lane, 2 * row + 1) for its exit.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from renacer_otel.spans import replay
from tests.causality.programs import ID_MAGIC, NONE, Kind, Op, Program, Row, Shared
from tests.engine.tools import INTERRUPTED

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_EDGE_OF = {
    Kind.PIPE: "pipe",
    Kind.FIFO: "pipe",
    Kind.STREAM: "unix",
    Kind.MESSAGES: "unix",
    Kind.PACKETS: "unix",
    Kind.TCP: "tcp",
    Kind.EVENTFD: "eventfd",
    Kind.QUEUE: "mqueue",
}
_MARKER = "sched_get_priority_min"
_START, _END, _SIGNAL = 4, 6, 7  # kinds of records


class Place(NamedTuple):
    """An event of a lane."""

    lane: int
    number: int


class Edge(NamedTuple):
    """A cause and its effect in another lane."""

    kind: str
    cause: Place
    effect: Place


@dataclass
class Truth:
    """What happened: calls of each lane, edges between lanes."""

    rows: list[list[Row]]
    edges: dict[Edge, bool] = field(default_factory=dict)  # whether nothing else can have been it
    # Effects of which one of several was the cause, nobody knows which.
    either: list[set[Edge]] = field(default_factory=list)

    def clocks(self) -> list[NDArray[Any]]:
        """The vector clock of each event, by lane: as many events of each lane came before."""
        causes: dict[Place, list[Place]] = {}
        for edge in self.edges:
            causes.setdefault(edge.effect, []).append(edge.cause)
        n = len(self.rows)
        clocks = [np.zeros((2 * len(rows), n), dtype=np.int64) for rows in self.rows]
        done = [0] * n
        moved = True
        while moved:
            moved = False
            for lane in range(n):
                while done[lane] < len(clocks[lane]):
                    place = Place(lane, done[lane])
                    before = causes.get(place, [])
                    if any(cause.number >= done[cause.lane] for cause in before):
                        break
                    own = clocks[lane][place.number]
                    if place.number:
                        own[:] = clocks[lane][place.number - 1]
                    for cause in before:
                        np.maximum(own, clocks[cause.lane][cause.number], out=own)
                    own[lane] = place.number + 1
                    done[lane] += 1
                    moved = True
        assert done == [len(clock) for clock in clocks], "the truth runs in a circle"
        return clocks


def of_program(program: Program, shared: Shared) -> Truth:
    """The truth of a run that has ended."""
    rows = [list(shared.row[lane][: shared.lane[lane].nrows]) for lane in range(shared.lanes)]
    truth = Truth(rows)
    contended = program.contended
    ends = [Place(lane, 2 * len(found) - 2) for lane, found in enumerate(rows)]
    once: dict[tuple[Op, int], list[Place]] = {}  # entries, or exits, by op and object
    ended: list[tuple[int, Place]] = []
    forked = False
    for lane, found in enumerate(rows):
        for number, row in enumerate(found):
            entry, after = Place(lane, 2 * number), Place(lane, 2 * number + 1)
            if row.at_entry:
                truth.edges[Edge("signal", _named(row.carried[0]), entry)] = True
            if row.lane == NONE:
                continue
            op = Op(program.lanes[lane].ops[row.op][0])
            if op in (Op.RECV, Op.DRAIN):
                kind = _EDGE_OF[Kind(shared.object[row.lane].kind)]
                for word in row.carried[: row.ncarried]:
                    truth.edges[Edge(kind, _named(word), after)] = row.lane not in contended
                if row.result == 0:
                    ended.append((row.lane, after))
            elif op == Op.ACCEPT and row.ncarried:
                cause = _named(row.carried[0])
                wrote = rows[cause.lane][cause.number // 2].result == 8
                if not wrote:
                    # A fork by another thread meanwhile: whether that child has one of the
                    # two sockets, too, no call can tell. The read comes after the accept.
                    forked = bool(row.forked or rows[cause.lane][cause.number // 2].forked)
                truth.edges[Edge("tcp" if wrote else "connect", cause, after)] = not forked
            elif op == Op.LOCK and row.ncarried:
                _locked(truth, Kind(shared.object[row.lane].kind), row, after)
            elif op == Op.SPAWN:
                truth.edges[Edge("fork", entry, Place(row.lane, 0))] = True
            elif op == Op.WAIT:
                truth.edges[Edge("wait", ends[row.lane], after)] = True
            elif op == Op.JOIN and row.result == 0:
                truth.edges[Edge("join", ends[row.lane], after)] = True
            elif op == Op.SHUT or (op == Op.WAKE and row.result > 0):
                once.setdefault((op, row.lane), []).append(entry)
            elif op == Op.SLEEP and row.result == 0:
                once.setdefault((op, row.lane), []).append(after)
    for thing, effect in ended:
        (cause,) = once[Op.SHUT, thing]
        truth.edges[Edge("eof", cause, effect)] = True
    for (op, thing), effects in once.items():
        if op == Op.SLEEP and thing in contended:
            for effect in effects:
                causes = [cause for cause in once[Op.WAKE, thing] if cause.lane != effect.lane]
                truth.either.append({Edge("futex", cause, effect) for cause in causes})
        elif op == Op.SLEEP:
            for cause, effect in zip(once[Op.WAKE, thing], effects, strict=True):
                truth.edges[Edge("futex", cause, effect)] = True
    return truth


def _locked(truth: Truth, kind: Kind, row: Row, after: Place) -> None:
    """Who let go last of what was locked; a process's own locks are not in its way."""
    named = sorted(_named(word) for word in row.carried[: row.ncarried])
    causes = list({cause.lane: cause for cause in named}.values())  # of each lane the last
    others = [cause for cause in causes if cause.lane != after.lane]
    alone = len(others if kind == Kind.BYTES else causes) == 1
    for cause in others:
        truth.edges[Edge("lock", cause, after)] = alone


def _named(word: int) -> Place:
    assert word >> 48 == ID_MAGIC
    return Place(word >> 32 & 0xFFFF, 2 * (word & 0xFFFFFFFF))


@dataclass
class Told:
    """What a trace says of a program: Lamport times by lane, and edges."""

    clocks: list[NDArray[Any]]  # 0: the event is not there
    certain: set[Edge]
    joined: set[Edge]  # where others may have been the cause as well


def of_trace(path: Path, truth: Truth, shared: Shared) -> Told:
    """Matches a TRACE file with the calls that its lanes logged."""
    trace = replay.of_trace(path)
    assert trace.is_whole
    lane_of_tid = {shared.lane[lane].tid: lane for lane in range(shared.lanes)}
    lane_of_thread = [lane_of_tid.get(int(tid), -1) for tid in trace.threads["tid"]]
    calls = np.sort(trace.calls, order="seq")
    of_lane: list[list[Any]] = [[] for _ in truth.rows]
    for call in calls:
        lane = lane_of_thread[call["thread"]]
        assert lane >= 0, "a thread that is no lane"
        of_lane[lane].append(call)
    places: dict[int, Place] = {}
    clocks = []
    for lane, rows in enumerate(truth.rows):
        matched = _logged(of_lane[lane], lane == 0)
        numbers = [int(call["nr"]) for call in matched]
        logged = [row.nr for row in rows]
        assert numbers == logged, f"lane {lane} made other calls than stand in the file"
        clock = np.zeros(2 * len(rows), dtype=np.int64)
        for number, (call, row) in enumerate(zip(matched, rows, strict=True)):
            if row.state == 2 and not call["flags"] & INTERRUPTED:
                assert int(call["result"]) == row.result, (lane, number, row.nr, row.result)
            clock[2 * number] = call["lamport_start"]
            clock[2 * number + 1] = call["lamport_end"]
            places[int(call["seq"])] = Place(lane, 2 * number)
        if rows[-1].state != 2:
            clock[-1] = 0
        clocks.append(clock)
    told = Told(clocks, set(), set())
    effects = _effects(trace, places, lane_of_thread)
    causes = dict(places)
    for event in trace.events[trace.events["kind"] == _END]:
        lane = lane_of_thread[event["thread"]]
        causes[int(event["seq"])] = Place(lane, 2 * len(truth.rows[lane]) - 2)
    names = replay.edge_names()
    for edge in trace.edges:
        cause, effect = causes.get(int(edge["cause"])), effects.get(int(edge["effect"]))
        if cause is None or effect is None:
            continue  # of what a program does before its marker
        (told.certain if edge["certain"] else told.joined).add(
            Edge(names[int(edge["kind"])], cause, effect)
        )
    return told


def _logged(calls: list[Any], is_command: bool) -> list[Any]:
    """Those that stand in the file: not what a new image does before its marker."""
    found, outside = [], is_command
    for call in calls:
        name = replay.call_name(int(call["abi"]), int(call["nr"]))
        outside = outside and name != _MARKER
        if outside or name == "rt_sigreturn":
            continue
        found.append(call)
        outside = name == "execve" and int(call["result"]) == 0
    return found


def _effects(
    trace: replay.Replay, places: dict[int, Place], lane_of_thread: list[int]
) -> dict[int, Place]:
    """Which event is meant by the number of an effect."""
    found = {seq: Place(place.lane, place.number + 1) for seq, place in places.items()}
    of_lane: dict[int, list[tuple[int, Place]]] = {}
    for seq, place in places.items():
        of_lane.setdefault(place.lane, []).append((seq, place))
    for event in trace.events:
        lane, kind = lane_of_thread[event["thread"]], int(event["kind"])
        if kind == _START:
            found[int(event["seq"])] = Place(lane, 0)
        elif kind == _SIGNAL:
            later = [entry for entry in of_lane[lane] if entry[0] > int(event["seq"])]
            if later:
                found[int(event["seq"])] = min(later)[1]
    return found


@dataclass
class Verdict:
    """How a trace compares with the truth; adds up over programs."""

    pairs: int = 0  # of events of which one came before the other, in different lanes
    broken: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    certain: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    unlinked: list[str] = field(default_factory=list)
    unjoined: list[str] = field(default_factory=list)

    def add(self, seed: str, truth: Truth, told: Told) -> None:
        """Compares one program."""
        clocks = truth.clocks()
        order = np.concatenate(clocks)
        lanes = np.repeat(np.arange(len(clocks)), [len(clock) for clock in clocks])
        numbers = np.concatenate([np.arange(len(clock)) for clock in clocks])
        lamport = np.concatenate(told.clocks)
        there = lamport > 0
        # before[b, a]: a came before b.
        before = order[:, lanes] > numbers[None, :]
        np.fill_diagonal(before, False)
        before &= there[:, None] & there[None, :]
        self.pairs += int((before & (lanes[:, None] != lanes[None, :])).sum())
        for after, first in np.argwhere(before & (lamport[None, :] >= lamport[:, None]))[:3]:
            self.broken.append(
                f"{seed}: lane {lanes[first]} event {numbers[first]} (L {lamport[first]}) came"
                f" before lane {lanes[after]} event {numbers[after]} (L {lamport[after]})"
            )
        all_told = told.certain | told.joined
        for edge in told.certain - set(truth.edges) - set().union(*truth.either):
            self.wrong.append(f"{seed}: {edge}")
        for edges in truth.either:
            if not edges & all_told:
                self.unjoined.append(f"{seed}: one of {edges}")
        for edge, certain in truth.edges.items():
            if edge not in all_told:
                self.unjoined.append(f"{seed}: {edge}")
            if not certain:
                continue
            self.certain[edge.kind] += 1
            if edge not in told.certain:
                self.missing[edge.kind] += 1
                self.unlinked.append(f"{seed}: {edge}")
