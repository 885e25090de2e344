# SPDX-License-Identifier: MIT
"""How long a run waited, and for what: off-CPU time by who waits and what for, of one trace."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from renacer_otel.analysis.golden import shapes, texts
from renacer_otel.errors import one_line
from renacer_otel.spans import replay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from renacer_otel.spans.replay import Replay

#: A wait for nobody else: told before others, as these may come of it.
ITS_OWN = "its own sleep"
#: What a call waits for, by its name; others do not wait.
KINDS = {
    ITS_OWN: ("nanosleep", "clock_nanosleep"),
    "a signal": ("pause", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigtimedwait_time64"),
    "files to be ready": (
        "select", "pselect6", "poll", "ppoll", "epoll_wait", "epoll_pwait", "epoll_pwait2",
    ),
    "the end of a child": ("wait4", "waitid", "waitpid"),
    "a lock": ("futex", "futex_wait", "futex_waitv", "flock", "semop", "semtimedop"),
    "a message": ("mq_timedreceive", "msgrcv", "io_getevents", "io_pgetevents", "io_uring_enter"),
    "the disk": ("fsync", "fdatasync", "sync", "syncfs", "msync", "sync_file_range"),
    "bytes": (
        "read", "readv", "pread64", "preadv", "preadv2", "recvfrom", "recvmsg", "recvmmsg",
        "write", "writev", "pwrite64", "pwritev", "pwritev2", "sendto", "sendmsg", "sendmmsg",
        "splice", "sendfile",
    ),
    "a connection": ("accept", "accept4", "connect"),
}  # fmt: skip
_NAMES = list(KINDS)
_BYTES, _CHILD = _NAMES.index("bytes"), _NAMES.index("the end of a child")
_KIND_OF = {name: index for index, names in enumerate(KINDS.values()) for name in names}
#: Waits that are the same wait of somebody else, seen from here: told after others.
SEEN_FROM_HERE = ("the end of ", "bytes from ")
_MOST_KEYS = 64
_LEAST_US = 200  # of a key; what is shorter says nothing
_EPHEMERAL = 32768


def of_run(run: Replay) -> dict[str, int]:
    """Microseconds waited, by "PROGRAM waits for WHAT"; the longest, no more than 64.

    Off each call goes what the tracer's own stop took of it: the shortest quarter of all calls
    is taken for that. A call that waits for more than one thing is counted by its descriptor.
    """
    calls = run.calls
    spent = np.maximum(calls["t1"].astype(np.int64) - calls["t0"].astype(np.int64), 0)
    spent[(calls["flags"] & replay.UNFINISHED) != 0] = 0
    if not len(spent):
        return {}
    codes, names = replay.call_names(calls)
    kinds = np.array([_KIND_OF.get(name, -1) for name in names], np.int64)[codes]
    spent -= least(run)
    rows = np.flatnonzero((kinds >= 0) & (spent > 0))
    if not len(rows):
        return {}
    programs, program = _programs(run)
    causes = _causes(run, program)[rows]
    path = peer = np.zeros(len(rows), np.uint32)
    if run.details is not None:
        path, peer = shapes.shown_of(run.details)["path"][rows], run.details.rows["peer"][rows]
    columns = np.stack(
        [program[calls["thread"][rows]], kinds[rows], path, peer, causes], axis=1
    ).astype(np.int64)
    groups, index = np.unique(columns, axis=0, return_inverse=True)
    sums = np.bincount(index.reshape(-1), weights=spent[rows].astype(np.float64)) / 1000
    found: dict[str, int] = {}
    for group, microseconds in zip(groups.tolist(), sums.tolist(), strict=True):
        key = _key(run, programs, group)
        found[key] = found.get(key, 0) + round(microseconds)
    longest = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:_MOST_KEYS]
    return {key: value for key, value in longest if value >= _LEAST_US}


def least(run: Replay) -> int:
    """What a call takes that does nothing, in ns: the tracer's stop is most of it."""
    calls = run.calls[(run.calls["flags"] & replay.UNFINISHED) == 0]
    if not len(calls):
        return 0
    spent = calls["t1"].astype(np.int64) - calls["t0"].astype(np.int64)
    return max(int(np.percentile(spent, 25)), 0)


def _programs(run: Replay) -> tuple[list[str], NDArray[np.int64]]:
    """(names of programs, the index of each thread's)."""
    ordinals = run.threads["ordinal"].tolist()
    names: dict[str, int] = {}
    of_thread = np.zeros(len(ordinals), np.int64)
    for row, ordinal in enumerate(ordinals):
        process = run.processes.get(ordinal)
        name = one_line(process.name, 60) if process else ""
        of_thread[row] = names.setdefault(name or "a process", len(names))
    return list(names), of_thread


def _causes(run: Replay, program: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whose doing ended each call: the index of its program, -1 where that is not known."""
    calls, edges = run.calls, run.edges
    found = np.full(len(calls), -1, np.int64)
    effects = _rows(calls["seq"], edges["effect"])
    causes = _rows(calls["seq"], edges["cause"])
    both = (effects >= 0) & (causes >= 0)
    found[effects[both]] = program[calls["thread"][causes[both]]]
    # The end of a process is an event, no call.
    ends = _rows(run.events["seq"], edges["cause"])
    both = (effects >= 0) & (ends >= 0)
    found[effects[both]] = program[run.events["thread"][ends[both]]]
    return found


def _rows(numbers: NDArray[Any], wanted: NDArray[Any]) -> NDArray[np.int64]:
    """The row of each wanted number, -1 where there is none."""
    if not len(numbers):
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(numbers, kind="stable")
    rows = order[np.minimum(np.searchsorted(numbers[order], wanted), len(order) - 1)]
    return np.where(numbers[rows] == wanted, rows, -1)


def _key(run: Replay, programs: list[str], group: list[int]) -> str:
    program, kind, path, peer, cause = group
    what = _NAMES[kind]
    details = run.details
    if kind == _CHILD and cause >= 0:
        what = f"the end of {programs[cause]}"
    elif details is not None and peer:
        where = "bytes" if kind == _BYTES else what
        what = f"{where} of {_peer(details.text(peer))}"
    elif kind == _BYTES and cause >= 0:
        what = f"bytes from {programs[cause]}"
    elif details is not None and path:
        what = f"{what} of {one_line(texts.printable(details.text(path)), 120)}"
    return f"{programs[program]} waits for {what}"


def _peer(text: bytes) -> str:
    """An address; a port that the kernel has chosen is of no meaning."""
    shown = one_line(texts.printable(text), 120)
    port = re.fullmatch(r"(.*):(\d{1,5})", shown)
    if port and int(port[2]) >= _EPHEMERAL:
        return f"{port[1]}:*"
    return shown


def by_kind(waits: Mapping[str, int]) -> dict[str, int]:
    """The same by program and kind of wait alone."""
    found: dict[str, int] = {}
    for key, value in waits.items():
        program, _, what = key.partition(" waits for ")
        kind = "the end of a child" if what.startswith("the end of ") else what
        kind = next((name for name in KINDS if kind.startswith(name)), kind)
        name = f"{program} waits for {kind}"
        found[name] = found.get(name, 0) + value
    return found


def is_of_disk(key: str) -> bool:
    """Whether a key is about a disk or a file on it."""
    what = key.partition(" waits for ")[2]
    return what.startswith(("the disk", "bytes of /"))
