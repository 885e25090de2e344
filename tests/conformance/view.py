# SPDX-License-Identifier: MIT
"""What a tracer told, made comparable: a list of lines for each thread.

The same parser reads our text and strace's. What differs from run to run (ids, addresses,
times) is replaced; what a subject marked as of no account (see conform.h) is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tests.ids import Ids

_LINE = re.compile(r"(\d+) +(.*)")
_UNFINISHED = re.compile(r"(.*?) ?<unfinished \.\.\.>")
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)")
_SUPERSEDED = re.compile(r"\+\+\+ superseded by execve in pid (\d+) \+\+\+")
_STRUCTURE = re.compile(r"(?:\w+=)?(?:~?\[|\{|ADDRESS|NULL)")
_RULES = tuple(
    (re.compile(pattern), by)
    for pattern, by in (
        (r"\b0x[0-9a-f]{6,16}\b", "ADDRESS"),
        (r"/\* \d+ vars \*/", "/* N vars */"),
        (r", si_utime=\d+[^,}]*, si_stime=\d+[^,}]*", ""),
        (r"\bsi_uid=\d+", "si_uid=UID"),
        (r"\bsi_pid=\d{3,}", "si_pid=PID"),
        # 0 where the thread is gone when its making is told of.
        (r"\bparent_tid=\[\d+\]", "parent_tid=[PID]"),
        (r"(tv_u?n?sec)=\d+", r"\1=TIME"),
        (r"\) += ", ") = "),
        (r'"/proc/\d+', '"/proc/PID'),
        (r'^(readlink\("/proc/self"), "\d+", (\d+)\) = \d+$', r"\1, PID, \2)"),
        (r'getrandom\("[^"]*"', 'getrandom("RANDOM"'),
        (r"^((?:v?fork|clone3?|wait4|\w+id|set_tid_address)\(.*\)) = \d{3,}$", r"\1 = PID"),
        (r"^(wait4|kill|tgkill|ptrace)\((\w+, )?\d{3,}", r"\1(\2PID"),
        (r"^(rt_sigreturn\(.*\)) = -?\d{6,}$", r"\1 = ADDRESS"),
        (r"^(msgrcv|semtimedop)\(\d+", r"\1(ID"),
        # A call that never ended: strace's words for it are of several kinds.
        (r"(?:[ ,]|<unfinished \.\.\.>)*\)? = \?$", " = ?"),
    )
)


@dataclass
class View:
    """Lines by thread, and what is wrong with the trace by itself."""

    threads: dict[int, list[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def sorted(self) -> list[list[str]]:
        """The threads in an order of their own: who comes first is a matter of chance."""
        return sorted(lines for lines in self.threads.values() if lines)


def parse(text: str) -> View:
    """Reads `-f -o FILE` text, ours or strace's."""
    raw: dict[int, list[str]] = {}
    halves: dict[int, str] = {}
    faults: list[str] = []
    ended: set[int] = set()
    taken_over: dict[int, int] = {}  # an exec's thread, by the id that it goes on with
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        tid, rest = int(match[1]), match[2]
        own = raw.setdefault(tid, [])
        if rest.startswith("+++"):
            if superseded := _SUPERSEDED.fullmatch(rest):
                # The leader is gone without a word; its id is the thread's from here on.
                taken_over[tid] = int(superseded[1])
                if tid in halves:
                    own.append(halves.pop(tid) + " = ?")
            elif tid in ended:
                faults.append(f"{tid} ended twice")
            else:
                ended.add(tid)
        elif tid in ended:
            faults.append(f"{tid} after its end: {rest}")
        if half := _UNFINISHED.fullmatch(rest):
            if tid in halves:
                faults.append(f"{tid} entered twice: {rest}")
            halves[tid] = half[1]
            continue
        if resumed := _RESUMED.fullmatch(rest):
            if tid not in halves:
                former = taken_over.get(tid, -1)
                if former not in halves:
                    faults.append(f"{tid} left what it did not enter: {rest}")
                    continue
                own.append(halves.pop(former) + resumed[2])
                continue
            rest = halves.pop(tid) + resumed[2]
        elif tid in halves and rest.startswith("+++"):
            own.append(halves.pop(tid) + " = ?")
        own.append(rest)
    whole = {line for own in raw.values() for line in own}
    for tid, half_line in halves.items():
        # An exec from a thread is told again, whole, under the id that it goes on with.
        if not half_line.startswith("execve") or f"{half_line}) = 0" not in whole:
            raw[tid].append(half_line + " = ?")
    ids = Ids(raw)
    threads = {tid: [_normal(line, ids) for line in _counted(own)] for tid, own in raw.items()}
    return View(threads, faults)


def _counted(lines: list[str]) -> list[str]:
    """What stands between begin() and end(), its end and, where nothing is marked, all."""
    if any('"/conformance/helper"' in line for line in lines):
        return []
    if not any('"/conformance/begin"' in line for line in lines):
        return lines
    counted, kept = False, []
    for line in lines:
        if '"/conformance/begin"' in line:
            counted = True
        elif '"/conformance/end"' in line:
            counted = False
        elif counted or line.startswith("+++"):
            kept.append(line)
    return kept


def _normal(line: str, ids: Ids) -> str:
    for pattern, by in _RULES:
        line = pattern.sub(by, line)
    return ids.hidden(line)


def without(line: str, name: str, arguments: tuple[int, ...]) -> str:
    """A line of that call with some of its arguments (from 0) replaced, the last ones removed."""
    return _replaced(line, name, arguments) if line.startswith(f"{name}(") else line


def without_structures(line: str) -> str:
    """A line with every structure, list and address among its arguments replaced."""
    name = name_of(line)
    return _replaced(line, name, None) if name and line.startswith(f"{name}(") else line


def _replaced(line: str, name: str, arguments: tuple[int, ...] | None) -> str:
    parts, depth, at, quoted = [], 0, len(name) + 1, False
    begun = at
    while at < len(line):
        char = line[at]
        if quoted:
            at += char == "\\"
            quoted = char != '"'
        elif char == '"':
            quoted = True
        elif char in "([{":
            depth += 1
        elif char in ")]}" and depth:
            depth -= 1
        elif char == ")" or (char == "," and not depth):
            parts.append(line[begun:at].strip())
            begun = at + 1
            if char == ")":
                break
        at += 1
    if at == len(line):
        return f"{name}(... = ?"  # it never ended; how much is told of it is chance
    kept = [
        "..." if (_STRUCTURE.match(part) if arguments is None else i in arguments) else part
        for i, part in enumerate(parts)
    ]
    while kept and kept[-1] == "...":
        kept.pop()
    return f"{name}({', '.join(kept)}{line[at:]}"


def name_of(line: str) -> str | None:
    """The call of a line; None for signals and ends."""
    match = re.match(r"(?:<\.\.\. )?(\w+)[( ]", line)
    return match[1] if match else None
