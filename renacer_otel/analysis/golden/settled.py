# SPDX-License-Identifier: MIT
"""Whether the runs of a capture are alike enough for checks: each is held against the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel.analysis.golden import differences, learning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renacer_otel.analysis.golden.model import Canonical

_LEAST_RUNS = 3
_MOST_ITEMS = 20_000  # of all runs: beyond, it would take seconds


def warning(forms: Sequence[Canonical]) -> str:
    """What checks will most likely call a change though nothing is changed; "" = nothing.

    That is so where more than half of the runs did what none of the others did, as a check's runs
    will.
    """
    count = len(forms)
    if count < _LEAST_RUNS or sum(len(r.items) for f in forms for r in f.roles) > _MOST_ITEMS:
        return ""
    told = []
    for at, form in enumerate(forms):
        others = learning.learn([*forms[:at], *forms[at + 1 :]])
        found = [one for one in differences.between(others, [form]) if differences.changed([one])]
        if found:
            told.append(found[0].sentence)
    if 2 * len(told) <= count:
        return ""
    return (
        f"{len(told)} of {count} runs did what no other did, and so will checks, which call it a"
        f" change: {told[-1]}; have the command do without it (by an option, by env NAME=VALUE)"
    )
