# SPDX-License-Identifier: MIT
"""How two spans stand to each other: before, after, overlapping, concurrent; and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from renacer_otel.analysis.causality.chains import Chains

if TYPE_CHECKING:
    from renacer_otel.analysis.causality.history import History, Point
    from renacer_otel.analysis.causality.naming import Span

BEFORE, AFTER, OVERLAPPING, CONCURRENT = "before", "after", "overlapping", "concurrent"
SAME = "the same"


@dataclass
class Proof:
    """`first` happened before `second`: by rows of History.edges, in order; none = program order.

    `certain`: else one of the edges is only one of several possible causes.
    """

    first: Point
    second: Point
    edges: list[int]
    certain: bool


@dataclass
class Relation:
    """Of `a` to `b`. `proofs`: of before and after, one; of overlapping spans, that the one began
    before the other ended, of each of the two that can be proved.

    `possible` would make more of it, were its uncertain edges what they may be. `incomplete`: the
    trace says of itself that causes may be missing.
    """

    a: Span
    b: Span
    kind: str
    proofs: list[Proof] = field(default_factory=list)
    possible: Proof | None = None
    incomplete: bool = False


def relate(history: History, a: Span, b: Span) -> Relation:
    """How `a` stands to `b`.

    Span a is before span b if the end of a happened before the start of b. If only the start of
    the one happened before the end of the other, they overlap: neither is before the other.
    """
    incomplete = not history.run.is_whole or bool(np.any(history.run.calls["incomplete"]))
    if (a.start, a.end) == (b.start, b.end):
        return Relation(a, b, SAME, incomplete=incomplete)
    certain = Chains(history, certain=True)
    for kind, first, second in ((BEFORE, a, b), (AFTER, b, a)):
        proof = _proof(certain, first.end, second.start, certain=True)
        if proof is not None:
            return Relation(a, b, kind, [proof], incomplete=incomplete)
    every = Chains(history, certain=False)
    possible = None
    for first, second in ((a, b), (b, a)):
        possible = possible or _proof(every, first.end, second.start, certain=False)
    proofs = [
        proof
        for first, second in ((a, b), (b, a))
        if (proof := _proof(certain, first.start, second.end, certain=True)) is not None
    ]
    if proofs:
        return Relation(a, b, OVERLAPPING, proofs, possible, incomplete)
    for first, second in ((a, b), (b, a)):
        possible = possible or _proof(every, first.start, second.end, certain=False)
    return Relation(a, b, CONCURRENT, [], possible, incomplete)


def _proof(
    chains: Chains, first: Point | None, second: Point | None, *, certain: bool
) -> Proof | None:
    if first is None or second is None:
        return None
    edges = chains.between(first, second)
    return None if edges is None else Proof(first, second, edges, certain)
