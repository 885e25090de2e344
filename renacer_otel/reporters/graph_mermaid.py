# SPDX-License-Identifier: MIT
"""The happens-before graph for Mermaid: https://mermaid.js.org/syntax/flowchart.html."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel.reporters.graph_dot import arrows, title

if TYPE_CHECKING:
    from renacer_otel.analysis.causality.graph import Graph

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .-/")


def render(graph: Graph) -> str:
    """A flowchart; dotted edges are not certain."""
    lines = ["flowchart TD"]
    for node in graph.nodes:
        name, number = title(node)
        lines.append(f'  n{node.id}["{_escaped(name)}<br/>{_escaped(number)}"]')
    for arrow in arrows(graph):
        line = "-->" if arrow.certain else "-.->"
        label = "<br/>".join(map(_escaped, arrow.labels))
        lines.append(f'  n{arrow.cause} {line}|"{label}"| n{arrow.effect}')
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    """Every character that could mean something as Mermaid's entity: its number in decimal."""
    return "".join(char if char in _PLAIN else f"#{ord(char)};" for char in text)
