# SPDX-License-Identifier: MIT
"""Where in files bytes are written, and what the kernel is told to move from where.

A write's place is known where the call says it (pwrite64), or where its descriptor was opened by
the process that writes, or inherited, and moved there by lseek. What goes on from where the last
one ended has no place of its own: that is how streams are written.
"""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from renacer_otel.analysis.golden import contents, rules
from renacer_otel.spans import grouping, replay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from renacer_otel.analysis.golden.shapes import Called, Shapes
    from renacer_otel.spans.replay import Replay

#: Of a Stream: its places are not the same in all runs, or were not told.
VARIES = "?"
_ANY_ORDER = "~"
_APART = "#"  # messages: their lengths
_ON = -1  # from where the last one ended
_ODD = np.uint64(0x9E3779B97F4A7C15)
_SAYS = frozenset("pwrite64 pwritev pwritev2".split())
_MOVES = frozenset("read readv write writev pwritev2 sendfile sendfile64".split())
_COPIES = frozenset("dup dup2 dup3".split())
_FCNTL = frozenset("fcntl fcntl64".split())
_F_DUPFD, _F_DUPFD_CLOEXEC = 0, 1030
_ENDS = frozenset({"close", "_llseek"})
_I386 = 2
_SEEK_SET, _SEEK_CUR, _SEEK_END = 0, 1, 2
_NUMBER = re.compile(rb"\[([0-9]{1,19})\b")


class Places:
    """Of each call of a run: `at`: the byte that it writes from, or _ON; `origin`: what the kernel
    took it from, as a number (0: from memory) and `origin_at`: from which byte, or _ON."""

    def __init__(self, run: Replay, shapes: Shapes, called: Called) -> None:
        assert run.details is not None
        self._run, self._details = run, run.details
        self._codes, self._names = called
        self._words = shapes.words
        count = len(run.calls)
        self.at = np.full(count, _ON, np.int64)
        self.origin, self.origin_at = np.zeros(count, np.int64), np.full(count, _ON, np.int64)
        self._unplaced = np.zeros(0, np.int64)
        self._said()
        self._moved()
        self._taken(shapes)
        self._messages = shapes.messages >= 0

    def of_rows(self, rows: NDArray[np.int64], *, ordered: bool) -> str:
        """The places of what these calls write to one stream; "" or "~": none of their own.

        `ordered`: they are of one thread, whose choice their order is; else "~" and a sum. Of
        messages it is where each ends.
        """
        if len(rows) and self._messages[rows].all():
            return self._of_messages(rows, ordered=ordered)
        if not ordered:
            rows = rows[(self.at[rows] != _ON) & (self.origin[rows] == 0)]
            if not len(rows):
                return _ANY_ORDER
            bytes_of = self._run.calls["result"][rows].astype(np.uint64)
            with np.errstate(over="ignore"):
                mixed = (self.at[rows].astype(np.uint64) * _ODD ^ bytes_of) * _ODD
                mixed ^= mixed >> np.uint64(29)
                return f"{_ANY_ORDER}{int((mixed * _ODD).sum(dtype=np.uint64)):016x}"
        rows = rows[np.argsort(self._run.calls["seq"][rows], kind="stable")]
        at, origin, taken = self.at[rows], self.origin[rows], self.origin_at[rows]
        if (at == _ON).all() and not origin.any():
            return ""
        length: NDArray[np.int64] = self._run.calls["result"][rows]
        new = np.ones(len(rows), bool)
        new[1:] = (origin[1:] != origin[:-1]) | ~_goes_on(at, length) | ~_goes_on(taken, length)
        first = np.flatnonzero(new)
        parts = np.stack(
            [at[first], origin[first], taken[first], np.add.reduceat(length, first)]
        ).astype("<i8")
        return hashlib.sha256(parts.tobytes()).hexdigest()[:16]

    def _of_messages(self, rows: NDArray[np.int64], *, ordered: bool) -> str:
        lengths = contents.lengths(self._run, rows)
        lengths = lengths[np.argsort(self._run.calls["seq"][rows], kind="stable")]
        if not ordered:
            lengths = np.sort(lengths)
        told = hashlib.sha256(lengths.astype("<i8").tobytes()).hexdigest()[:16]
        return f"{'' if ordered else _ANY_ORDER}{_APART}{told}"

    def _named(self, names: frozenset[str]) -> NDArray[np.bool_]:
        table = np.array([name in names for name in self._names], bool)
        return table[self._codes] if len(table) else np.zeros(0, bool)

    def _said(self) -> None:
        rows = np.flatnonzero(self._named(_SAYS))
        args = self._details.rows["args"][rows]
        low = args[:, 3].astype(np.int64)
        halves = (args[:, 3] & 0xFFFFFFFF | args[:, 4] << np.uint64(32)).astype(np.int64)
        at = np.where(self._run.calls["abi"][rows] == _I386, halves, low)
        self.at[rows] = np.where(at < 0, _ON, at)  # pwritev2: -1 = where it stands

    def _moved(self) -> None:
        """Places of writes behind an lseek that has moved something."""
        calls = self._run.calls
        good = calls["result"] >= 0
        seeks = self._named(frozenset({"lseek"})) & good
        if not seeks.any():
            return
        opens = self._named(rules.OPENS) & good
        copies = self._copies() & good
        moves = self._named(_MOVES) & good & (self.at == _ON)
        rows = np.flatnonzero(seeks | opens | copies | moves | self._named(_ENDS))
        sole = self._soles(seeks & ~self._stays(), moves, opens)
        rows, opened = self._by_description(rows, opens | copies, copies, seeks | moves)
        kept = (seeks | moves)[rows] | (rows == opened)
        rows, opened = rows[kept], opened[kept]
        if not len(rows):
            return
        seek, move = seeks[rows], moves[rows]
        bound = np.append(True, opened[1:] != opened[:-1])
        # Others may move what was not opened here.
        tracked = (opens & ~self._appends())[opened]
        base = np.where(seek, calls["result"][rows], 0)
        step = np.where(move, calls["result"][rows], 0)
        total = np.cumsum(step) - step  # before each
        anchor = _last(bound | seek)
        former = np.append(0, anchor[:-1])
        # Where a seek finds itself already, it is as if it had not been.
        stays = seek & tracked & (base[former] + total - total[former] == base)
        stays |= self._stays()[rows] & ~tracked
        by = _last(bound | (seek & ~stays))
        placed = move & tracked & seek[by]
        # What was inherited is known where no other process can have moved it meanwhile.
        whence = self._details.rows["args"][rows, 2] & np.uint64(0xFFFFFFFF)
        given = move & ~opens[opened] & seek[by] & ~stays[by] & (whence[by] != _SEEK_END)
        known = given & sole[rows] & (whence[by] == _SEEK_SET)
        self._unplaced = rows[given & ~known & self._named(rules.WRITES)[rows]]
        placed |= known
        self.at[rows[placed]] = (base[anchor] + total - total[anchor])[placed]

    def _stays(self) -> NDArray[np.bool_]:
        """Calls of lseek that only ask."""
        args = self._details.rows["args"]
        whence = args[:, 2] & np.uint64(0xFFFFFFFF)
        asks = (args[:, 1] == 0) & (whence == _SEEK_CUR)
        found: NDArray[np.bool_] = self._named(frozenset({"lseek"})) & asks
        return found

    def _soles(
        self, seeks: NDArray[np.bool_], moves: NDArray[np.bool_], opens: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Calls on a file that was opened in the run, not to append, made by the only process that
        uses it beside those that opened it, with nobody else's among or beside them."""
        calls, objects = self._run.calls, self._details.rows["object"]
        sole = np.zeros(len(calls), bool)
        process = self._run.threads["ordinal"][calls["thread"]]
        of_interest = np.isin(objects, np.intersect1d(objects[opens], objects[seeks]))
        rows = np.flatnonzero((seeks | moves) & of_interest & (objects != 0))
        rows = rows[np.lexsort((calls["seq"][rows], objects[rows]))]
        if not len(rows):
            return sole
        appends = objects[opens & self._appends()]
        makers = set(zip(objects[opens].tolist(), process[opens].tolist(), strict=True))
        bounds = np.flatnonzero(np.append(True, np.diff(objects[rows]) != 0)).tolist()
        for first, end in zip(bounds, [*bounds[1:], len(rows)], strict=True):
            mine = rows[first:end]
            who, thing = process[mine], int(objects[mine[0]])
            others = [one for one in np.unique(who).tolist() if (thing, one) not in makers]
            if len(others) != 1 or thing in appends:
                continue
            at = np.flatnonzero(who == others[0])
            start, stop = int(at[0]), int(at[-1]) + 1
            alone = stop - start == len(at)
            alone &= not (calls["end"][mine[:start]] > calls["seq"][mine[start]]).any()
            alone &= not (calls["seq"][mine[stop:]] < calls["end"][mine[stop - 1]]).any()
            sole[mine[at]] = alone
        return sole

    def unplaced(self) -> list[str]:
        """Files that were written in places that are not known, by descriptors of others."""
        texts = np.unique(self._details.rows["path"][self._unplaced])
        return sorted({self._words(os.fsdecode(self._details.text(int(one)))) for one in texts})

    def _copies(self) -> NDArray[np.bool_]:
        """Calls that make another descriptor of what one has opened."""
        how = self._details.rows["args"][:, 1] & np.uint64(0xFFFFFFFF)
        by_fcntl = self._named(_FCNTL) & ((how == _F_DUPFD) | (how == _F_DUPFD_CLOEXEC))
        found: NDArray[np.bool_] = self._named(_COPIES) | by_fcntl
        return found

    def _by_description(
        self, rows: NDArray[np.int64], makes: NDArray[np.bool_], copies: NDArray[np.bool_],
        uses: NDArray[np.bool_],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # fmt: skip
        """Rows by what was opened (not by its descriptors), in order; and of each the row that
        opened it, or the first of which that is not known."""
        calls, count = self._run.calls, len(rows)
        _, process = grouping.indexed(self._run.threads["ordinal"][calls["thread"][rows]])
        fd = np.where(makes, calls["result"], self._details.rows["fd"])[rows]
        moment = np.zeros(count, np.int64)
        moment[np.argsort(calls["seq"][rows], kind="stable")] = np.arange(count)
        order = np.lexsort((moment, fd, process))
        rows, process, fd, moment = rows[order], process[order], fd[order], moment[order]
        new = np.append(True, (fd[1:] != fd[:-1]) | (process[1:] != process[:-1]))
        # What a descriptor means from here on, as the place of a row.
        means = _last(new | ~uses[rows])
        here = np.flatnonzero(copies[rows])
        source = self._details.rows["args"][rows[here], 0].astype(np.int32).astype(np.int64)
        first = np.flatnonzero(new)
        table = (process[first].astype(np.int64) << 32) + fd[first]
        wanted = (process[here].astype(np.int64) << 32) + source
        group = np.minimum(np.searchsorted(table, wanted), len(table) - 1)
        of_group = np.cumsum(new) - 1
        before = np.searchsorted(of_group * count + moment, group * count + moment[here]) - 1
        known = (table[group] == wanted) & (before >= first[group])
        to = np.arange(count)
        to[here[known]] = means[before[known]]
        while (further := to[to] != to).any():
            to[further] = to[to[further]]
        opened = to[means]
        order = np.lexsort((moment, opened))
        return rows[order], rows[opened[order]]

    def _appends(self) -> NDArray[np.bool_]:
        shown = self._details.shown
        if shown is None:
            return np.zeros(len(self._codes), bool)
        texts, index = grouping.indexed(shown["text"])
        table = np.array([b"O_APPEND" in self._details.text(int(text)) for text in texts], bool)
        found: NDArray[np.bool_] = table[index]
        return found

    def _taken(self, shapes: Shapes) -> None:
        """What sendfile and its like move, and from where."""
        rows = np.flatnonzero(shapes.origin >= 0)
        if not len(rows):
            return
        labels, index = grouping.indexed(shapes.origin[rows])
        numbers = [1 + zlib.crc32(shapes.labels[label].encode()) for label in labels.tolist()]
        self.origin[rows] = np.array(numbers, np.int64)[index]
        shown = self._details.shown
        if shown is None:
            return
        texts, index = grouping.indexed(shown["text"][rows])
        told = [_offsets(self._details.text(int(text))) for text in texts]
        pairs = np.array(told, np.int64)[index]
        to_second = self._named(rules.TO_THE_SECOND)[rows]
        self.origin_at[rows] = pairs[:, 0]
        self.at[rows[to_second]] = pairs[to_second, 1]


def _offsets(text: bytes) -> tuple[int, int]:
    """Of the words of a call: its two offsets in memory; the second: of the fourth argument."""
    words = text.split(b"\x1f")
    found = [_ON, _ON]
    for at, word in enumerate(words):
        if (match := _NUMBER.match(word)) is not None:
            found[at > 2] = min(int(match[1]), 1 << 62)
    return found[0], found[1]


def _goes_on(at: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Of each but the first: whether it begins where the one before it ended."""
    behind = np.where(at[:-1] == _ON, _ON, at[:-1] + length[:-1])
    found: NDArray[np.bool_] = at[1:] == behind
    return found


def _last(marks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Of each row the last marked one up to it; the first is marked."""
    found: NDArray[np.int64] = np.maximum.accumulate(np.where(marks, np.arange(len(marks)), 0))
    return found


def joined(first: str, second: str) -> str:
    """Of two runs."""
    return first if first == second else VARIES


def differ(expected: str, now: str) -> bool:
    """Whether a run's places are certainly others."""
    one_alone = expected.startswith(_ANY_ORDER) != now.startswith(_ANY_ORDER)
    one_alone |= are_messages(expected) != are_messages(now)
    return expected != now and not one_alone and VARIES not in (expected, now)


def are_messages(places: str) -> bool:
    """Whether they tell where messages end."""
    return _APART in places


def kernel_moved(run: Replay, names: Sequence[str], codes: NDArray[Any]) -> list[str]:
    """The names of calls that moved data whose content nobody has seen."""
    assert run.details is not None
    unseen = run.details.rows["content"] == replay.CONTENT_UNSEEN
    return sorted({names[code] for code in np.unique(codes[unseen]).tolist()} & rules.WRITES)
