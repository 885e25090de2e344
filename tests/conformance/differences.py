# SPDX-License-Identifier: MIT
"""Each difference between lanes that is right, with its reason. At most 25.

One of a trace is a pattern on lines of one lane and of the reference, replaced in both by the
same words: it makes equal what it names and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.conformance import view

MOST = 25
OURS = (
    *("ptrace", "record", "no-get-syscall-info", "no-process-vm-readv", "no-co-location"),
    *("no-sealing", "filtered", "no-seccomp", "python"),
)


@dataclass(frozen=True)
class Difference:
    """`where`: lanes. `lines`: a pattern, removed with `by` None, else replaced, on both sides.

    `structures`: those and addresses are left out, of all calls.
    `calls`: arguments, from 0, that are left out of the comparison.
    `programs`: cases whose program itself sees something else than bare; `lines` is empty then.
    What it sees then is an output like `sees`.
    `errors`: a pattern of lines on standard error that are the tracer's own.
    """

    name: str
    where: tuple[str, ...]
    reason: str
    lines: str = ""
    by: str | None = None
    calls: tuple[tuple[str, tuple[int, ...]], ...] = ()
    structures: bool = False
    programs: tuple[str, ...] = ()
    sees: str = ""  # a pattern of the whole output
    errors: str = ""

    def applies_to(self, lane: str) -> bool:
        return lane in self.where

    def rewrite(self, line: str) -> str | None:
        """The line as it is compared; None where it is left out."""
        for name, arguments in self.calls:
            line = view.without(line, name, arguments)
        if self.structures:
            line = view.without_structures(line)
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
        "undecoded",
        ("strace", "python"),
        "arguments that strace, or we, or the python engine show by their address or a register",
        calls=(
            ("rt_sigqueueinfo", (2,)),
            ("signalfd4", (1,)),
            ("setsockopt", (3,)),
            ("semtimedop", (1,)),
            ("msgrcv", (1,)),
            ("rt_sigreturn", (0,)),
            ("rt_sigtimedwait", (1,)),
            ("pselect6", (1, 2, 3)),
            ("nanosleep", (1,)),
            ("clock_nanosleep", (3,)),
            ("prctl", (1, 2, 3, 4)),
            ("seccomp", (2,)),
            ("sendmsg", (1,)),
            ("ptrace", (1, 2, 3)),
            ("sched_setaffinity", (2,)),
        ),
    ),
    Difference(
        "python-structures",
        ("python",),
        "the python engine reads strings and buffers, no structures: those are addresses, and of a"
        " signal's information what all signals have",
        r"(--- SIG\w+ \{si_signo=\w+, si_code=\w+(?:, si_pid=\w+, si_uid=\w+)?).*",
        r"\1",
        structures=True,
    ),
    Difference(
        "words-of-results",
        ("strace", "python"),
        "strace tells some results in words, too: which descriptors are ready, which signal came",
        r"(?<=\) = )(\d+) \(.+\)$",
        r"\1",
    ),
    Difference(
        "siginfo-of-faults",
        ("strace",),
        "of SIGTRAP and SIGSYS from the kernel strace tells more of siginfo: the address, the call",
        r"(si_code=(?:SI_KERNEL|SYS_SECCOMP)), si_(?:addr|errno)=[^}]*",
        r"\1",
    ),
    Difference(
        "half-readable",
        ("strace",),
        "where only the head of a string, a buffer or an array can be read strace shows the address"
        " of a string and the readable members of an array, we the other way round",
        r"^(openat\(AT_FDCWD|writev?\(1|nanosleep|connect\(0)\W.*(= -1 EFAULT.*)",
        r"\1 \2",
    ),
    Difference(
        "long-paths",
        ("strace",),
        "a path longer than there can be: strace shows 4095 bytes of it, we 4096",
        r'"[p/]{4000,}"\.\.\.',
        '"p..."',
    ),
    Difference(
        "strace-on-standard-error",
        ("strace",),
        "strace tells on standard error, beside the command's words, of memory that it could not"
        " read",
        errors=r"^strace: .*\n",
    ),
    Difference(
        "proc-status",
        tuple(lane for lane in OURS if lane != "no-co-location"),
        "TracerPid in /proc/PID/status cannot be hidden, nor Cpus_allowed of one that shares a CPU"
        " with the tracer (sched_getaffinity tells the program's own); not while they are apart",
        programs=("tracer-proc",),
        sees=r"traced 1, CPUs as asked [01]\n",
    ),
    Difference(
        "tracer-pid",
        ("no-co-location", "strace"),
        "TracerPid in /proc/PID/status cannot be hidden",
        programs=("tracer-proc",),
        sees=r"traced 1, CPUs as asked 1\n",
    ),
    Difference(
        "stopped-letter",
        (*OURS, "strace"),
        "the state of a stopped tracee in /proc/PID/stat is t, not T: the kernel's word",
        programs=("jobs-letter",),
        sees=r"child: stopped by 19\nt\nchild: killed by 9\n",
    ),
    Difference(
        "sigpipe",
        OURS,
        "SIGPIPE and SIGXFSZ, where our caller ignores them, are default in the command: Python"
        " overwrites both before any code of ours runs, and nothing tells what they were",
        programs=("given-by-a-caller",),
        sees="2 ignored 1 blocked 0\n10 ignored 1 blocked 0\n12 ignored 0 blocked 1\n"
        "15 ignored 0 blocked 1\n20 ignored 1 blocked 0\n37 ignored 0 blocked 1\n",
    ),
    Difference(
        "traced-by-us",
        (*OURS, "strace"),
        "who is traced cannot be traced by a second tracer: EPERM, with strace as with us",
        programs=("tracer-self", "tracer-child"),
        sees=r"EPERM\n(?:child: exited with 5\n)?",
    ),
    Difference(
        "superseded",
        ("strace",),
        "strace has a line of its own for the leader that an exec ends without a word; the exec"
        " itself, told under both ids, says the same",
        r"^\+\+\+ superseded by execve in pid \w+ \+\+\+$",
    ),
)
