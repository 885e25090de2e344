# SPDX-License-Identifier: MIT
"""Anti-patterns of too many: connections, processes, descriptors that nobody closes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from renacer_otel.analysis.assertions.finding import Finding, Rule, of_call, often, severity
from renacer_otel.analysis.assertions.rules_io import OPENS, storm
from renacer_otel.analysis.assertions.subject import groups
from renacer_otel.analysis.causality.history import EXEC
from renacer_otel.spans import replay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from renacer_otel.analysis.assertions.subject import Subject

_CONNECT_LIMIT = 50
_FORK_LIMIT = 100
_LEAK_LIMIT = 100
_FORKS = ("fork", "vfork", "clone", "clone3")
_MAKERS = (*OPENS, "socket", "accept", "accept4", "dup", "epoll_create", "epoll_create1",
           "eventfd", "eventfd2", "memfd_create", "timerfd_create", "pidfd_open")  # fmt: skip
_CLOSERS = ("close", "close_range", "dup2", "dup3")


def connection_storm(subject: Subject) -> Iterator[Finding]:
    """One process connects to the same address again and again, with or without success."""
    return storm(subject, subject.named(("connect",)), subject.peer, _CONNECT_LIMIT, "connected to")


def fork_storm(subject: Subject) -> Iterator[Finding]:
    """One process starts many others, which are processes and no threads."""
    pids = {process.ordinal: process.parent_pid for process in subject.run.processes.values()}
    makers = subject.run.threads["maker"]
    leaders = subject.run.threads["tid"] == subject.run.threads["pid"]
    made = makers[leaders & (makers != replay.NO_THREAD)]
    counts = Counter(subject.run.threads["ordinal"][made].tolist())
    for ordinal, count in counts.items():
        level = severity(count, _FORK_LIMIT)
        if level > 0 and ordinal in pids:
            what = f"{subject.who(ordinal)} started {count:,} processes"
            yield Finding(level, what, ordinal)


def fd_leak(subject: Subject) -> Iterator[Finding]:
    """One process makes descriptors that are never closed, up to its end or its next program."""
    made = subject.named(_MAKERS) & subject.succeeded & (subject.result >= 0)
    closed = subject.named(_CLOSERS) & subject.succeeded
    numbers = np.where(made, subject.result, subject.args[:, 0].astype(np.int64))
    copies = subject.named(("dup2", "dup3"))
    numbers = np.where(copies, subject.args[:, 1].astype(np.int64), numbers)
    since = _last_reset(subject)
    rows = np.flatnonzero(made | closed)
    rows = rows[subject.calls["seq"][rows] > since[rows]]
    if not len(rows):
        return
    # The last thing that was done to each number, in each process: made it, and left it?
    order = rows[np.argsort(subject.calls["end"][rows], kind="stable")]
    last, _, _ = groups(order[::-1], subject.process, numbers)
    left = last[made[last]]
    firsts, counts, group = groups(left, subject.process)
    for at, count, level in often(counts, _LEAK_LIMIT):
        codes = np.bincount(subject.codes[left[group == at]])
        name = subject.names[int(codes.argmax())]
        what = f"left {count:,} descriptors open, most of them made by {name}"
        yield of_call(subject, level, firsts[at], what)


def _last_reset(subject: Subject) -> NDArray[Any]:
    """For each call, the number of its process's last exec or close_range: 0 = none."""
    latest: dict[int, int] = {}
    events = subject.run.events
    execs = events[events["kind"] == EXEC]
    owners = subject.run.threads["ordinal"][execs["thread"]]
    ranges = np.flatnonzero(subject.named(("close_range",)))
    for owner, number in (
        *zip(owners.tolist(), execs["seq"].tolist(), strict=True),
        *zip(subject.process[ranges].tolist(), subject.calls["seq"][ranges].tolist(), strict=True),
    ):
        latest[owner] = max(latest.get(owner, 0), number)
    known = np.array(sorted(latest), np.uint64)
    values = np.array([latest[int(owner)] for owner in known], np.uint64)
    if not len(known):
        return np.zeros(len(subject.calls), np.uint64)
    at = np.minimum(np.searchsorted(known, subject.process), len(known) - 1)
    found: NDArray[Any] = np.where(known[at] == subject.process, values[at], np.uint64(0))
    return found


RULES = {
    "ConnectionStorm": Rule(connection_storm, "keep the connection, or a pool", ("connect",),
                            ("processes", "peers")),
    "ForkStorm": Rule(fork_storm, "do it in the process, or start some workers once", _FORKS,
                      ("processes",)),
    "FdLeak": Rule(fd_leak, "close each where it is no longer needed", (*_MAKERS, *_CLOSERS),
                   ("processes",)),
}  # fmt: skip
