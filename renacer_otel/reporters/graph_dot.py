# SPDX-License-Identifier: MIT
"""The happens-before graph for Graphviz: https://graphviz.org/doc/info/lang.html."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.errors import one_line
from renacer_otel.spans import redacted

if TYPE_CHECKING:
    from renacer_otel.analysis.causality.graph import Graph, Node


def render(graph: Graph) -> str:
    """A digraph; dashed edges are not certain."""
    lines = ["digraph causality {", "  node [shape=box];"]
    lines += [f"  n{node.id} [label={_quoted(*title(node))}];" for node in graph.nodes]
    for arrow in arrows(graph):
        dashed = "" if arrow.certain else ", style=dashed"
        label = _quoted(*arrow.labels)
        lines.append(f"  n{arrow.cause} -> n{arrow.effect} [label={label}{dashed}];")
    return "\n".join([*lines, "}", ""])


def title(node: Node) -> tuple[str, str]:
    """What stands in a node: two printable lines."""
    name = one_line(redacted.text(node.exe.rpartition("/")[2]), 60) or "unknown"
    return name, f"{node.pid}/{node.tid}" if node.tid else str(node.pid)


class Arrow(NamedTuple):
    """All that leads from one node to another, certain or not; a label for each kind."""

    cause: int
    effect: int
    certain: bool
    labels: list[str]


def arrows(graph: Graph) -> list[Arrow]:
    """One line between two nodes, whatever the number of kinds: many lines hide each other."""
    found: dict[tuple[int, int, bool], Arrow] = {}
    for edge in graph.edges:
        key = edge.cause, edge.effect, edge.certain
        label = edge.kind if edge.times == 1 else f"{edge.kind} x {edge.times}"
        found.setdefault(key, Arrow(*key, [])).labels.append(label)
    return list(found.values())


def _quoted(*lines: str) -> str:
    """A quoted string: in one, only backslashes and quotes mean anything."""
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'
