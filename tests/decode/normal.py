# SPDX-License-Identifier: MIT
"""Makes two traces of the same command comparable: pids, addresses, times, and halves of lines."""

from __future__ import annotations

import re

from tests.ids import Ids

_LINE = re.compile(r"(\d+) +(.*)")
_UNFINISHED = re.compile(r"(.*) <unfinished \.\.\.>")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)")
_PADDING = re.compile(r"\) += ")
_RULES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"0x[0-9a-f]{6,16}\b", "ADDRESS"),
        (r"/\* \d+ vars \*/", "/* N vars */"),
        # CPU time of a child, which the record of a signal does not hold.
        (r", si_utime=\d+[^,}]*, si_stime=\d+[^,}]*", ""),
        (r"getppid\(\) += \d+", "getppid() = PID"),
        (r"(tv_u?n?sec)=\d+", r"\1=TIME"),
        (r"/\* \d{4}-\d\d-\d\dT[\d:.+-]+ \*/", "/* DATE */"),
        (r"\b((?:shm|msg|sem)(?:ctl|at|snd|rcv|op|timedop))\(\d+", r"\1(ID"),
        (r"((?:shm|msg|sem)get\(.*\) += )\d+", r"\1ID"),
        (r"\b(uptime|freeram|sharedram|bufferram|procs)=\d+", r"\1=N"),
        (r"loads=\[[^]]*\]", "loads=N"),
        (r'getrandom\("[^"]*"', 'getrandom("RANDOM"'),
    )
]


def threads(text: str) -> list[list[str]]:
    """The lines of each thread, threads in the order in which they appear, halves joined."""
    lines: dict[str, list[str]] = {}
    halves: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        pid, rest = match.groups()
        own = lines.setdefault(pid, [])
        if half := _UNFINISHED.fullmatch(rest):
            halves[pid] = half[1]
            continue
        if resumed := _RESUMED.fullmatch(rest):
            rest = halves.pop(pid, "") + resumed[1]
        own.append(rest)
    # Where a thread ended inside a call, the first half is all there is.
    for pid, half_line in halves.items():
        lines[pid].append(half_line)
    ids = Ids(lines)
    return [[_normal(line, ids) for line in own] for own in lines.values()]


def _normal(line: str, ids: Ids) -> str:
    for pattern, replacement in _RULES:
        line = pattern.sub(replacement, line)
    return _PADDING.sub(") = ", ids.hidden(line))
