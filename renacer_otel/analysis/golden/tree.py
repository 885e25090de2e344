# SPDX-License-Identifier: MIT
"""Processes by their roles: the place in the tree, and the programs they ran. And their loaders."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from renacer_otel.analysis.causality.history import EXEC
from renacer_otel.analysis.golden import rules
from renacer_otel.analysis.golden.model import Argument
from renacer_otel.analysis.golden.texts import Words, cut, shown
from renacer_otel.spans import replay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from renacer_otel.analysis.golden.shapes import Called
    from renacer_otel.spans.replay import Replay

_EXECS = ("execve", "execveat")
_PROLOGUE_MOST = 4000  # calls of a loader that are looked at
_MOST_ROLES = 2000
_LONGEST_LINE = 100_000  # characters of a command line; of what is beyond there is a hash
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"(\.\.\.)?(?:, )?', re.S)
Key = tuple[tuple[str, ...], ...]  # from the command on: the programs of each, as run


@dataclass
class Tree:
    """`role`: of each process, by its place in `ordinals`; `keys`, `parents`: by role."""

    ordinals: NDArray[np.uint64]
    role: NDArray[np.int64]
    keys: list[Key]
    parents: list[int]  # -1: the command
    programs: list[str]
    argv: list[tuple[Argument, ...]]
    exits: list[Counter[str]]
    counts: NDArray[np.int64]
    cut: bool  # some command lines are longer than what was captured

    def of_process(self, ordinals: NDArray[Any]) -> NDArray[np.int64]:
        """The roles of processes; -1: not known."""
        if not len(self.ordinals):
            return np.full(len(ordinals), -1)
        place = np.minimum(np.searchsorted(self.ordinals, ordinals), len(self.ordinals) - 1)
        return np.where(self.ordinals[place] == ordinals, self.role[place], -1)


def of_replay(run: Replay, words: Words, called: Called) -> Tree:
    """The roles of all processes of a run."""
    ordinals = np.array(sorted(run.processes), np.uint64)
    programs, cut_short = _programs(run, words, called)
    made_by = makers(run)
    keys: dict[int, Key] = {}
    argv: dict[Key, tuple[tuple[str, ...], str]] = {}
    exits: dict[Key, Counter[str]] = {}
    counts: Counter[Key] = Counter()
    ordered = sorted(run.processes.values(), key=lambda process: process.t_start)
    for process in ordered:
        above = keys.get(made_by.get(process.ordinal, 0), ())
        own = programs.get(process.ordinal, [])
        key = (*above, tuple("\x1f".join(line) for line in own))
        if len(argv) >= _MOST_ROLES and key not in argv:
            key = (*above[:1], ("…",))
        keys[process.ordinal] = key
        if key not in argv:
            argv[key] = (own[-1] if own else (), process.name)
            exits[key] = Counter()
        counts[key] += 1
        exits[key][_ended(process.wait_status)] += 1
    order = sorted(argv, key=lambda key: (len(key), key))
    place = {key: number for number, key in enumerate(order)}
    return Tree(
        ordinals,
        np.array([place[keys[int(ordinal)]] for ordinal in ordinals], np.int64),
        order,
        [place.get(key[:-1], -1) for key in order],
        [argv[key][1] for key in order],
        [tuple(Argument("text", word) for word in argv[key][0]) for key in order],
        [exits[key] for key in order],
        np.array([counts[key] for key in order], np.int64),
        cut_short,
    )


def _ended(status: int | None) -> str:
    if status is None:
        return "runs on"
    return replay.signal_name(status & 0x7F) if status & 0x7F else str(status >> 8 & 0xFF)


def makers(run: Replay) -> dict[int, int]:
    """Of each process the one that made it."""
    threads = run.threads
    made = np.flatnonzero(
        (threads["tid"] == threads["pid"]) & (threads["maker"] != replay.NO_THREAD)
    )
    above = threads["ordinal"][threads["maker"][made]]
    return dict(zip(threads["ordinal"][made].tolist(), above.tolist(), strict=True))


def execs(run: Replay, called: Called) -> list[tuple[int, int]]:
    """Calls that ran programs, in order: rows, and their processes."""
    codes, names = called
    wanted = [code for code, name in enumerate(names) if name in _EXECS]
    calls = run.calls
    good = np.isin(codes, wanted) & (calls["result"] == 0)
    good &= (calls["flags"] & (replay.UNFINISHED | replay.FAILED)) == 0
    rows = np.flatnonzero(good)
    rows = rows[np.argsort(calls["seq"][rows], kind="stable")]
    ordinals = run.threads["ordinal"][calls["thread"][rows]]
    return list(zip(rows.tolist(), ordinals.tolist(), strict=True))


def _programs(
    run: Replay, words: Words, called: Called
) -> tuple[dict[int, list[tuple[str, ...]]], bool]:
    """Of each process the command lines that it ran, in order; whether one is not there whole."""
    assert run.details is not None
    cut_short = False
    if run.details.shown is None:
        return {}, False
    found: dict[int, list[tuple[str, ...]]] = {}
    lines: dict[int, tuple[str, ...]] = {}
    for row, ordinal in execs(run, called):
        text = int(run.details.shown["text"][row])
        if text not in lines:
            parts = shown(run.details.text(text)).split("\x1f")
            argv = next((part for part in parts if part.startswith("[")), "[]")
            line, whole = split(argv)
            cut_short |= not whole
            lines[text] = _bounded([words(word) for word in line])
        found.setdefault(ordinal, []).append(lines[text])
    return found, cut_short


def split(argv: str) -> tuple[list[str], bool]:
    """The words of ["sh", "-c", "true"], and what is told of those that do not fit; whether that is
    all of them."""
    found, at, whole = [], 1, True
    while match := _WORD.match(argv, at):
        found.append(match[1] + (match[2] or ""))
        whole = not match[2]
        at = match.end()
    if argv.startswith("...", at):
        whole, at = False, at + 3
    rest = argv[at:].removeprefix("]")
    if rest:
        found.append(rest)
        whole = not rest.endswith(", ...)")
    return found, whole


def _bounded(words: list[str]) -> tuple[str, ...]:
    """A command line of bounded length: a hash stands for words beyond it."""
    found: list[str] = []
    room = _LONGEST_LINE
    for at, word in enumerate(words):
        found.append(cut(word))
        room -= len(found[-1])
        if room < 0 and at + 1 < len(words):
            rest = "\0".join(words[at + 1 :]).encode("utf-8", "surrogatepass")
            told = hashlib.sha256(rest).hexdigest()[:15]
            return (*found, f"… (and {len(words) - at - 1} words more: {told})")
    return tuple(found)


def prologues(
    run: Replay, names: Sequence[str], codes: NDArray[Any], by_thread: NDArray[Any]
) -> tuple[NDArray[np.bool_], dict[int, set[str]]]:
    """Rows of what loaders did, and of each process (ordinal) the libraries that they mapped."""
    assert run.details is not None
    calls, details = run.calls, run.details
    taken = np.zeros(len(calls), bool)
    libraries: dict[int, set[str]] = {}
    is_one = np.array([name in rules.PROLOGUE for name in names], bool)
    is_open = np.array([name in rules.OPENS for name in names], bool)
    execs = run.events[run.events["kind"] == EXEC]
    threads = calls["thread"][by_thread]
    starts = np.searchsorted(threads, execs["thread"])
    ends = np.searchsorted(threads, execs["thread"], "right")
    for event, low, high in zip(execs, starts.tolist(), ends.tolist(), strict=True):
        numbers = calls["seq"][by_thread[low:high]]
        low += int(np.searchsorted(numbers, event["seq"], "right"))
        rows = by_thread[low : min(high, low + _PROLOGUE_MOST)]
        if not len(rows):
            continue
        fits = is_one[codes[rows]]
        paths = details.rows["path"][rows]
        opened = is_open[codes[rows]]
        found: set[str] = set()
        last = 0
        for at in range(len(rows)):
            if not fits[at]:
                break
            path = shown(details.text(int(paths[at]))) if opened[at] else ""
            if opened[at]:
                base = path.rpartition("/")[2]
                if base.endswith(".so") or ".so." in base:
                    if calls["result"][rows[at]] >= 0:
                        found.add(path)
                elif "glibc-hwcaps" not in path and base != "ld.so.cache":
                    break
            last = at + 1
        taken[rows[:last]] = True
        ordinal = int(run.threads["ordinal"][event["thread"]])
        libraries.setdefault(ordinal, set()).update(found)
    return taken, libraries
