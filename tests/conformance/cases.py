# SPDX-License-Identifier: MIT
"""The table of cases: what runs, and what of reliability's numbers it shows (see numbers.py)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from tests.scale import FULL

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
    name = str(more.pop("name", line.replace(" ", "-").replace(".py", "")))
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
    _case(f"births storm {1000 if FULL else 250}", 6, 16, ignored=CHANCE),
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
    _case("signals once", 14),
    _case("signals of-children", 12, 14, told=False),
    _case("signals to-thread", 14, told=False),
    _case("signals faults", 14),
    _case("signals taken", 14),
    _case("signals ignored", 14, 15),
    _case("signals nesting", 14),
    _case("signals given", 15),
    _case("signals dies 11", 21),
    _case("signals dies 9", 17, 21),
    _case("signals dies 34", 21),
    _case("signals exits 37", 21),
    *(
        _case(f"restart {way} {calls}", 23, *((24,) if way == "stop" else ()))
        for way in ("restart", "eintr", "stop")
        for calls in (
            "read recv accept flock wait4",
            "poll ppoll select epoll futex msgrcv semop",
        )
    ),
    _case("restart restart nanosleep clock_nanosleep futex-timed sigsuspend pause", 23),
    _case("restart eintr nanosleep clock_nanosleep futex-timed sigsuspend pause", 23),
    _case("restart stop clock_nanosleep", 23, 24),
    _case("jobs stops 0", 12),
    _case("jobs stops 3", 12, told=False),
    _case("jobs looks", 12),
    _case("jobs orphaned", 12, told=False),
    _case("jobs group", 12, 17, told=False),
    _case("jobs births-in-stops", 12, told=False),
    _case("jobs letter", 12),
    _case("jobs killed", 16, 17, told=False),
    _case("memory pointers", 29),
    _case("memory halves", 29),
    _case("memory lengths", 29),
    _case("memory strings", 29),
    _case("memory numbers", 29),
    _case("memory undumpable", 30),
    _case("memory race", 29, told=False),
    _case(f"memory descriptors {10000 if FULL else 2500}", 29),
    _case("seccomp errno", 27),
    _case("seccomp trap", 27),
    _case("seccomp trace", 27),
    _case("seccomp log", 27),
    _case("seccomp kill thread", 27),
    _case("seccomp kill process", 27),
    # wait(2) gives the group's exit code for a killed thread, once the group has one.
    _case("seccomp kill-one", 27, told=False),
    _case("seccomp strict prctl exits", 27),
    _case("seccomp strict prctl breaks", 27),
    _case("seccomp strict seccomp breaks", 27),
    _case("seccomp mode", 27),
    _case("seccomp tsync", 27, ignored=CHANCE),
    _case("seccomp wrong", 27),
    _case("seccomp untraced", 9, 26),
    _case("seccomp no-exec", 27),
    _case("spaces pids", 32, root=True),
    _case("spaces unshared", 32, root=True),
    _case("spaces nested", 32, root=True),
    _case("spaces first-ends", 32, root=True),
    _case("spaces users", 32),
    _case("spaces signals", 32, root=True),
    _case("spaces masks", 32, root=True),
    _case("abi int80", 31, machine="x86_64"),
    _case("abi x32", 31, machine="x86_64"),
    _case("abi vdso", 36, machine="x86_64"),
    _case("limits bomb 60", 16, root=True, told=False),
    _case("limits files", 34),
    _case("limits size", 34),
    _case("limits memory", 34),
    _case("tracer self", 28),
    _case("tracer child", 28),
    _case("tracer wrong", 28),
    _case("tracer proc", 28),
    _case("inherit.py", 34, told=False),
    _case("pool.py", 5, 33, ignored=CHANCE, told=False),
    _case("signals given", 15, name="given-by-a-caller", around=("caller.py",), told=False),
    *(
        _case(
            f"waits {how}",
            21,
            name=f"sent-{sig}-{how}",
            around=("sender.py", sig),
            skip={"strace": "with a command of its own it does not pass signals on"},
        )
        for sig in ("SIGTERM", "SIGHUP", "SIGUSR1")
        for how in ("ends", "dies")
    ),
    *(
        _case(
            f"waits {how}",
            12,
            13,
            name=f"terminal-{name}",
            around=("terminal.py", script),
            told=False,
            skip={"strace": "keys that stop or end strace itself do not reach the command as bare"},
        )
        for name, how, script in (
            ("stops", "plain", "ready,Z,Stopped,prompt> ,fg=,waits,more=,got more,end=,prompt> "),
            (
                "handles",
                "handles",
                "ready,Z,handled 20,Stopped,prompt> ,fg=,more=,got more,C,handled 2,end=,prompt> ",
            ),
            ("ignores", "ignores", "ready,Z,more=,got more,C,again=,got again,end=,prompt> "),
            ("interrupt", "dies", "ready,C,prompt> ,echo code $?=,code 130"),
            ("quit", "dies", "ready,Q,prompt> ,echo code $?=,code 131"),
        )
    ),
)
