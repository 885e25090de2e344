# SPDX-License-Identifier: MIT
"""Anti-patterns by the time that they take of the critical path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from renacer_otel.analysis.assertions.finding import Finding, Rule
from renacer_otel.analysis.assertions.subject import groups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renacer_otel.analysis.assertions.subject import Subject

_SLEEPS = ("nanosleep", "clock_nanosleep")
_GPU = (b"/dev/nvidia", b"/dev/dri/", b"/dev/kfd")
_FEWEST_PROCESSES = 3
_PATH = ("times", "durations", "processes", "causes")


def god_process(subject: Subject) -> Iterator[Finding]:
    """Of three processes or more, one does nearly all the work of the critical path itself."""
    if len(subject.run.processes) < _FEWEST_PROCESSES:
        return
    path = subject.critical_path
    work = {share.process: share.running + share.kernel for share in path.shares}
    total = sum(work.values())
    for process, time in work.items():
        if total:
            yield Finding(
                time / total,
                f"{subject.who(process)} does {100 * time / total:.0f} % of the work on the"
                f" critical path, {time / 1e6:,.1f} ms of {total / 1e6:,.1f}, of"
                f" {len(subject.run.processes):,} processes",
                process,
            )


def sleep_on_critical_path(subject: Subject) -> Iterator[Finding]:
    """A process sleeps, and the end of the command waits for it."""
    path = subject.critical_path
    for row in path.calls:
        if row.call in _SLEEPS and path.total:
            yield Finding(
                min(row.time / path.total, 1.0),
                f"{subject.who(row.process)} sleeps {row.time / 1e6:,.1f} ms of the"
                f" {path.total / 1e6:,.1f} ms of the critical path ({row.calls:,} calls of"
                f" {row.call})",
                row.process,
            )


def pcie_bottleneck(subject: Subject) -> Iterator[Finding]:
    """A process spends its time in ioctls of a GPU's device, where transfers are waited for."""
    rows = np.flatnonzero(subject.named(("ioctl",)) & (subject.path != 0) & subject.succeeded)
    known = np.unique(subject.path[rows]).tolist()
    gpus = [text for text in known if subject.bytes_of(text).startswith(_GPU)]
    rows = rows[np.isin(subject.path[rows], gpus)]
    firsts, counts, group = groups(rows, subject.process)
    spent = (subject.calls["t1"] - subject.calls["t0"])[rows]
    times = np.bincount(group, spent, len(firsts))
    for first, count, time in zip(firsts.tolist(), counts.tolist(), times.tolist(), strict=True):
        ordinal = int(subject.process[first])
        process = subject.run.processes.get(ordinal)
        lived = process.t_end - process.t_start if process else 0
        if lived > 0:
            yield Finding(
                min(time / lived, 1.0),
                f"{subject.who(ordinal)} spent {time / 1e6:,.1f} ms of its {lived / 1e6:,.1f} in"
                f" {count:,} ioctls of {subject.words(subject.path[first])}",
                ordinal,
            )


RULES = {
    "GodProcess": Rule(god_process, "let the others do a part of it", needs=_PATH),
    "PcieBottleneck": Rule(
        pcie_bottleneck,
        "transfer more at once, and compute meanwhile",
        ("ioctl",),
        ("times", "durations", "processes", "objects"),
    ),
    "SleepOnCriticalPath": Rule(
        sleep_on_critical_path, "wait for what the sleep waits for", _SLEEPS, _PATH
    ),
}
