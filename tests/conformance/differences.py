# SPDX-License-Identifier: MIT
"""Each difference between lanes that is right, with its reason. At most 25.

One of a trace is a pattern on lines of one lane and of the reference, replaced in both by the
same words: it makes equal what it names and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST = 25


@dataclass(frozen=True)
class Difference:
    """`where`: lanes. `lines`: a pattern, removed with `by` None, else replaced, on both sides.

    `programs`: cases whose program itself sees something else than bare; `lines` is empty then.
    """

    name: str
    where: tuple[str, ...]
    reason: str
    lines: str = ""
    by: str | None = None
    programs: tuple[str, ...] = ()

    def applies_to(self, lane: str) -> bool:
        return lane in self.where

    def rewrite(self, line: str) -> str | None:
        """The line as it is compared; None where it is left out."""
        if not self.lines:
            return line
        if self.by is None:
            return None if re.search(self.lines, line) else line
        return re.sub(self.lines, self.by, line)


DIFFERENCES = (
    Difference(
        "made-ids",
        ("strace",),
        "of clone() and clone3() strace shows the ids and descriptors that the kernel wrote, we"
        " the addresses: the id is the call's result",
        r"parent_tid=(?:\[\w+\]|ADDRESS)|(?<=}|0) => \{(?:parent_tid|pidfd)=\[\w+\]\}",
        "",
    ),
    Difference(
        "short-clone3",
        ("strace",),
        "of a clone3() whose size is smaller than the structure's first version strace shows the"
        " address, we what can be read",
        r"^clone3\((?:ADDRESS|\{.*\}), (\d|[1-5]\d)\)",
        r"clone3(..., \1)",
    ),
    Difference(
        "siginfo-of-children",
        ("strace",),
        "a signal other than SIGCHLD at a child's end: strace reads the status in siginfo as a"
        " value that was sent, and shows the code as a number in hex",
        r"si_code=(?:0x)?1, (si_pid=\w+, si_uid=UID)(?:, si_int=7, si_ptr=0x7)?",
        r"si_code=1, \1",
    ),
    Difference(
        "superseded",
        ("strace",),
        "strace has a line of its own for the leader that an exec ends without a word; the exec"
        " itself, told under both ids, says the same",
        r"^\+\+\+ superseded by execve in pid \w+ \+\+\+$",
    ),
)
