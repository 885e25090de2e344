# SPDX-License-Identifier: MIT
"""The graph against a plain count, and its forms whatever a process is called."""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections import Counter

import pytest

from renacer_otel.analysis.causality.graph import BY, graph_of
from renacer_otel.reporters import graph_dot, graph_json, graph_mermaid
from renacer_otel.spans.replay import edge_names
from tests.causality.made import FORK, PIPE, Made, random_made

HOSTILE = [
    '"]; end', "a\\", 'x" -> "y', "\x1b[2J", "a\nb", "</b>", "`md`", "#35;", "A-->B", "\u202e",
    "\udcff", "é", "", '"', "%%{init}%%", "subgraph", "|x|", "{{", "𝄞",
]  # fmt: skip


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("seed", range(20))
def test_against_a_plain_count(seed: int, by: str) -> None:
    rng = random.Random(seed)
    made = random_made(rng, rng.randrange(1, 8), rng.randrange(5, 150), rng.randrange(0, 120))
    history = made.history()
    names = edge_names()

    def group(thread: int) -> int:
        return thread + 1 if by == "thread" else made.threads[thread][0]

    wanted: dict[tuple[int, int, str, bool], list[tuple[int, int]]] = {}
    for edge in history.edges:
        cause, effect = group(int(edge["cause_thread"])), group(int(edge["effect_thread"]))
        if cause != effect:
            key = (cause, effect, names[edge["kind"]], bool(edge["certain"]))
            wanted.setdefault(key, []).append((int(edge["effect"]), int(edge["cause"])))
    graph = graph_of(history, by)
    assert {(e.cause, e.effect, e.kind, e.certain): e.times for e in graph.edges} == {
        key: len(pairs) for key, pairs in wanted.items()
    }
    for each in graph.edges:
        pairs = wanted[each.cause, each.effect, each.kind, each.certain]
        assert each.first[1] == min(pairs)[0]
        assert each.last[1] == max(pairs)[0]
        assert {each.first[::-1], each.last[::-1]} <= set(pairs)
    calls = Counter(group(thread) for thread, *_ in made.calls)
    assert {node.id: node.calls for node in graph.nodes} == {
        group(thread): calls[group(thread)] for thread in range(len(made.threads))
    }


def hostile(name: str) -> Made:
    made = Made(names={1: f"/bin/{name}"})
    one, two = made.thread(1, 10, 10), made.thread(2, 20, 20)
    made.call(one, 1, 3)
    made.call(one, 4, 6)
    made.event(two, 2, 4)
    made.call(two, 5, 7)
    made.call(two, 8, 9)
    made.edge(1, 2, FORK)
    made.edge(1, 5, PIPE)
    made.edge(4, 5, PIPE, certain=False)
    made.edge(4, 8, PIPE, certain=False)
    return made


@pytest.mark.parametrize("name", HOSTILE)
def test_names_cannot_break_out(name: str) -> None:
    graph = graph_of(hostile(name).history())
    dot = graph_dot.render(graph)
    assert dot.isascii() or name in ("é", "𝄞")
    assert all(char.isprintable() or char == "\n" for char in dot)
    quoted = r'"(?:[^"\\\n]|\\["\\n])*"'
    lines = dot.splitlines()
    assert [lines[0], lines[1], lines[-1]] == [
        "digraph causality {", "  node [shape=box];", "}"
    ]  # fmt: skip
    assert re.fullmatch(rf"  n1 \[label={quoted}\];", lines[2])
    assert lines[3:-1] == [
        '  n2 [label="p2\\n20"];',
        '  n1 -> n2 [label="fork\\npipe"];',
        '  n1 -> n2 [label="pipe x 2", style=dashed];',
    ]
    mermaid = graph_mermaid.render(graph).splitlines()
    assert mermaid[0] == "flowchart TD"
    assert re.fullmatch(r'  n1\["(?:[\w .\-/]|#\d+;)*<br/>10"\]', mermaid[1], re.ASCII)
    assert mermaid[2:] == [
        '  n2["p2<br/>20"]', '  n1 -->|"fork<br/>pipe"| n2', '  n1 -.->|"pipe x 2"| n2'
    ]  # fmt: skip
    found = json.loads(graph_json.render(graph, whole=True))
    assert [node["executable"] for node in found["nodes"]] == [f"/bin/{name}", "/bin/p2"]
    assert found["edges"][1] == {
        "cause": 1, "effect": 2, "kind": "pipe", "certain": False, "count": 2,
        "first": {"cause": 4, "effect": 7}, "last": {"cause": 4, "effect": 9},
    }  # fmt: skip


@pytest.mark.needs("dot")
@pytest.mark.parametrize("name", HOSTILE)
def test_graphviz_reads_it(name: str) -> None:
    text = graph_dot.render(graph_of(hostile(name).history()))
    done = subprocess.run(
        ["dot", "-Tplain"], input=text.encode(), stdout=subprocess.PIPE, check=True
    )
    kinds = Counter(line.split()[0] for line in done.stdout.decode().splitlines())
    assert (kinds["node"], kinds["edge"]) == (2, 2)
