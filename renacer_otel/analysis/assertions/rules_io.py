# SPDX-License-Identifier: MIT
"""Anti-patterns of files: too little at a time, the same again and again, too often to the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from renacer_otel.analysis.assertions.finding import Finding, Rule, of_call, often
from renacer_otel.analysis.assertions.subject import groups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from renacer_otel.analysis.assertions.subject import Mask, Subject

READS = ("read", "pread64", "readv", "preadv", "preadv2")
WRITES = ("write", "pwrite64", "writev", "pwritev", "pwritev2")
OPENS = ("open", "openat", "openat2", "creat")
STATS = (
    "stat", "stat64", "lstat", "lstat64", "oldstat", "oldlstat", "newfstatat", "fstatat64",
    "statx", "access", "faccessat", "faccessat2",
)  # fmt: skip
SYNCS = ("fsync", "fdatasync", "sync", "syncfs", "sync_file_range")
# Descriptors that are read in pieces of a few bytes by design.
_COUNTERS = ("eventfd", "eventfd2", "timerfd_create", "signalfd", "signalfd4", "inotify_init",
             "inotify_init1")  # fmt: skip
_AT_EMPTY_PATH = 0x1000
_TINY = 64  # bytes
_TINY_SHARE = 0.9
_TINY_LIMIT = 1000
_STAT_LIMIT = _OPEN_LIMIT = 100
_REREAD_LIMIT = 10
_SYNC_LIMIT = 100
_FILES, _PATHS = ("processes", "objects"), ("processes", "paths")
# Files whose content is made anew at each reading.
_MADE_ANEW = (b"/proc/", b"/sys/", b"/dev/")


def _tiny(subject: Subject, names: tuple[str, ...], verb: str) -> Iterator[Finding]:
    counters = subject.object[subject.named(_COUNTERS) & subject.succeeded]
    which = subject.named(names) & subject.succeeded & (subject.result > 0) & (subject.object != 0)
    rows = np.flatnonzero(which & ~np.isin(subject.object, counters))
    firsts, counts, group = groups(rows, subject.process, subject.object)
    tiny = np.bincount(group, subject.result[rows] <= _TINY, len(firsts))
    sums = np.bincount(group, subject.result[rows], len(firsts))
    for at, few, level in often(tiny, _TINY_LIMIT):
        if few < _TINY_SHARE * counts[at]:
            continue
        what = subject.words(subject.path[firsts[at]]) or "a pipe or socket"
        yield of_call(
            subject, level, firsts[at], f"{verb} {what} in {counts[at]:,} calls of"
            f" {sums[at] / counts[at]:.1f} bytes on average",
        )  # fmt: skip


def tiny_reads(subject: Subject) -> Iterator[Finding]:
    """Many reads of one object, nine in ten of them of 64 bytes or less."""
    return _tiny(subject, READS, "read")


def tiny_writes(subject: Subject) -> Iterator[Finding]:
    """Many writes to one object, nine in ten of them of 64 bytes or less."""
    return _tiny(subject, WRITES, "wrote")


def storm(
    subject: Subject, which: Mask, text: NDArray[Any], limit: int, verb: str
) -> Iterator[Finding]:
    """One process, one path or peer (a column of `subject`), many calls."""
    rows = np.flatnonzero(which & (text != 0))
    firsts, counts, _ = groups(rows, subject.process, text)
    for at, count, level in often(counts, limit):
        first = firsts[at]
        what = f"{verb} {subject.words(text[first])} {count:,} times"
        yield of_call(subject, level, first, what)


def stat_storm(subject: Subject) -> Iterator[Finding]:
    """Many looks at one path by one process, whether it is there or not."""
    flags = np.where(subject.named(("statx",)), subject.args[:, 2], subject.args[:, 3])
    of_descriptor = (flags & np.uint64(_AT_EMPTY_PATH)) != 0
    of_descriptor &= subject.named(("statx", "newfstatat", "fstatat64"))
    which = subject.named(STATS) & ~of_descriptor
    return storm(subject, which, subject.path, _STAT_LIMIT, "looked at")


def open_storm(subject: Subject) -> Iterator[Finding]:
    """Many opens of one path by one process, whether it is there or not."""
    return storm(subject, subject.named(OPENS), subject.path, _OPEN_LIMIT, "opened")


def reread_file(subject: Subject) -> Iterator[Finding]:
    """One process opens a file and reads from it, again and again; nobody writes to it."""
    read = subject.named(READS) & subject.succeeded & (subject.result > 0)
    rows = np.flatnonzero(read & (subject.object != 0) & (subject.path != 0))
    written = np.unique(subject.path[subject.named(WRITES) & subject.succeeded])
    rows = rows[~np.isin(subject.path[rows], written)]
    # Once for each time that it was opened.
    firsts, _, _ = groups(rows, subject.process, subject.object, subject.path)
    opened, counts, _ = groups(firsts, subject.process, subject.path)
    for at, count, level in often(counts, _REREAD_LIMIT):
        path = subject.path[opened[at]]
        if not subject.bytes_of(path).startswith(_MADE_ANEW):
            what = f"opened and read {subject.words(path)} {count:,} times"
            yield of_call(subject, level, opened[at], f"{what}, and nothing was written to it")


def fsync_storm(subject: Subject) -> Iterator[Finding]:
    """Many waits for the disk by one process."""
    rows = np.flatnonzero(subject.named(SYNCS) & subject.succeeded)
    firsts, counts, group = groups(rows, subject.process)
    spent = (subject.calls["t1"] - subject.calls["t0"])[rows]
    times = np.bincount(group, spent, len(firsts))
    for at, count, level in often(counts, _SYNC_LIMIT):
        name = subject.names[subject.codes[firsts[at]]]
        yield of_call(
            subject, level, firsts[at], f"waited for the disk {count:,} times ({name} and the"
            f" like), {times[at] / 1e6:,.1f} ms",
        )  # fmt: skip


RULES = {
    "TinyReads": Rule(tiny_reads, "read into a buffer of some KiB", READS, _FILES),
    "TinyWrites": Rule(tiny_writes, "collect in a buffer, or use writev", WRITES, _FILES),
    "StatStorm": Rule(stat_storm, "keep the answer, or watch the path by inotify", STATS, _PATHS),
    "OpenStorm": Rule(open_storm, "keep the file open, or what was read from it", OPENS, _PATHS),
    "RereadFile": Rule(reread_file, "keep what was read", (*READS, *OPENS), (*_FILES, "paths")),
    "FsyncStorm": Rule(fsync_storm, "write several changes, then sync once", SYNCS, ("processes",)),
}  # fmt: skip
