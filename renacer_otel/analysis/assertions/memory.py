# SPDX-License-Identifier: MIT
"""What processes had allocated at most: private memory that they asked the kernel for.

Counted are anonymous private mappings that may be used (not PROT_NONE), from mmap until munmap, a
mapping over them, mprotect to PROT_NONE or the end of the program, and what brk added. Mapped
files, shared memory, and the stack that a program starts with are not allocations.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from renacer_otel.analysis.causality.history import EXEC, START, view
from renacer_otel.spans import replay

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from renacer_otel.analysis.assertions.subject import Subject

#: Those that it takes, of a machine's own programs.
CALLS = ("mmap", "munmap", "mremap", "mprotect", "brk")
#: Of one process at once; more take a time that grows with their square.
MOST_MAPPINGS = 100_000
_PAGE = 4096
_ANONYMOUS, _PRIVATE, _FIXED, _PROT_ANY = 0x20, 0x02, 0x10, 0x7
_MREMAP_DONTUNMAP = 4
_MMAP, _MUNMAP, _MREMAP, _MPROTECT, _BRK, _EXEC, _START, _PASSING = range(8)
_KINDS = {"mmap": _MMAP, "mmap2": _MMAP, "munmap": _MUNMAP, "mremap": _MREMAP,
          "mprotect": _MPROTECT, "brk": _BRK}  # fmt: skip


class TooMany(Exception):  # noqa: N818
    """A process has more mappings at once than are followed; the kernel's own limit is 65,530."""


class Peak(NamedTuple):
    """Of a process: bytes, the heap's part of them (brk), and the number of the event."""

    process: int  # ordinal
    total: int
    heap: int
    event: int


class _Space:
    """An address space: known mappings, [start, end) by start; `usable` of those that count."""

    def __init__(self, heap: int = 0) -> None:
        self.starts: list[int] = []
        self.ends: dict[int, int] = {}
        self.usable: dict[int, bool] = {}
        self.total = 0
        self.base = self.top = heap  # of the heap; 0 = not known

    def cut(self, start: int, end: int) -> list[tuple[int, int, bool]]:
        """Takes out what lies in a range, and returns it."""
        taken = []
        at = bisect_right(self.starts, start) - 1
        if at < 0 or self.ends[self.starts[at]] <= start:
            at += 1
        while at < len(self.starts) and self.starts[at] < end:
            low = self.starts[at]
            high, usable = self.ends.pop(low), self.usable.pop(low)
            del self.starts[at]
            self.total -= (high - low) * usable
            for left, right in ((low, min(high, start)), (max(low, end), high)):
                if left < right:
                    self.put(left, right, usable)
            taken.append((max(low, start), min(high, end), usable))
            at = bisect_left(self.starts, max(low, start))
        return taken

    def put(self, start: int, end: int, usable: bool) -> None:
        """Adds a range, where nothing is."""
        if start >= end:
            return
        if len(self.starts) >= MOST_MAPPINGS:
            raise TooMany
        insort(self.starts, start)
        self.ends[start], self.usable[start] = end, usable
        self.total += (end - start) * usable


def peaks(subject: Subject) -> list[Peak]:
    """Of each process that allocated; the greatest first. Raises TooMany."""
    calls = subject.calls
    kinds = np.full(len(subject.names), -1, np.int8)
    for code, name in enumerate(subject.names):
        kinds[code] = _KINDS.get(name, -1)
    kind_of = kinds[subject.codes] if len(kinds) else np.zeros(0, np.int8)
    rows = np.flatnonzero((kind_of >= 0) & subject.succeeded)
    events, threads = subject.run.events, subject.run.threads
    others = np.flatnonzero((events["kind"] == EXEC) | (events["kind"] == START))
    of_event = events["thread"][others]
    numbers = np.concatenate([calls["end"][rows], events["seq"][others]])
    what_else = np.where(events["kind"][others] == EXEC, _EXEC, _START).astype(np.int8)
    kind = np.concatenate([kind_of[rows], what_else])
    owner = np.concatenate([subject.process[rows], threads["ordinal"][of_event]])
    order = np.argsort(numbers, kind="stable")
    if subject.run.is_whole:
        order = _without_pairs(subject, rows, order, kind, owner)
    args = [view(subject.args[:, at][rows]) for at in range(4)]
    results = view(subject.result[rows].astype(np.uint64))
    # Of a call its place among the calls, of an event its thread.
    where = view(np.concatenate([np.arange(len(rows)), of_event])[order])
    makers, owners = view(threads["maker"]), view(threads["ordinal"])
    spaces: dict[int, _Space] = {}
    best: dict[int, tuple[int, int, int]] = {}
    for what, who, at, number in zip(
        view(kind[order]), view(owner[order]), where, view(numbers[order]), strict=True
    ):
        if what == _EXEC:
            spaces[who] = _Space()
            continue
        if what == _START:
            maker = makers[at]
            former = spaces.get(owners[maker]) if maker != replay.NO_THREAD else None
            if former is not None and who not in spaces:
                # What it shares is its parent's; what it adds to the heap is its own.
                spaces[who] = _Space(former.top)
            continue
        space = spaces.get(who)
        if space is None:
            space = spaces[who] = _Space()
        total = 0
        if what == _PASSING:
            total = _whole(args[1][at])
        else:
            _apply(space, what, [column[at] for column in args], results[at])
        heap = space.top - space.base
        total += space.total + heap
        if total > best.get(who, (0,))[0]:
            best[who] = (total, heap, number)
    found = [Peak(who, *values) for who, values in best.items()]
    return sorted(found, key=lambda peak: -peak.total)


def _without_pairs(
    subject: Subject,
    rows: NDArray[np.int64],
    order: NDArray[np.int64],
    kind: NDArray[np.int8],
    owner: NDArray[np.uint64],
) -> NDArray[np.int64]:
    """The order without mappings that the process gives back as a whole by its next call of these.

    They leave nothing changed, as the kernel maps where nothing is. Of those between two other
    calls of a process the greatest stays, as _PASSING.
    """
    place = np.argsort(owner[order], kind="stable")
    by = order[place]
    call = np.minimum(by, len(rows) - 1) if len(rows) else np.zeros(0, np.int64)
    if len(call) < 2:
        return order
    args, at = subject.args[rows[call]], subject.result[rows[call]].astype(np.uint64)
    own, usable = _ANONYMOUS | _PRIVATE, (args[:, 2] & np.uint64(_PROT_ANY)) != 0
    counts = usable & ((args[:, 3] & np.uint64(own)) == own)
    pair = (kind[by] == _MMAP) & (args[:, 3] & np.uint64(_FIXED) == 0)
    pair[-1] = False
    pair[:-1] &= (kind[by][1:] == _MUNMAP) & (owner[by][:-1] == owner[by][1:])
    pair[:-1] &= (at[:-1] == args[1:, 0]) & (args[:-1, 1] == args[1:, 1])
    stays = ~(pair | np.append(False, pair[:-1]))
    begins = stays.copy()
    begins[1:] |= owner[by][1:] != owner[by][:-1]
    between = np.cumsum(begins)
    passing = np.flatnonzero(pair & counts)
    pages = (args[passing, 1] + np.uint64(_PAGE - 1)) // np.uint64(_PAGE)
    passing = passing[np.lexsort((passing, ~pages, between[passing]))]
    first = np.ones(len(passing), bool)
    first[1:] = between[passing][1:] != between[passing][:-1]
    kind[by[passing[first]]] = _PASSING
    stays[passing[first]] = True
    kept = np.zeros(len(order), bool)
    kept[place[stays]] = True
    return order[kept]


def _whole(size: int) -> int:
    """Bytes of the pages that hold so many."""
    return -(-size // _PAGE) * _PAGE


def _apply(space: _Space, what: int, args: list[int], result: int) -> None:
    first, second, third, fourth = args
    size = _whole(second)
    if what == _MMAP:
        space.cut(result, result + size)
        if fourth & _ANONYMOUS and fourth & _PRIVATE:
            space.put(result, result + size, bool(third & _PROT_ANY))
    elif what == _MUNMAP:
        space.cut(first, first + size)
    elif what == _MPROTECT:
        for low, high, _ in space.cut(first, first + size):
            space.put(low, high, bool(third & _PROT_ANY))
    elif what == _BRK:
        if not space.base:
            space.base = space.top = result
        elif result >= space.base:
            space.top = result
    elif what == _MREMAP:
        known = space.cut(first, first + max(size, 1))
        target = _whole(third)
        if known and fourth & _MREMAP_DONTUNMAP:
            for low, high, usable in known:
                space.put(low, high, usable)
        if known:
            space.cut(result, result + target)
            space.put(result, result + target, known[0][2])
