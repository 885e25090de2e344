# SPDX-License-Identifier: MIT
"""The happens-before graph as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from renacer_otel.spans import redacted

if TYPE_CHECKING:
    from renacer_otel.analysis.causality.graph import Graph


def render(graph: Graph, *, whole: bool) -> str:
    """One object. Numbers of events are those of `explain TRACE '#NUMBER'`."""
    nodes = [
        {
            "id": node.id,
            "pid": node.pid,
            **({"tid": node.tid} if node.tid else {}),
            "process": node.process,
            "executable": node.exe,
            "calls": node.calls,
        }
        for node in graph.nodes
    ]
    edges = [
        {
            "cause": edge.cause,
            "effect": edge.effect,
            "kind": edge.kind,
            "certain": edge.certain,
            "count": edge.times,
            "first": {"cause": edge.first[0], "effect": edge.first[1]},
            "last": {"cause": edge.last[0], "effect": edge.last[1]},
        }
        for edge in graph.edges
    ]
    found = {
        "by": graph.by,
        "nodes": nodes,
        "edges": edges,
        "edges_left_out": graph.unplaced,
        "whole": whole,
    }
    return json.dumps(redacted.tree(found), indent=2) + "\n"
