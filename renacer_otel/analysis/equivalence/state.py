# SPDX-License-Identifier: MIT
"""What a run left behind, as one flat table: aspects of it, and what each is.

An aspect is what a user of the system could look at by itself: the exit status, the bytes on
standard output, the mode of one file. Two runs are alike if they have the same aspects and these
have the same values.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from renacer_otel.analysis.equivalence.looked import Looked

#: Groups of aspects, in the order in which differences are told.
EXIT, OUTPUT, FILES, IPC, DURABILITY, CONNECTIONS, SIGNALS, WAYS = (
    "exit", "output", "files", "ipc", "durability", "connections", "signals", "writes",
)  # fmt: skip
GROUPS = (EXIT, OUTPUT, FILES, IPC, DURABILITY, CONNECTIONS, SIGNALS, WAYS)

#: What files are, by the type in their mode.
KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "symbolic link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}


class Aspect(NamedTuple):
    """`group`: of GROUPS; `subject`: a path, a stream, a peer; `what`: its side."""

    group: str
    subject: str
    what: str


class Bytes(NamedTuple):
    """A content. `digest`: b"" where it is not known; two with the same `size` may differ then.

    Only those of one `kind` compare: "sha256" of the bytes, "hashes" of all that was written,
    "looked at" of files that the tracer looked at, "over …" of what was written over something that
    is not known, "mapped": of neither. "messages": `size` counts them, the digest is of their
    lengths; "messages, uncounted": of neither.
    """

    size: int
    digest: bytes
    kind: str = "sha256"

    @property
    def is_known(self) -> bool:
        """Whether it can be compared."""
        return bool(self.digest)


#: Whatever compares by ==.
Value = str | int | Bytes | tuple[object, ...]


@dataclass
class Doubt:
    """What could not be observed: `kind` as in confidence.FACTORS; `times`: how much of it."""

    kind: str
    what: str
    times: int = 1


@dataclass
class Difference:
    """`sentence`: what differs; `hint`: why it may, or ""."""

    aspect: Aspect
    sentence: str
    hint: str = ""
    by_itself: bool = False  # it may be a clock, a pid, a random number


@dataclass
class Measures:
    """Of a run: calls that it made, its time net of tracing (ns), the peak of its memory (bytes).

    None: not known.
    """

    calls: int = 0
    time_ns: int | None = None
    memory: int | None = None


@dataclass
class State:
    """One run. `samples`: some bytes of what aspects are of, to tell where two differ."""

    aspects: dict[Aspect, Value] = field(default_factory=dict)
    samples: dict[Aspect, bytes] = field(default_factory=dict)
    doubts: list[Doubt] = field(default_factory=list)
    measures: Measures = field(default_factory=Measures)
    wait_status: int | None = None  # of the command; None: it had not ended
    pids: frozenset[int] = frozenset()  # that its processes had: a number in an output may be one
    looked: Looked | None = None  # files, where the tracer looked at them
    existed: frozenset[str] = frozenset()  # files that are known to have been there before

    def doubt(self, kind: str, what: str) -> None:
        """Adds one, or counts it where it is there already."""
        for each in self.doubts:
            if (each.kind, each.what) == (kind, what):
                each.times += 1
                return
        self.doubts.append(Doubt(kind, what))
