# SPDX-License-Identifier: MIT
"""Anti-patterns of loops: the same call over and over, asking instead of waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from renacer_otel.analysis.assertions.finding import Finding, Rule, of_call, often, severity
from renacer_otel.analysis.assertions.rules_io import READS, WRITES
from renacer_otel.analysis.assertions.subject import groups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from renacer_otel.analysis.assertions.subject import Subject

_LOOP_LIMIT = 1000
_LONGEST_CYCLE = 3
_PROGRESS = 4096  # bytes a call: a loop that moves so much is a transfer
_MOVES = (*READS, *WRITES, "sendto", "recvfrom", "sendfile", "sendfile64", "splice",
          "copy_file_range")  # fmt: skip
_POLLS = ("poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "epoll_pwait2")
_POLL_LIMIT = 500
_EAGAIN = -11
_EAGAIN_LIMIT = 100
_GIVES_WAY = ("sched_yield",)


def _runs(same: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """(starts, ends) of the stretches of True."""
    edges = np.diff(np.concatenate([[False], same, [False]]).astype(np.int8))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)


def tight_loop(subject: Subject) -> Iterator[Finding]:
    """One thread makes the same call, or the same two or three in turn, and nothing else.

    A loop that moves 4 KiB or more a call is a transfer and no tight loop.
    """
    order = subject.by_thread
    codes, threads = subject.codes[order], subject.calls["thread"][order]
    moves = subject.named(_MOVES)[order] & (subject.result[order] > 0)
    moved = np.concatenate([[0], np.cumsum(np.where(moves, subject.result[order], 0))])
    covered = np.zeros(len(order), bool)
    for cycle in range(1, _LONGEST_CYCLE + 1):
        if len(order) <= cycle:
            return
        same = (codes[cycle:] == codes[:-cycle]) & (threads[cycle:] == threads[:-cycle])
        starts, ends = _runs(same)
        many = ends - starts + cycle > _LOOP_LIMIT / 10  # of less nothing shows
        for start, end in zip(starts[many].tolist(), ends[many].tolist(), strict=True):
            count = end - start + cycle
            level = severity(count, _LOOP_LIMIT)
            bytes_moved = int(moved[start + count] - moved[start])
            if level <= 0 or bytes_moved >= _PROGRESS * count or covered[start:end].all():
                continue
            covered[start : start + count] = True
            row = order[start]
            names = [subject.names[code] for code in codes[start : start + cycle]]
            yield of_call(
                subject, level, row, f"made {count:,} calls in a row of {', '.join(names)},"
                f" {bytes_moved / count:,.0f} bytes a call",
            )  # fmt: skip


def busy_polling(subject: Subject) -> Iterator[Finding]:
    """One process asks again and again, without waiting, whether something is ready: it is not."""
    asked = (subject.polls != 0) & subject.succeeded & (subject.result == 0)
    rows = np.flatnonzero(asked)
    firsts, counts, _ = groups(rows, subject.process)
    for at, count, level in often(counts, _POLL_LIMIT):
        name = subject.names[subject.codes[firsts[at]]]
        what = f"asked {count:,} times by {name} without waiting, and nothing was ready"
        yield of_call(subject, level, firsts[at], what)


def eagain_spin(subject: Subject) -> Iterator[Finding]:
    """One thread tries the same call on the same descriptor in a row, and always gets EAGAIN."""
    order = subject.by_thread
    order = order[~subject.named(_GIVES_WAY)[order]]
    failed = subject.result[order] == _EAGAIN
    alike = np.ones(max(len(order) - 1, 0), bool)
    for column in (subject.codes, subject.calls["thread"], subject.args[:, 0]):
        alike &= column[order][1:] == column[order][:-1]
    same = alike & failed[1:] & failed[:-1]
    starts, ends = _runs(same)
    for at, count, level in often(ends - starts + 1, _EAGAIN_LIMIT):
        row = order[starts[at]]
        name = subject.names[subject.codes[row]]
        what = f"tried {name} {count:,} times in a row: EAGAIN each time"
        yield of_call(subject, level, row, what)


RULES = {
    "TightLoop": Rule(tight_loop, "do more by each call: larger buffers, readv, sendmmsg",
                      needs=("processes",)),
    "BusyPolling": Rule(busy_polling, "wait by a timeout, or without one", _POLLS,
                        ("processes", "arguments")),
    "EagainSpin": Rule(eagain_spin, "wait by poll or epoll until it is ready",
                       needs=("processes",)),
}  # fmt: skip
