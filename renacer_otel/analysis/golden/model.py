# SPDX-License-Identifier: MIT
"""A golden trace, as data: what one run did (Canonical), and what several runs taught (Golden).

docs/golden-form.md tells what the parts mean, and what of a run is left out of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

#: The version of the form itself: traces of two versions are not compared.
FORM_VERSION = 1
#: Of an Item's `result` that is no error.
OK = "ok"


class Range(NamedTuple):
    """From the least to the greatest that was seen; of one run both are the same."""

    low: int
    high: int

    def joined(self, other: Range) -> Range:
        """The range that has both in it."""
        return Range(min(self.low, other.low), max(self.high, other.high))

    @property
    def is_one(self) -> bool:
        """Whether there is one value only."""
        return self.low == self.high


class Rank(IntEnum):
    """How much a kind of call matters to whoever uses what the command leaves behind."""

    LOOK = 0  # only looks: open for reading, stat, getuid
    OTHER = 1  # changes the process itself: fcntl, setsockopt, sigaction
    EFFECT = 2  # others can see it: a file, a name, a mode, a peer, a signal


class Argument(NamedTuple):
    """One value. `kind`: how it is to be read.

    text: as strace writes it · object: what a descriptor or path leads to · placeholder: <addr>,
    <time>, … for what is never the same · pattern: a regular expression, learned from runs.
    """

    kind: str
    text: str


@dataclass(frozen=True)
class Item:
    """A call as it is compared: the same for all calls that mean the same."""

    call: str  # its name; "read" and "write" stand for all calls that do that
    arguments: tuple[Argument, ...]
    result: str  # OK, or the errno
    rank: Rank

    def __str__(self) -> str:
        words = ", ".join(argument.text for argument in self.arguments)
        return f"{self.call}({words})" + ("" if self.result == OK else f" = {self.result}")


@dataclass(frozen=True)
class Counted:
    """An item of a role, and how often each run had it (0 at least: not every run had it)."""

    item: Item
    times: Range
    source: str = ""  # file:line, where known


@dataclass(frozen=True)
class Group:
    """Items that come one after the other, and that again: repeats fold. Indexes into `items`."""

    items: tuple[int, ...]
    times: Range


@dataclass(frozen=True)
class Chain:
    """What is done with one path, peer or stream that others can see, in order."""

    items: tuple[int, ...]  # indexes into `items`
    times: Range  # how many things go that way


@dataclass(frozen=True)
class Stream:
    """What a role reads from or writes to an object, whatever the calls.

    `content`: the hash of what was written, in hex (spans/content.py); "" = not captured, or not
    the same in all runs (`varies`). Of several threads or processes: "~" and a sum over writes;
    of several objects that one thread writes to as they are ready: "=" and a sum over them.
    `places`: where it was written, as a hash (golden/places.py); "" = one after the other. Of
    messages "#" and a hash of their lengths.
    """

    direction: str  # "read", "write", or "map": what shared memory leaves in a file
    name: str  # path, peer, "stdout", "pipe", …
    size: Range
    content: str = ""
    varies: bool = False
    places: str = ""


@dataclass(frozen=True)
class Role:
    """Processes that are the same: made by the same role, running the same programs.

    `items`: all that they do, each once. `order`: how those that others can see (Rank.EFFECT)
    follow each other, where that is the program's own choice; () = unordered.
    """

    name: str  # p0, p1, …
    program: str  # base name of the last one; "" = not known
    argv: tuple[Argument, ...]  # of its last program; () = runs its parent's
    parent: str  # a Role's name; "" = the command
    count: Range  # how many processes
    threads: Range  # how many of all of them, but their first ones
    exits: tuple[str, ...]  # "0", "1", "SIGKILL", …: each that was seen
    libraries: tuple[str, ...]  # the loader's prologue: what it mapped
    items: tuple[Counted, ...]
    order: tuple[Group, ...]
    chains: tuple[Chain, ...]
    streams: tuple[Stream, ...]
    exact: bool  # its calls are its program's own choice, not the scheduler's: counts compare

    @property
    def shown(self) -> str:
        """As sentences have it: p0 (sort)."""
        return f"{self.name} ({self.program})" if self.program else self.name


class Link(NamedTuple):
    """Something passes from one role to another: a causal edge, by its kind (renacer.edge)."""

    kind: str
    cause: str  # a Role's name
    effect: str
    always: bool  # every run had one that was certain


@dataclass(frozen=True)
class Figures:
    """Numbers, one for each run, in the order of runs."""

    calls: tuple[int, ...] = ()
    read_bytes: tuple[int, ...] = ()
    written_bytes: tuple[int, ...] = ()
    peak_memory: tuple[int, ...] = ()  # bytes allocated at once, of the greatest process; -1: none
    cpu_us: tuple[int, ...] = ()  # () = not measured
    off_cpu_us: dict[str, tuple[int, ...]] = field(default_factory=dict)  # by what was waited for
    #: Stops of the tracer, to be taken off: a call waits for its own.
    stops: tuple[int, ...] = ()
    machine: str = ""  # that the times are of; "" = they say nothing


@dataclass(frozen=True)
class Canonical:
    """One run (of a Golden: several that were learned from) in canonical form."""

    roles: tuple[Role, ...]  # the command's is the first; () = nothing ran
    links: tuple[Link, ...]
    figures: Figures
    normalised: dict[str, int]  # by rule: how many calls it took out, or values it replaced
    kept: tuple[str, ...] = ()  # rules that were switched off
    hashes: bool = False  # contents of what was written were captured
    missing: tuple[str, ...] = ()  # what the trace could not tell, in words: lost events, …
    given: tuple[str, ...] = ()  # the command's variables, as spans/variables.py has them


@dataclass(frozen=True)
class Golden:
    """What several runs of a command have in common, and how far they differ.

    `first`: the run before them, which met what they did not: () = it did the same, or
    (`has_first` is false, in golden traces of earlier versions) nobody looked. `copy_of`: each run
    began in a copy of this folder, relative to where it was captured; "" = in no copy.
    """

    name: str
    command: tuple[str, ...]
    runs: int
    tool_version: str
    form: Canonical
    first: tuple[Canonical, ...] = ()
    has_first: bool = False
    copy_of: str = ""
    rules: tuple[str, ...] = ()  # all that there were; () = of an earlier version
    places: tuple[str, ...] = ()  # names of folders (--place) that are in it


class Severity(IntEnum):
    """Whether a difference is a failed check: CHANGED is, MINOR is with --strict."""

    MINOR = 1
    CHANGED = 2


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it was.

    `kind`: argv, process, exit, file, mode, sync, order, input (a file of the folder, opened for
    reading), bytes, network, error, effect, signal, library, memory, link, threads, call, count.
    `sentence`: for a person, without an end mark.
    """

    kind: str
    severity: Severity
    sentence: str
    where: str  # the role: p0 (sort)
    expected: str
    actual: str
    source: str = ""  # file:line, where known
    later: int = 0  # by it those of a kind are told one after the other
