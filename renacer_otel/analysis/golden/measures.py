# SPDX-License-Identifier: MIT
"""The figures of a run: how much, and what was waited for."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from renacer_otel.analysis.assertions import memory
from renacer_otel.analysis.assertions.subject import Subject
from renacer_otel.analysis.causality.history import History
from renacer_otel.analysis.golden.model import Figures
from renacer_otel.analysis.golden.rules import Way

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from renacer_otel.analysis.golden.shapes import Called, Shapes
    from renacer_otel.spans.replay import Replay

#: By what a call waits for, where that is no object.
_WAITS = {
    "a lock": "futex futex_time64 futex_waitv futex_wait flock",
    "readiness": """poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_wait
        epoll_pwait epoll_pwait2 io_getevents""",
    "sleep": "nanosleep clock_nanosleep clock_nanosleep_time64",
    "a child": "wait4 waitid waitpid",
    "a signal": "pause rt_sigsuspend rt_sigtimedwait",
    "a disk": "fsync fdatasync sync syncfs sync_file_range msync",
    "a connection": "accept accept4 connect",
}
_WAIT_OF = {name: what for what, names in _WAITS.items() for name in names.split()}


def figures(run: Replay, shapes: Shapes, called: Called, role: NDArray[np.int64]) -> Figures:
    """Of one run: each has one value."""
    result = run.calls["result"]
    moved = np.where((result > 0) & (result < 1 << 40), result, 0)
    return Figures(
        calls=(len(run.calls),),
        read_bytes=(int(moved[shapes.way == Way.READ].sum()),),
        written_bytes=(int(moved[shapes.way == Way.WRITE].sum()),),
        peak_memory=(_peak(run),),
        off_cpu_us={what: (us,) for what, us in sorted(_waited(run, shapes, called, role).items())},
    )


def _peak(run: Replay) -> int:
    try:
        peaks = memory.peaks(Subject(History.of(run)))
    except memory.TooMany:
        return -1
    return peaks[0].total if peaks else 0


def _waited(run: Replay, shapes: Shapes, called: Called, role: NDArray[np.int64]) -> dict[str, int]:
    """Microseconds that calls took, by role and by what they waited for."""
    codes, names = called
    waits = sorted(set(_WAITS))
    kind = np.array([waits.index(_WAIT_OF[name]) if name in _WAIT_OF else -1 for name in names])
    of_call = kind[codes] if len(kind) else np.zeros(0, np.int64)
    passes = (shapes.way == Way.READ) | (shapes.way == Way.WRITE)
    rows = np.flatnonzero(((of_call >= 0) | passes) & (role >= 0))
    what = np.where(passes[rows], len(waits) + shapes.label[rows], of_call[rows])
    size = len(waits) + len(shapes.labels) + 1
    key, inverse = np.unique(role[rows] * size + what, return_inverse=True)
    took = (run.calls["t1"] - run.calls["t0"])[rows].astype(np.int64)
    total = np.zeros(len(key), np.int64)
    np.add.at(total, inverse.reshape(-1), np.clip(took, 0, None))
    found: dict[str, int] = defaultdict(int)
    for one, ns in zip(key.tolist(), total.tolist(), strict=True):
        number, at = divmod(one, size)
        name = waits[at] if at < len(waits) else shapes.labels[at - len(waits)]
        found[f"p{number}: {name}"] += ns // 1000
    return dict(found)
