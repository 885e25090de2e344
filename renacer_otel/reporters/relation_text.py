# SPDX-License-Identifier: MIT
"""How two spans stand to each other, in words, with the chain that proves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel.analysis.causality import relation as relations
from renacer_otel.analysis.causality.naming import describe, thread_name
from renacer_otel.spans.replay import edge_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renacer_otel.analysis.causality.history import History, Point
    from renacer_otel.analysis.causality.relation import Proof, Relation

_VERDICTS = {
    relations.BEFORE: "A is before B.",
    relations.AFTER: "A is after B.",
    relations.OVERLAPPING: "A and B overlap: neither is before the other.",
    relations.CONCURRENT: "A and B are concurrent: no chain of causes leads from one to the other.",
    relations.SAME: "A and B are the same.",
}


def render(history: History, relation: Relation) -> str:
    """The verdict, its proofs, and what would change it."""
    parts = [f"A  {relation.a.name}\n", f"B  {relation.b.name}\n", _VERDICTS[relation.kind], "\n"]
    for proof in relation.proofs:
        parts += _proof(history, relation, proof)
    if relation.possible is not None:
        parts.append("It may be more than that, by causes (?) that are only some of several:\n")
        parts += _proof(history, relation, relation.possible)
    if relation.incomplete and relation.kind not in (relations.BEFORE, relations.AFTER):
        parts.append("Causes may be missing in this trace: there may be more between the two.\n")
    return "".join(parts)


def _proof(history: History, relation: Relation, proof: Proof) -> Iterator[str]:
    yield (
        f"{_end(relation, proof.first, 'began', 'ended')} before"
        f" {_end(relation, proof.second, 'began', 'ended')}:\n"
    )
    kinds = edge_names()
    yield f"  {_event(history, proof.first)}\n"
    here, number = proof.first.thread, proof.first.number
    for row in proof.edges:
        edge = history.edges[row]
        cause, effect = history.point(int(edge["cause"])), history.point(int(edge["effect"]))
        assert cause is not None
        assert effect is not None
        if cause.number != number:
            yield f"  … later in {thread_name(history, here)}: {_event(history, cause)}\n"
        unsure = "" if edge["certain"] else "?"
        yield f"  → {kinds[int(edge['kind'])]}{unsure}: {_event(history, effect)}\n"
        here, number = effect.thread, effect.number
    if proof.second.number != number:
        yield f"  … later in {thread_name(history, here)}: {_event(history, proof.second)}\n"


def _end(relation: Relation, point: Point, began: str, ended: str) -> str:
    """Which end of which span an event is."""
    for name, span in (("A", relation.a), ("B", relation.b)):
        if point in (span.start, span.end):
            if span.start == span.end:
                return name
            return f"{name} {began if point == span.start else ended}"
    raise AssertionError("a proof is about the ends of its spans")


def _event(history: History, point: Point) -> str:
    if not point.is_call:
        return describe(history, point)
    return f"{describe(history, point)}, its {'exit' if point.is_exit else 'entry'}"
