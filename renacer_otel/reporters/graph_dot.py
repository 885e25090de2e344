# SPDX-License-Identifier: MIT
"""The happens-before graph for Graphviz: https://graphviz.org/doc/info/lang.html."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel.errors import one_line

if TYPE_CHECKING:
    from renacer_otel.analysis.causality.graph import Edge, Graph, Node


def render(graph: Graph) -> str:
    """A digraph; dashed edges are not certain."""
    lines = ["digraph causality {", "  node [shape=box];"]
    lines += [f"  n{node.id} [label={_quoted(*title(node))}];" for node in graph.nodes]
    for edge in graph.edges:
        dashed = "" if edge.certain else ", style=dashed"
        lines.append(f"  n{edge.cause} -> n{edge.effect} [label={_quoted(weight(edge))}{dashed}];")
    return "\n".join([*lines, "}", ""])


def title(node: Node) -> tuple[str, str]:
    """What stands in a node: two printable lines."""
    name = one_line(node.exe.rpartition("/")[2], 60) or "unknown"
    return name, f"{node.pid}/{node.tid}" if node.tid else str(node.pid)


def weight(edge: Edge) -> str:
    """What stands at an edge."""
    return edge.kind if edge.times == 1 else f"{edge.kind} x {edge.times}"


def _quoted(*lines: str) -> str:
    """A quoted string: in one, only backslashes and quotes mean anything."""
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'
