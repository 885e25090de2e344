# SPDX-License-Identifier: MIT
"""The happens-before graph over processes or threads: edges of a kind between two, as one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from renacer_otel.spans import replay

if TYPE_CHECKING:
    from renacer_otel.analysis.causality.history import History

BY = ("process", "thread")


class Node(NamedTuple):
    """A process, or a thread of it. `id` is the process's ordinal, or the thread's index + 1."""

    id: int
    process: int  # ordinal
    pid: int
    tid: int  # 0 = a whole process
    exe: str  # path; "" = unknown
    calls: int


class Edge(NamedTuple):
    """All edges of one kind from one node to another; ids of nodes, numbers of events.

    `certain`: else each is only one of several possible causes.
    """

    cause: int
    effect: int
    kind: str
    certain: bool
    times: int
    first: tuple[int, int]  # cause and effect
    last: tuple[int, int]


@dataclass
class Graph:
    """`nodes` by id, `edges` by nodes and kind. `unplaced`: edges with an end that is not there."""

    by: str
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    unplaced: int = 0


def graph_of(history: History, by: str = "process") -> Graph:
    """The graph by one of BY. What is within one node is left out."""
    run = history.run
    if by == "thread":
        groups = np.arange(1, len(run.threads) + 1, dtype=np.uint64)
    else:
        groups = run.threads["ordinal"].copy()
    graph = Graph(by, unplaced=history.unplaced)
    counts = np.bincount(run.calls["thread"], minlength=len(run.threads))
    nodes: dict[int, Node] = {}
    for group, thread, calls in zip(groups.tolist(), run.threads, counts.tolist(), strict=True):
        process = run.processes.get(int(thread["ordinal"]))
        known = nodes.get(group)
        nodes[group] = Node(
            group,
            int(thread["ordinal"]),
            int(thread["pid"]),
            int(thread["tid"]) if by == "thread" else 0,
            process.exe if process else "",
            calls + (known.calls if known else 0),
        )
    graph.nodes = [nodes[group] for group in sorted(nodes)]
    graph.edges = _edges(history, groups)
    return graph


def _edges(history: History, groups: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> list[Edge]:
    edges, names = history.edges, replay.edge_names()
    form = [("cause", "<u8"), ("effect", "<u8"), ("kind", "u1"), ("certain", "?")]
    keys = np.empty(len(edges), form)
    if not len(edges):
        return []
    keys["cause"] = groups[edges["cause_thread"]]
    keys["effect"] = groups[edges["effect_thread"]]
    keys["kind"], keys["certain"] = edges["kind"], edges["certain"]
    rows = np.flatnonzero(keys["cause"] != keys["effect"])
    # By the effect: the first and the last of each kind stand at its ends.
    rows = rows[np.argsort(edges["effect"][rows], kind="stable")]
    found, first, counts = np.unique(keys[rows], return_index=True, return_counts=True)
    _, last = np.unique(keys[rows[::-1]], return_index=True)

    def ends(at: int) -> tuple[int, int]:
        edge = edges[rows[at]]
        return int(edge["cause"]), int(edge["effect"])

    return [
        Edge(int(key["cause"]), int(key["effect"]), names[int(key["kind"])], bool(key["certain"]),
             int(count), ends(begin), ends(len(rows) - 1 - end))
        for key, begin, end, count in zip(found, first, last, counts, strict=True)
    ]  # fmt: skip
