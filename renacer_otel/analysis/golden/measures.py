# SPDX-License-Identifier: MIT
"""The figures of a run: how much there was of what."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from renacer_otel.analysis.assertions import memory
from renacer_otel.analysis.assertions.subject import Subject
from renacer_otel.analysis.causality.history import History
from renacer_otel.analysis.golden.model import Figures
from renacer_otel.analysis.golden.rules import Way

if TYPE_CHECKING:
    from renacer_otel.analysis.golden.shapes import Shapes
    from renacer_otel.spans.replay import Replay


_MOST = (1 << 63) - 1  # that a golden trace holds; a trace that tells more lies


def figures(run: Replay, shapes: Shapes) -> Figures:
    """Of one run: each has one value. Times are timing.figures_of()'s."""
    result = run.calls["result"]
    moved = np.where((result > 0) & (result < 1 << 40), result, 0)
    return Figures(
        calls=(len(run.calls),),
        read_bytes=(int(moved[shapes.way == Way.READ].sum()),),
        written_bytes=(int(moved[shapes.way == Way.WRITE].sum()),),
        peak_memory=(_peak(run),),
    )


def _peak(run: Replay) -> int:
    try:
        # What caused what does not matter to it.
        peaks = memory.peaks(Subject(History.of(dataclasses.replace(run, edges=run.edges[:0]))))
    except memory.TooMany:
        return -1
    peak = peaks[0].total if peaks else 0
    return peak if peak <= _MOST else -1
