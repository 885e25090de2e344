# SPDX-License-Identifier: MIT
"""A check against golden traces as text: first what is worst."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel.analysis.golden import verdict
from renacer_otel.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from renacer_otel.analysis.golden.verdict import Verdict

_WIDTH = 500


def render(verdicts: Sequence[Verdict]) -> str:
    """A paragraph for each golden trace, those that are not the same first; the sum of many."""
    lines: list[str] = []
    for one in sorted(verdicts, key=lambda one: one.exit_code == verdict.SAME):
        lines += _paragraph(one)
    if len(verdicts) > 1:
        bad = sum(one.exit_code != verdict.SAME for one in verdicts)
        lines.append(f"{len(verdicts)} golden traces: {len(verdicts) - bad} same, {bad} not")
    return "\n".join(lines) + "\n"


def headline(one: Verdict) -> str:
    """The most important of it in one sentence."""
    told = one.told
    if not told or one.exit_code == verdict.SAME:
        if one.is_diff:
            return f"{one.name}: the same"
        runs = "run" if one.golden_runs == 1 else "runs"
        return f"{one.name}: same as its golden trace, learned from {one.golden_runs} {runs}"
    more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
    return f"{one.name} {one.status}: {one_line(told[0][0], _WIDTH)}{more}"


def _paragraph(one: Verdict) -> Iterator[str]:
    yield headline(one)
    if one.exit_code != verdict.SAME:
        for number, (sentence, difference) in enumerate(one.told, 1):
            if number > 1:
                yield f"  {number}. {one_line(sentence, _WIDTH)}"
            if difference and difference.expected != difference.actual:
                yield f"     - {one_line(difference.expected or 'nothing', _WIDTH)}"
                yield f"     + {one_line(difference.actual or 'nothing', _WIDTH)}"
    for note in one.notes:
        yield f"  note: {one_line(note, _WIDTH)}"
    if one.updated:
        yield "  the golden trace was captured again"
