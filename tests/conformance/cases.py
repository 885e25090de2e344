# SPDX-License-Identifier: MIT
"""The table of cases: what runs, and what of reliability's numbers it shows (see numbers.py)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

#: How a thread waits for another in user space is a matter of chance.
CHANCE = frozenset({"futex", "sched_yield"})


@dataclass(frozen=True)
class Case:
    """One subject with its words.

    `around` is a program that gets the tracer and the subject as its last words: a terminal, a
    sender of signals. `ignored` are calls left out of the comparison of traces; with `told`
    False only the program's view is compared, and that the trace is whole.
    """

    name: str
    subject: str
    words: tuple[str, ...] = ()
    shows: tuple[int, ...] = ()
    around: tuple[str, ...] = ()
    ignored: frozenset[str] = frozenset()
    told: bool = True
    root: bool = False  # needs to be root
    machine: str = ""  # only on this one
    skip: dict[str, str] = field(default_factory=dict)  # lane: why not there

    def hindrance(self) -> str | None:
        """Why this case cannot run here."""
        if self.root and os.geteuid() != 0:
            return "needs root"
        if self.machine and os.uname().machine != self.machine:
            return f"needs {self.machine}"
        return None


def _case(line: str, *shows: int, **more: object) -> Case:
    subject, *words = line.split()
    name = line.replace(" ", "-").replace(".py", "")
    return Case(name, subject, tuple(words), shows, **more)  # type: ignore[arg-type]


CASES = (
    _case("births fork", 5),
    _case("births vfork", 5),
    _case("births vfork-exec", 5),
    _case("births clone", 5),
    _case("births clone-vm", 5, 7),
    _case("births clone-no-signal", 7),
    _case("births clone-usr1", 7),
    _case("births clone-files", 7),
    _case("births clone-ptrace", 8),
    _case("births clone-untraced", 9),
    _case("births clone-untraced-ptrace", 8, 9),
    _case("births clone-parent", 7),
    _case("births clone3", 7),
    _case("births clone3-pidfd", 7),
    _case("births clone3-wrong", 7),
    _case("births posix-spawn", 5),
    _case("births pthread", 5, ignored=CHANCE),
    _case("births storm 1000", 6, 16, ignored=CHANCE),
    _case("births double-fork", 5),
    _case("births newborn", 6, 17, told=False),
    _case("births signal-at-birth", 6, 14, told=False),
    _case("births tree", 5),
    _case("execs leader", 10),
    _case("execs thread", 10, 11),
    _case("execs orphan", 10, 11),
    _case("execs descriptor", 10),
    _case("execs failing", 33),
    _case("execs chain 3", 10),
    _case("execs chain 8", 10),
    _case("execs again 20", 10),
    _case("execs keeps", 15),
    _case("threads zombie-leader", 22, ignored=CHANCE),
    _case("threads last-decides", 22, ignored=CHANCE),
    _case("threads ends-inside exit", 11),
    _case("threads ends-inside abort", 11, 21),
    _case("threads ends-inside fault", 11, 21),
    _case("threads ends-inside killed", 11, 17),
    _case("threads interleaved", 25, ignored=CHANCE),
    _case("threads looping", 18, told=False),
)
