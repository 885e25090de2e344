# SPDX-License-Identifier: MIT
"""Histories made up for tests: calls and events by number, edges between them."""

from __future__ import annotations

import itertools
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from renacer_otel.analysis.causality.history import History
from renacer_otel.spans import replay
from renacer_otel.spans.replay import Process, Replay

READ, WRITE = 0, 1  # of x86_64
FORK, WAIT, PIPE, SIGNAL = 1, 3, 5, 9  # enum rn_edge_kind


@dataclass
class Made:
    """Numbers are given in the order of the lists' making; an event n is at 1000 n ns, or `at`."""

    threads: list[tuple[int, int, int]] = field(default_factory=list)  # ordinal, tid, pid
    calls: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    events: list[tuple[int, int, int, int]] = field(default_factory=list)
    edges: list[tuple[int, int, int, bool]] = field(default_factory=list)
    at: dict[int, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)  # of processes

    def thread(self, ordinal: int, tid: int, pid: int) -> int:
        self.threads.append((ordinal, tid, pid))
        return len(self.threads) - 1

    def call(self, thread: int, seq: int, end: int, nr: int = READ, flags: int = 0) -> int:
        self.calls.append((thread, seq, end, nr, flags))
        return seq

    def event(self, thread: int, seq: int, kind: int, last: int = 0) -> int:
        self.events.append((thread, seq, kind, last))
        return seq

    def edge(self, cause: int, effect: int, kind: int = PIPE, certain: bool = True) -> None:
        self.edges.append((cause, effect, kind, certain))

    def time(self, number: int) -> int:
        return self.at.get(number, 1000 * number)

    def history(self) -> History:
        calls = np.zeros(len(self.calls), replay.CALL)
        # In the order of their ends, as they come out of the core.
        for row, (thread, seq, end, nr, flags) in zip(
            calls, sorted(self.calls, key=lambda call: call[2] or 1 << 60), strict=True
        ):
            row["thread"], row["seq"], row["end"], row["nr"] = thread, seq, end, nr
            row["abi"], row["flags"] = 1, flags
            row["t0"], row["t1"] = self.time(seq), self.time(end or seq)
        events = np.zeros(len(self.events), replay.EVENT)
        for event, (thread, seq, kind, last) in zip(events, self.events, strict=True):
            event["thread"], event["seq"], event["t"] = thread, seq, self.time(seq)
            event["kind"], event["last"] = kind, last
        edges = np.zeros(len(self.edges), replay.EDGE)
        for edge, values in zip(edges, self.edges, strict=True):
            edge["cause"], edge["effect"], edge["kind"], edge["certain"] = values
        threads = np.zeros(len(self.threads), replay.THREAD)
        processes = {}
        for row, (ordinal, tid, pid) in zip(threads, self.threads, strict=True):
            row["ordinal"], row["tid"], row["pid"] = ordinal, tid, pid
            exe = self.names.get(ordinal, f"/bin/p{ordinal}")
            processes[ordinal] = Process(ordinal, pid, 0, exe, 0, 0, 0, 0, 0, 0, 0)
        metadata: dict[str, Any] = {"id_key": [1, 2], "lamport_seed": 0}
        run = Replay(metadata, calls, events, edges, threads, processes, True, 0, 0, 0)
        return History.of(run)


def random_made(rng: random.Random, threads: int, steps: int, edges: int) -> Made:
    """Calls and events of some threads at random, and edges that go forwards."""
    made = Made()
    for index in range(threads):
        made.thread(1 + index // 2, 100 + index, 100 + index // 2 * 2)
    open_calls: dict[int, int] = {}
    number = 0
    for index in range(threads):
        number += 1
        made.event(index, number, 4)
    for _ in range(steps):
        thread = rng.randrange(threads)
        number += 1
        if thread in open_calls:
            made.call(thread, open_calls.pop(thread), number)
        elif rng.random() < 0.1:
            made.event(thread, number, 7)
        else:
            open_calls[thread] = number
    for thread, seq in open_calls.items():
        made.call(thread, seq, 0)
    for index in range(threads):
        number += 1
        made.event(index, number, 6, last=1 - index % 2)
    causes = [seq for _, seq, _, _, _ in made.calls] + [seq for _, seq, _, _ in made.events]
    effects = [(seq, end) for _, seq, end, _, _ in made.calls if end]
    effects += [(seq, seq) for _, seq, _, _ in made.events]
    for _ in range(edges):
        cause, (name, effect) = rng.choice(causes), rng.choice(effects)
        if cause < effect:
            made.edge(cause, name, rng.choice((FORK, WAIT, PIPE, SIGNAL)), rng.random() < 0.7)
    return made


def distances(history: History, start: int, *, certain: bool) -> dict[int, int]:
    """The fewest edges to every event that comes after `start`, by looking at all: the oracle."""
    run = history.run
    threads: dict[int, list[int]] = {}
    for call in run.calls:
        numbers = [int(call["seq"])] + ([int(call["end"])] if call["end"] else [])
        threads.setdefault(int(call["thread"]), []).extend(numbers)
    for event in run.events:
        threads.setdefault(int(event["thread"]), []).append(int(event["seq"]))
    following: dict[int, list[tuple[int, int]]] = {}
    for numbers in threads.values():
        numbers.sort()
        for former, latter in itertools.pairwise(numbers):
            following.setdefault(former, []).append((latter, 0))
    for edge in history.edges:
        if edge["certain"] or not certain:
            following.setdefault(int(edge["cause"]), []).append((int(edge["effect"]), 1))
    found = {start: 0}
    queue = deque([start])
    while queue:
        number = queue.popleft()
        for after, cost in following.get(number, ()):
            if found[number] + cost < found.get(after, 1 << 60):
                found[after] = found[number] + cost
                (queue.append if cost else queue.appendleft)(after)
    return found
