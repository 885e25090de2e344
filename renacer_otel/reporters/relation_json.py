# SPDX-License-Identifier: MIT
"""How two spans stand to each other, as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from renacer_otel.spans import redacted
from renacer_otel.spans.replay import edge_names

if TYPE_CHECKING:
    from renacer_otel.analysis.causality.history import History
    from renacer_otel.analysis.causality.naming import Span
    from renacer_otel.analysis.causality.relation import Proof, Relation


def render(history: History, relation: Relation) -> str:
    """One object. Events are numbers; `proofs`: that the event `first` was before `second`."""
    kinds = edge_names()

    def proof_of(proof: Proof) -> dict[str, Any]:
        return {
            "first": proof.first.number,
            "second": proof.second.number,
            "certain": proof.certain,
            "edges": [
                {
                    "kind": kinds[int(edge["kind"])],
                    "certain": bool(edge["certain"]),
                    "cause": int(edge["cause"]),
                    "effect": int(edge["effect"]),
                }
                for edge in history.edges[proof.edges]
            ],
        }

    found = {
        "a": _span(relation.a),
        "b": _span(relation.b),
        "relation": relation.kind,
        "proofs": [proof_of(proof) for proof in relation.proofs],
        "possible": proof_of(relation.possible) if relation.possible else None,
        "incomplete": relation.incomplete,
    }
    return json.dumps(redacted.tree(found), indent=2) + "\n"


def _span(span: Span) -> dict[str, Any]:
    end = span.end.number if span.end is not None else None
    return {"name": span.name, "start": span.start.number, "end": end}
