# SPDX-License-Identifier: MIT
"""A check against golden traces as text: first what is worst."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel.analysis.golden import verdict
from renacer_otel.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from renacer_otel.analysis.golden.verdict import Verdict

MOST = 20  # differences of one golden trace; all are in the JSON
_WIDTH = 500


def render(verdicts: Sequence[Verdict], *, tells_all: bool = False) -> str:
    """A paragraph for each golden trace, those that are not the same first; the sum of many."""
    lines: list[str] = []
    for one in sorted(verdicts, key=lambda one: one.exit_code == verdict.SAME):
        lines += _paragraph(one, None if tells_all else MOST)
    if len(verdicts) > 1:
        lines.append(_sum(verdicts))
    return "\n".join(lines) + "\n"


def _sum(verdicts: Sequence[Verdict]) -> str:
    bad = sum(one.exit_code != verdict.SAME for one in verdicts)
    updated = sum(one.updated for one in verdicts)
    captured = f"{updated} captured, " if updated else ""
    same = len(verdicts) - bad - updated
    return f"{len(verdicts)} golden traces: {same} same, {captured}{bad} not"


def headline(one: Verdict) -> str:
    """The most important of it in one sentence."""
    told = [each for each in one.told if not each.is_minor] or one.told
    runs = f"{one.golden_runs} {'run' if one.golden_runs == 1 else 'runs'}"
    if not told or (one.exit_code == verdict.SAME and not one.updated):
        if one.is_diff:
            return f"{one.name}: the same"
        if one.updated:
            return f"{one.name} captured: there was no golden trace; learned from {runs}"
        return f"{one.name}: same as its golden trace, learned from {runs}"
    more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
    status = "captured again" if one.updated else one.was if one.not_updated else one.status
    return f"{one.name} {status}: {one_line(told[0].sentence, _WIDTH)}{more}"


def _paragraph(one: Verdict, most: int | None) -> Iterator[str]:
    yield headline(one)
    told = one.told if one.updated or one.exit_code != verdict.SAME else []
    for number, (sentence, difference, is_minor) in enumerate(told[:most], 1):
        if number > 1:
            yield f"  {number}. {'minor: ' if is_minor else ''}{one_line(sentence, _WIDTH)}"
        if difference and difference.expected != difference.actual:
            yield f"     - {one_line(difference.expected or 'nothing', _WIDTH)}"
            yield f"     + {one_line(difference.actual or 'nothing', _WIDTH)}"
    if left := told[most:] if most is not None else []:
        yield f"  and {_counted(left)}: --all-differences or --format json tells all"
    if one.not_updated:
        yield f"  not captured again: {one_line(one.not_updated, _WIDTH)}"
    for note in one.notes:
        yield f"  note: {one_line(note, _WIDTH)}"


def _counted(left: Sequence[verdict.Told]) -> str:
    minor = sum(each.is_minor for each in left)
    if not minor:
        return f"{len(left)} more"
    return f"{len(left)} more, {'all' if minor == len(left) else minor} of them minor"
