# SPDX-License-Identifier: MIT
"""Older kernels and tighter sandboxes: each fallback tells the same as the normal way."""

from __future__ import annotations

import platform
import struct
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tests.engine.tools import (
    END,
    EXEC,
    SIGNAL,
    START,
    Event,
    entries,
    environment,
    execute,
    normalised,
    record,
    traced,
    without_restarts,
)
from tests.ids import Ids

FALLBACKS = (
    "get_syscall_info",
    "process_vm_readv",
    "get_syscall_info,process_vm_readv",
)
COMMANDS = {
    "ls": ["ls", "-l", "/etc/passwd"],
    "shell": ["sh", "-c", "cd /; echo a b c | cat; test -e /no/such; (exit 3)"],
    "python": [sys.executable, "-ISc", "import os; os.pipe(); os.fork() or os._exit(0); os.wait()"],
}


def told(folder: Path, words: list[str], disable: str) -> list[list[str]]:
    """Lines of text of each thread, threads in an order of their own, without addresses."""
    text = folder / f"{disable or 'none'}.txt"
    # One fixed layout of memory; PIDs in arguments are replaced.
    before = ["setarch", "-R", *traced("-o", text, "-s", "64")]
    done = execute([*before, *words], environment(RENACER_DISABLE=disable))
    assert done.errors == "" or "cat" in words, done.errors
    lines: defaultdict[str, list[str]] = defaultdict(list)
    for line in text.read_text().splitlines():
        pid, _, rest = line.partition(" ")
        lines[pid].append(rest.strip())
    ids = Ids(lines)
    whole: list[list[str]] = []
    for parts in lines.values():
        joined = normalised(
            "\n".join(parts),
            (r"0x[0-9a-f]{5,}", "ADDRESS"),
            (r"getppid\(\) += \d+", "getppid()"),
            (r" <unfinished \.\.\.>\n(?:--- .*\n)*<\.\.\. \w+ resumed>", ""),
            (r" +", " "),
            (r"(?m)^\+\+\+ .*\n?", ""),
            (r"tv_n?u?sec=\d+", "tv"),
            # When a child's end comes is a matter of chance, and so is what it cuts short.
            (r"(?m)^(?:--- SIGCHLD.*|(?:wait4|rt_sigreturn)\(.*)\n?", ""),
            (r"(?m)^clone\(.* = \? ERESTARTNOINTR .*\n?", ""),
            (r"(?m)^(?:getrandom|clock_gettime|times|sysinfo)\(.*\n?", ""),
        )
        whole.append([ids.hidden(line) for line in joined.splitlines()])
    # Which of two children runs first is a matter of chance.
    return sorted(whole)


@pytest.mark.needs("setarch")
@pytest.mark.parametrize("disable", FALLBACKS)
@pytest.mark.parametrize("name", COMMANDS)
def test_the_same_calls_arguments_and_results(tmp_path: Path, name: str, disable: str) -> None:
    words = [*COMMANDS[name]]
    normal, other = told(tmp_path, words, ""), told(tmp_path, words, disable)
    assert sum(map(len, normal)) > 30
    assert other == normal


def kinds(events: list[Event]) -> Counter[str]:
    """Counts of what is the same in each run."""
    names = entries(without_restarts(events))
    steady = ("getppid", "execve", "clone", "clone3", "vfork", "fork", "kill", "rt_sigqueueinfo")
    found = Counter(name for name in names if name in steady)
    for event in events:
        if event.kind in (START, EXEC, END, SIGNAL):
            found[f"kind {event.kind}"] += 1
    return found


@pytest.mark.parametrize("disable", FALLBACKS)
def test_births_execs_and_signals(subject: Path, tmp_path: Path, disable: str) -> None:
    env = environment(RENACER_DISABLE=disable)
    for words in (
        [subject, "exec", "thread", subject, "mark", "3"],
        [subject, "births", "clone3"],
        [subject, "births", "vfork"],
        [subject, "signals", "once"],
        [subject, "count", "2", "2", "5"],
    ):
        normal = record(tmp_path, words)
        other = record(tmp_path, words, env=env)
        assert other.done.status == normal.done.status == 0
        assert kinds(other.events) == kinds(normal.events)


@pytest.mark.parametrize("disable", FALLBACKS)
def test_interrupted_calls(subject: Path, disable: str) -> None:
    words = [subject, "interrupt", "eintr"]
    seen = execute([*traced("-o", "/dev/null"), *words], environment(RENACER_DISABLE=disable))
    assert seen == execute(words)


def test_an_unknown_fallback_is_refused() -> None:
    done = execute([*traced(), "true"], environment(RENACER_DISABLE="everything"))
    assert done.status == 125
    assert "RENACER_DISABLE" in done.errors


def program_of_32_bits(path: Path) -> Path:
    """A static i386 program: open("/etc/passwd"), getpid(), exit(7); made without a compiler."""
    base, headers = 0x08048000, 52 + 32
    name = b"/etc/passwd\0"
    code = (
        bytes.fromhex("b805000000 bb")  # mov eax, 5; mov ebx, name
        + struct.pack("<I", base + headers)
        + bytes.fromhex("31c9 cd80 b814000000 cd80 b801000000 bb07000000 cd80")
    )
    size = headers + len(name) + len(code)
    entry = base + headers + len(name)
    elf = b"\x7fELF\1\1\1" + bytes(9)
    elf += struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, entry, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    elf += struct.pack("<IIIIIIII", 1, 0, base, base, size, size, 5, 4096)
    path.write_bytes(elf + name + code)
    path.chmod(0o755)
    return path


@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs x86_64")
@pytest.mark.parametrize("disable", ["", *FALLBACKS])
def test_a_32_bit_program(tmp_path: Path, disable: str) -> None:
    program = program_of_32_bits(tmp_path / "program")
    try:
        bare = execute([program])
    except OSError as error:
        pytest.skip(f"this kernel runs no 32-bit programs: {error.strerror}")
    assert bare.status == 7
    text = tmp_path / "text"
    done = execute([*traced("-o", text), program], environment(RENACER_DISABLE=disable))
    assert done.status == 7
    names = [line.split("(")[0].split()[-1] for line in text.read_text().splitlines()]
    assert names[:4] == ["execve", "open", "getpid", "exit"]
    assert 'open("/etc/passwd", O_RDONLY)' in text.read_text()
