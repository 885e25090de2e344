# SPDX-License-Identifier: MIT
"""From calls to items: each distinct combination of call, words and object is looked at once."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from renacer_otel.analysis.golden import lookups, ports, rules
from renacer_otel.analysis.golden.model import OK, Argument, Item, Rank
from renacer_otel.analysis.golden.rules import Way
from renacer_otel.analysis.golden.texts import Words, cut, random_names, shown
from renacer_otel.spans import grouping, replay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from renacer_otel.spans.replay import Details, Replay

#: Distinct combinations that are told apart; those of more are their calls' names only.
MOST_SHAPES = 200_000
_KINDS = ("", "<other>", "<file>", "<pipe>", "<socket>", "<eventfd>", "<mqueue>", "<pidfd>",
          "<signalfd>")  # fmt: skip
_TO_ONESELF = [_KINDS.index(kind) for kind in ("<pipe>", "<eventfd>")]
STDIN = "<stdin>"
_STANDARD = (STDIN, "<stdout>", "<stderr>")
#: Flags that are part of what is sent, and which argument of a call they are in.
_FLAGS = {0x1: "MSG_OOB", 0x80: "MSG_EOR"}
_PRIORITY = 16  # in a word with flags: where that of a message in a queue begins
_FLAGS_AT = {"send": 3, "sendto": 3, "sendmsg": 2, "sendmmsg": 3}
#: replay.call_names(): an index for each call, and the names.
Called = tuple["NDArray[Any]", list[str]]
#: Of columns of details the marks that stand for them in a text.
_MARKS = {"path": "\x01", "other_path": "\x02"}
#: Modes of files that nobody else is to write, or see.
_FOR_ONE = ("0600", "0400", "0444")
_SOCKET = re.compile(r'sun_path="([^"]+)"')


@dataclass
class Shapes:
    """Of each call: `way` (rules.Way), `item` (index into `items`; -1 = none), `label`."""

    way: NDArray[np.int8]
    item: NDArray[np.int64]
    label: NDArray[np.int64]  # index into `labels`: what the call is about
    items: list[Item]
    labels: list[str]
    failed: NDArray[np.bool_]
    origin: NDArray[np.int64]  # of what the kernel moves: the label of where from; -1 = none
    #: How often a read or write counts: messages, for each of them; -1: it is a part of a stream.
    messages: NDArray[np.int64]
    counts: dict[str, int] = field(default_factory=dict)  # by rule
    cut: bool = False  # there were too many
    words: Words = field(default_factory=lambda: Words((), {}))


def shown_of(details: Details) -> NDArray[Any]:
    """What calls show; of a trace that has it not, nothing but what the details have."""
    if details.shown is not None:
        return details.shown
    nothing = np.zeros(len(details.rows), replay.SHOWN)
    nothing["other_fd"] = -1
    nothing["path"], nothing["other_path"] = details.rows["path"], details.rows["other_path"]
    return nothing


def _processes(run: Replay) -> frozenset[int] | None:
    """Numbers that mean somebody of this run; None: not known."""
    if "processes" in run.unknown or run.metadata.get("attached"):
        return None
    return frozenset({*run.threads["tid"].tolist(), *run.threads["pid"].tolist()})


class _Maker:
    """What making the shapes of a trace needs."""

    def __init__(
        self,
        run: Replay,
        details: Details,
        kept: frozenset[str],
        called: Called,
        places: Mapping[str, str],
    ) -> None:
        self.run, self.details, self.kept = run, details, kept
        self.calls, self.rows, self.shown = run.calls, details.rows, shown_of(details)
        self.codes, self.names = called
        self.texts = [shown(text) for text in details.all_texts()]
        self.texts[0] = ""
        flags, result = self.calls["flags"], self.calls["result"]
        self.failed = ((flags & replay.FAILED) != 0) & (result < 0) & (result >= -4095)
        self.error = np.where(self.failed, -result, 0)
        self.over = ((flags & replay.UNFINISHED) == 0) & (self.calls["end"] > 0)
        self.cut_short = (flags & replay.INTERRUPTED) != 0
        folders = {"folder": str(run.metadata.get("cwd") or ""), **places}
        self.words = Words(kept, self._made_alone(), folders, ports.chosen(run, called),
                           _processes(run), str(run.metadata.get("home") or ""))  # fmt: skip

    def per_name(self, values: list[int]) -> NDArray[Any]:
        """Of each call what there is of its name."""
        table = np.array(values, np.int64)
        return table[self.codes] if len(table) else np.zeros(0, np.int64)

    def _made_alone(self) -> dict[str, str]:
        """Names made with O_EXCL for their owner alone, or as such a folder; sockets in these."""
        opens = self.per_name([name in rules.OPENS or name in ("mkdir", "mkdirat")
                                for name in self.names])  # fmt: skip
        rows = np.flatnonzero(opens.astype(bool) & ~self.failed & self.over)
        if not len(rows):
            return {}
        first, _ = grouping.grouped(self.shown["text"][rows], self.rows["path"][rows])
        found = []
        for row in rows[first].tolist():
            words = self.texts[int(self.shown["text"][row])].split("\x1f")
            if words[-1] == "0700" or (words[-1] in _FOR_ONE and "O_EXCL" in words[-2]):
                found.append(self.texts[int(self.rows["path"][row])])
        folders = set(found)
        bound = self.per_name([name == "bind" for name in self.names]).astype(bool) & ~self.failed
        for text in np.unique(self.shown["text"][bound]).tolist():
            path = _SOCKET.search(self.texts[text])
            if path and path[1].rpartition("/")[0] in folders:
                found.append(path[1])
        return random_names(found)

    def labels(self) -> tuple[NDArray[np.int64], list[str]]:
        """What each call's descriptor leads to."""
        standard = self._standard()
        path = np.where(standard > 0, 0, self.shown["path"])
        peer = np.where((standard > 0) | (path > 0), 0, self.rows["peer"])
        kind = np.where((standard > 0) | (path > 0) | (peer > 0), 0, self.shown["kind"])
        index, inverse = grouping.grouped(path, peer, kind, standard)
        names: dict[str, int] = {}
        to = np.zeros(len(index), np.int64)
        for number, row in enumerate(index.tolist()):
            if standard[row]:
                name = _STANDARD[int(standard[row]) - 1]
            elif path[row]:
                name = self.words.of_path(self.texts[int(path[row])])
            elif peer[row]:
                name = "peer " + self.words(self.texts[int(peer[row])])
            else:
                name = _KINDS[min(int(kind[row]), len(_KINDS) - 1)]
            to[number] = names.setdefault(name, len(names))
        return to[inverse], list(names)

    def _standard(self) -> NDArray[np.int64]:
        """Of each call which of the streams that the command began with it is about: 1 to 3.

        A stream is what it is under whatever number. Where several are one object (a terminal), it
        is the one of that number, else the one that is for what the call does.
        """
        had, fd = self.shown["standard"], self.rows["fd"]
        reads = self.per_name([name in rules.READS for name in self.names]).astype(bool)
        found = _first_of(had, np.where(reads, 0, 1))
        same = (fd >= 0) & (fd <= 2) & (had >> np.clip(fd, 0, 2) & 1 == 1)
        # A file may be opened once more, by its name.
        opens = self.per_name([name in rules.OPENS for name in self.names]).astype(bool)
        again = np.isin(self.rows["object"], np.unique(self.rows["object"][opens & ~self.failed]))
        found = np.where(again & (self.shown["kind"] == _KINDS.index("<file>")), 0, found)
        return np.where(opens, 0, np.where(same, fd + 1, found))

    def seconds(self) -> tuple[NDArray[np.int64], list[str]]:
        """What the second descriptor leads to, where it is the one that is written to."""
        standard = _first_of(self.shown["other_standard"], np.ones(len(self.shown), np.int64))
        index, inverse = grouping.grouped(self.shown["other"], standard)
        names = [
            _STANDARD[int(standard[row]) - 1] if standard[row]
            else self.words.of_path(self.texts[int(self.shown["other"][row])]) or "<other>"
            for row in index.tolist()
        ]  # fmt: skip
        return inverse, names

    def sends(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of each call the flags of _FLAGS that it sends with, and what it passes on (a text)."""
        found = np.zeros(len(self.calls), np.int64)
        for at in (2, 3):
            named = self.per_name([_FLAGS_AT.get(name) == at for name in self.names]).astype(bool)
            given = self.rows["args"][:, at].astype(np.int64)
            found = np.where(named, given & sum(_FLAGS), found)
        queues = self.per_name([name.startswith("mq_timedsend") for name in self.names])
        priority = (self.rows["args"][:, 3] & np.uint64(0xFFFF)).astype(np.int64)
        found = np.where(queues.astype(bool), priority << _PRIORITY, found)
        return found, self.shown["passed"].astype(np.int64)

    def messages(
        self, way: NDArray[np.int8], flags: NDArray[np.int64], passed: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Shapes.messages."""
        several = self.per_name([name == "sendmmsg" for name in self.names]).astype(bool)
        times = np.where(several, np.clip(self.calls["result"], 1, None), 1)
        apart = (self.shown["messages"] != 0) | (flags != 0) | (passed != 0)
        return np.where(apart & (way == Way.WRITE), times, -1)

    def sent(self, item: Item, flags: int, passed: int) -> Item:
        """The item of something that is written, with what goes along."""
        more = [name for bit, name in _FLAGS.items() if flags & bit]
        if flags >> _PRIORITY:
            more.append(f"priority {flags >> _PRIORITY}")
        for one in self.texts[passed].split(";")[:-1]:
            kind, standard, text = (int(number) for number in one.split(","))
            name = self.words.of_path(self.texts[text])
            if standard:
                bits = np.array([standard], np.int64)
                name = _STANDARD[int(_first_of(bits, np.ones(1, np.int64))[0]) - 1]
            more.append(
                f"descriptor of {name or _KINDS[min(kind, len(_KINDS) - 1)] or '<unknown>'}"
            )
        if not more:
            return item
        arguments = (*item.arguments, *(Argument("text", word) for word in more))
        return Item(item.call, arguments, item.result, item.rank)

    def to_oneself(self) -> NDArray[np.bool_]:
        """Reads and writes of pipes and eventfds that one process alone uses, in both ways."""
        kinds = [(name in rules.READS) + 2 * (name in rules.WRITES) for name in self.names]
        way, thing = self.per_name(kinds), self.rows["object"]
        rows = np.flatnonzero(
            (way > 0) & (thing != 0) & np.isin(self.shown["kind"], _TO_ONESELF)
        )  # fmt: skip
        things, at = grouping.indexed(thing[rows])
        process = self.run.threads["ordinal"][self.calls["thread"][rows]]
        first = np.zeros(len(things), process.dtype)
        first[at] = process
        passed_on = self.per_name([name in rules.TO_THE_SECOND for name in self.names])[rows] != 0
        others = (process != first[at]) | (self.shown["foreign"][rows] != 0) | passed_on
        own = np.ones(len(things), bool)
        own[at[others]] = False
        for one in (1, 2):
            met = np.zeros(len(things), bool)
            met[at[way[rows] == one]] = True
            own &= met
        found = np.zeros(len(self.calls), bool)
        found[rows] = own[at]
        return found

    def _mask_looks(self) -> list[int]:
        """Pairs of umask() of which the second sets what the first had found."""
        rows = np.flatnonzero(self.per_name([name == "umask" for name in self.names]) & self.over)
        thread, result = self.calls["thread"], self.calls["result"]
        rows = rows[np.lexsort((self.calls["seq"][rows], thread[rows]))]
        mask = self.rows["args"][rows, 0]
        found: list[int] = []
        at = 0
        while at + 1 < len(rows):
            first, second = int(rows[at]), int(rows[at + 1])
            if thread[first] == thread[second] and int(mask[at + 1]) == int(result[first]):
                found += (first, second)
                at += 1
            at += 1
        return found

    def _asks_for_terminals(self) -> NDArray[np.bool_]:
        """isatty() of what is none: make gives one job its standard input, others a pipe."""
        asks = self.per_name([name == "ioctl" for name in self.names]).astype(bool)
        asks &= self.error == errno.ENOTTY
        texts, index = grouping.indexed(self.shown["text"][asks])
        words = [self.texts[int(text)].split("\x1f") for text in texts]
        found = [len(word) > 1 and word[1] in rules.TERMINAL for word in words]
        asks[asks] = np.array(found, bool)[index] if found else False
        return asks

    def _looks_above(self) -> NDArray[np.bool_]:
        """Looks at the folders that the run's own is in: where it lies is not the command's."""
        where = str(self.run.metadata.get("cwd") or "")
        above = {where[:at] or "/" for at, char in enumerate(where) if char == "/"} - {where}
        found = [at for at, text in enumerate(self.texts) if text in above]
        looks = self.per_name([name in rules.LOOKS for name in self.names]).astype(bool)
        return looks & np.isin(self.shown["path"], found)

    def ways(self) -> tuple[NDArray[np.int8], dict[str, int]]:
        """By the names of calls, and by how they ended."""
        counts: dict[str, int] = {}
        table: list[int] = []
        for name in self.names:
            rule = rules.LEFT_OUT.get(name)
            if name in rules.READS or name in rules.WRITES:
                passes = Way.READ if name in rules.READS else Way.WRITE
                table.append(Way.ITEM if "transfers" in self.kept else passes)
            else:
                out = rule is not None and rule not in self.kept
                table.append(Way.LEFT_OUT if out else Way.ITEM)
        way = self.per_name(list(table)).astype(np.int8)
        names = np.bincount(self.codes, minlength=len(self.names))
        for name, times, one in zip(self.names, names.tolist(), table, strict=True):
            if one == Way.LEFT_OUT:
                rule = rules.LEFT_OUT[name]
                counts[rule] = counts.get(rule, 0) + times
            elif one != Way.ITEM:
                counts["transfers"] = counts.get("transfers", 0) + times
        if "identities" not in self.kept and (looks := self._mask_looks()):
            counts["identities"] = counts.get("identities", 0) + len(looks)
            way[looks] = Way.LEFT_OUT
        if "identities" not in self.kept:
            asks = self._asks_for_terminals() & (way == Way.ITEM)
            counts["identities"] = counts.get("identities", 0) + int(asks.sum())
            way[asks] = Way.LEFT_OUT
        way[~self.over & (way != Way.LEFT_OUT)] = Way.LEFT_OUT
        if "retries" not in self.kept:
            numbers = [number for number in range(1, 4096)
                       if replay.error_name(number) in rules.RETRIES]  # fmt: skip
            again = (np.isin(self.error, numbers) | self.cut_short) & (way != Way.LEFT_OUT)
            counts["retries"] = int(again.sum())
            way[again] = Way.LEFT_OUT
        if "folder" not in self.kept:
            above = self._looks_above() & (way == Way.ITEM)
            counts["folder"] = counts.get("folder", 0) + int(above.sum())
            way[above] = Way.LEFT_OUT
        if "lookups" not in self.kept:
            looks = lookups.in_vain(
                self.run, (self.codes, self.names), self.texts, self.error, self.over
            )
            looks = [row for row in looks if way[row] != Way.LEFT_OUT]
            counts["lookups"] = len(looks)
            way[looks] = Way.LEFT_OUT
        if "wakeups" not in self.kept:
            own = self.to_oneself() & (way != Way.LEFT_OUT)
            counts["wakeups"] = int(own.sum())
            way[own] = Way.LEFT_OUT
        return way, counts


def _first_of(bits: NDArray[Any], low: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each its first bit from `low` on, counted from 1, else its first at all; 0: none."""
    found = np.zeros(len(bits), np.int64)
    for number in (2, 1, 0):
        found = np.where(bits >> number & 1, number + 1, found)
    return np.where((low == 1) & (bits & 6 != 0), np.where(bits & 2, 2, 3), found)


def of_replay(
    run: Replay,
    kept: frozenset[str],
    called: Called,
    prologue: NDArray[np.bool_],
    places: Mapping[str, str],
) -> Shapes:
    """The shapes of all calls. `prologue`: rows that the loader's list stands for; `places`: names
    of folders beside that of the run."""
    assert run.details is not None
    maker = _Maker(run, run.details, kept, called, places)
    way, counts = maker.ways()
    if "loader" not in kept:
        counts["loader"] = int(prologue.sum())
        way[prologue] = Way.LEFT_OUT
    label, labels = maker.labels()
    second, seconds = maker.seconds()
    to_second = maker.per_name([name in rules.TO_THE_SECOND for name in maker.names]).astype(bool)
    from_second = maker.per_name([name in rules.FROM_THE_SECOND for name in maker.names])
    origin = np.where(from_second.astype(bool), len(labels) + second, -1)
    origin = np.where(to_second, label, origin)
    label = np.where(to_second, len(labels) + second, label)
    labels = labels + seconds
    flags, passed = maker.sends()
    # A read or write is what it is about, how it is sent, and its error; nothing else of it counts.
    plain = way == Way.ITEM
    passes = (way == Way.READ) | (way == Way.WRITE)
    index, inverse = grouping.grouped(
        np.where(plain, maker.codes, -1 - way),
        *(np.where(plain, column, 0) for column in (
            maker.shown["text"], maker.shown["path"], maker.shown["other_path"],
            maker.shown["other"],
        )),
        np.where(plain | passes, label, 0),
        np.where(plain | passes, maker.error, 0),
        np.where(passes, flags, 0),
        np.where(passes, passed, 0),
    )  # fmt: skip
    items: dict[Item | None, int] = {}
    to = np.full(len(index), -1, np.int64)
    allocator = 0
    for number, row in enumerate(index.tolist()):
        if way[row] == Way.LEFT_OUT:
            continue
        if number >= MOST_SHAPES:
            item: Item | None = Item(maker.names[int(maker.codes[row])], (), OK, Rank.OTHER)
        else:
            item = _item(maker, row, Way(int(way[row])), labels[int(label[row])])
            if item is not None and way[row] == Way.WRITE:
                item = maker.sent(item, int(flags[row]), int(passed[row]))
        if item is not None:
            to[number] = items.setdefault(item, len(items))
        elif way[row] == Way.ITEM:
            allocator += 1
    counts["memory"] = counts.get("memory", 0) + allocator
    for rule, times in maker.words.counts.items():
        counts[rule] = counts.get(rule, 0) + times
    found = to[inverse] if len(index) else np.zeros(0, np.int64)
    return Shapes(
        way, found, label, [item for item in items if item is not None], labels, maker.failed,
        origin, maker.messages(way, flags, passed),
        {rule: times for rule, times in sorted(counts.items()) if times},
        len(index) > MOST_SHAPES, maker.words,
    )  # fmt: skip


def _item(maker: _Maker, row: int, way: Way, label: str) -> Item | None:
    """The item of a call; None: a rule leaves it out."""
    error = int(maker.error[row])
    result = (replay.error_name(error) or f"errno {error}") if error else OK
    if way != Way.ITEM:
        call = "read" if way == Way.READ else "write"
        rank = Rank.EFFECT if way == Way.WRITE or error else Rank.LOOK
        return Item(call, (Argument("object", label),), result, rank)
    name = maker.names[int(maker.codes[row])]
    text = maker.texts[int(maker.shown["text"][row])]
    if name in ("mmap", "mmap2") and "memory" not in maker.kept:
        if "MAP_ANONYMOUS" in text:
            return None
        text = "\x1f".join(text.split("\x1f")[1:4])  # not how much of the file, nor from where
    if label in rules.ALLOCATOR_FILES and "memory" not in maker.kept:
        return None
    if name == "connect" and result == "EINPROGRESS" and "retries" not in maker.kept:
        result = OK
    if maker.details.shown is None:
        text = "\x1f".join(_MARKS[mark] for mark in _MARKS if maker.shown[mark][row])
    chosen = name in rules.TIMERS and "ABSTIME" not in text
    arguments = tuple(
        _argument(maker, row, word, label, chosen=chosen)
        for word in (text.split("\x1f") if text else ())
    )
    rank = Rank.LOOK
    if name in rules.EFFECTS or (
        name in rules.OPENS and any(flag in text for flag in rules.WRITING)
    ):
        rank = Rank.EFFECT
    elif name in rules.CHANGES:
        rank = Rank.OTHER
    return Item(name, arguments, result, rank)


def _argument(maker: _Maker, row: int, word: str, label: str, *, chosen: bool) -> Argument:
    if word == "\x01":
        return Argument("object", maker.words.of_path(maker.texts[int(maker.shown["path"][row])]))
    if word == "\x02":
        other = maker.texts[int(maker.shown["other_path"][row])]
        return Argument("object", maker.words.of_path(other))
    if word == "\x03":
        return Argument("object", label or "<descriptor>")
    if word == "\x04":
        other = maker.texts[int(maker.shown["other"][row])]
        return Argument("object", maker.words.of_path(other) or "<descriptor>")
    words = cut(maker.words(word, chosen=chosen))
    return Argument("placeholder" if words.startswith("<") and words.endswith(">") else "text",
                    words)  # fmt: skip
