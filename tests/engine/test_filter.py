# SPDX-License-Identifier: MIT
"""Calls filtered in the kernel: the same events as without the filter, and far fewer stops."""

from __future__ import annotations

import os
import platform
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.engine.tools import (
    CALL,
    END,
    ENTER,
    EXEC,
    EXIT,
    FAILED,
    GROUP_STOP,
    INTERRUPTED,
    RESTARTED,
    SIGNAL,
    START,
    Event,
    environment,
    execute,
    normalised,
    record,
    same,
    traced,
    without_restarts,
)

ON, OFF = ("--seccomp-bpf", "on"), ("--seccomp-bpf", "off")
# What each subject below does again and again; memory and files of the C library besides.
SELECTION = (
    "trace=getppid,clone,clone3,fork,vfork,execve,execveat,exit,exit_group,wait4,waitid,kill,tgkill,"
    "rt_sigqueueinfo,rt_tgsigqueueinfo,openat,poll,read,nanosleep,clock_nanosleep,pause,write"
)
FEW = "trace=getppid,execve"
SIGCHLD = f"#{int(signal.SIGCHLD)}"  # as a signal's record is read
# Registers behind a call's last argument hold what they happen to hold.
ARGUMENTS = {"getppid": 0, "fork": 0, "vfork": 0, "pause": 0, "exit": 1, "exit_group": 1,
             "kill": 2, "clone": 2, "clone3": 2, "nanosleep": 2, "prctl": 2, "execve": 3,
             "seccomp": 3, "tgkill": 3, "read": 3, "write": 3, "rt_sigqueueinfo": 3, "poll": 3,
             "openat": 3, "wait4": 4, "rt_tgsigqueueinfo": 4, "clock_nanosleep": 4}  # fmt: skip


# Those among whose arguments or results are ids; elsewhere such a number is one by chance.
WITH_IDS = {"clone", "clone3", "fork", "vfork", "wait4", "waitid", "kill", "tgkill",
            "rt_sigqueueinfo", "rt_tgsigqueueinfo"}  # fmt: skip


def told(events: list[Event]) -> list[list[tuple[object, ...]]]:
    """What each thread did, without what differs from run to run: ids, addresses, times."""
    ids = {event.tid for event in events}

    def plain(value: int, name: str) -> object:
        signed = value - 2**64 if value >= 2**63 else value
        if name in WITH_IDS and abs(signed) in ids:
            return "TID"
        return "address" if signed > 2**22 else signed

    found: dict[int, list[tuple[object, ...]]] = {tid: [] for tid in ids}
    for event in without_restarts(events):
        if event.kind == ENTER:
            continue  # its exit tells the same, and that it has one is a matter of chance
        if event.kind == SIGNAL and event.name == SIGCHLD:
            continue  # SIGCHLD: when a child ends, and what that cuts short, is one, too
        if event.name == "wait4" and event.flags & INTERRUPTED:
            continue
        args = tuple(
            plain(value, event.name) for value in event.args[: ARGUMENTS.get(event.name, 6)]
        )
        if event.kind in (CALL, EXIT):
            result = "PID" if event.name == "getppid" else plain(event.result, event.name)
            what: tuple[object, ...] = (event.name, event.flags & FAILED, result, args)
        elif event.kind == SIGNAL:
            what = ("signal", event.name, event.args[0])
        elif event.kind == END:
            what = ("end", event.args[1])
        elif event.kind == START:
            what = ("start", event.args[4], event.args[3] & 0xFFFFFF00)
        else:
            what = (event.kind,)
        found[event.tid].append(what)
    # Threads by what they did: which of two children runs first is a matter of chance.
    return sorted(found.values(), key=repr)


# Calls whose number depends on the moment: a spin, a wait that a signal cut.
STEADY = {
    "count": ["count", "3", "3", "20"],
    "exec thread": ["exec", "thread", "SUBJECT", "mark", "3"],
    "exec fails": ["exec", "fails", "/no/such"],
    "signals once": ["signals", "once"],
    "signals thread": ["signals", "thread"],
    "signals faults": ["signals", "faults"],
    "exit": ["death", "exit", "3"],
    "killed": ["death", "signal", "11"],
    "children": ["crowd", "children", "40"],
    **{
        f"births {kind}": ["births", kind]
        for kind in ("fork", "vfork", "clone", "clone-vm", "clone-no-signal", "clone-parent",
                     "clone-ptrace", "clone3", "clone3-vfork", "posix_spawn", "thread-vfork",
                     "grandchild")
    },
}  # fmt: skip


@pytest.mark.parametrize("name", STEADY)
def test_the_same_events(subject: Path, tmp_path: Path, name: str) -> None:
    words = [subject if word == "SUBJECT" else word for word in (subject, *STEADY[name])]
    found = {}
    for mode in (ON, OFF):
        folder = tmp_path / mode[1]
        folder.mkdir()
        run = record(folder, words, *mode, "-e", SELECTION, cwd=tmp_path)
        found[mode] = (run.done.status, told(run.events))
        assert run.done.errors == ""
    assert len(found[ON][1]) >= 1
    assert found[ON] == found[OFF]


@pytest.mark.parametrize("mode", ["restart", "eintr"])
def test_interrupted_calls(subject: Path, tmp_path: Path, mode: str) -> None:
    """The program sees what it sees bare, and what is begun anew is marked so."""
    chosen = "trace=read,poll,nanosleep,clock_nanosleep,wait4,futex,epoll_wait,pause,select"
    same([subject, "interrupt", mode], *ON, "-e", chosen)
    marked = []
    for how in (ON, OFF):
        folder = tmp_path / how[1]
        folder.mkdir()
        run = record(folder, [subject, "interrupt", mode], *how, "-e", chosen)
        begun = [event for event in run.events if event.kind in (ENTER, CALL)]
        marked.append({event.name for event in begun if event.flags & RESTARTED})
    assert marked[0] == marked[1]
    assert bool(marked[0]) == (mode == "restart")


def test_job_control(subject: Path, tmp_path: Path) -> None:
    same([subject, "job", "parent"], *ON, "-e", FEW)
    same([subject, "job", "asleep"], *ON, "-e", FEW)
    run = record(tmp_path, [subject, "job", "asleep"], *ON, "-e", FEW)
    stops = [event for event in run.events if event.kind == GROUP_STOP]
    assert stops


def stops_of(*options: str) -> int:
    """Stops that tracing dd took, as the TRACE file's last frame tells."""
    from renacer_otel.ring import trace_file

    path = Path(options[-1])
    work = ["dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=2000", "status=none"]
    done = execute([*traced("--format", "record", *options[:-1], "-o", path), *work])
    assert (done.status, done.errors) == (0, "")
    end = trace_file.read(path).end
    assert end is not None
    return int(end["stops"])


def test_what_is_not_wanted_does_not_stop(tmp_path: Path) -> None:
    path = str(tmp_path / "run.renacer")
    assert stops_of("-e", "trace=openat", *OFF, path) > 8000
    assert stops_of("-e", "trace=openat", path) < 200


def test_the_text_is_the_same(tmp_path: Path) -> None:
    texts = []
    script = "cat /etc/passwd; cd /; test -e /no/such; exit 5"
    for mode in (ON, OFF):
        path = tmp_path / f"{mode[1]}.txt"
        before = traced(*mode, "-e", "trace=openat,execve,%stat", "-o", path)
        done = execute([*before, "sh", "-c", script])
        assert done.status == 5
        rest = [re.sub(r"^\d+ +", "", line) for line in path.read_text().splitlines()]
        rules = ((r"0x[0-9a-f]{5,}", "ADDRESS"), (r"pid=\d+", "pid"), (r"st_\w+=[^,}]*", "st"))
        texts.append(
            sorted(normalised(line, *rules) for line in rest if "resumed" not in line
                   and "unfinished" not in line and "SIGCHLD" not in line)
        )  # fmt: skip
    assert len(texts[0]) > 12
    assert texts[0] == texts[1]


# A 32-bit program, and a 64-bit one whose calls come by int 0x80.
PROGRAMS = {
    "32 bits": "b8 14000000 cd80  b8 40000000 cd80  b8 14000000 cd80  b8 01000000 bb 07000000 cd80",
}


def assembled(path: Path, code: str, bits: int) -> Path:
    """A static program of machine code alone."""
    import struct

    base = 0x400000
    body = bytes.fromhex(code)
    if bits == 32:
        head = b"\x7fELF\1\1\1" + bytes(9)
        entry, size = base + 84, 84 + len(body)
        head += struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, entry, 52, 0, 0, 52, 32, 1, 0, 0, 0)
        head += struct.pack("<IIIIIIII", 1, 0, base, base, size, size, 5, 4096)
    else:
        head = b"\x7fELF\2\1\1" + bytes(9)
        entry, size = base + 120, 120 + len(body)
        head += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0)
        head += struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 4096)
    path.write_bytes(head + body)
    path.chmod(0o755)
    return path


@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs x86_64")
@pytest.mark.parametrize(("name", "bits"), [("32 bits", 32), ("int 0x80", 64)])
def test_the_other_abi_of_the_machine(tmp_path: Path, name: str, bits: int) -> None:
    """getpid, getppid, getpid, exit(7) of i386; only getppid is wanted, of either ABI."""
    program = assembled(tmp_path / "program", PROGRAMS["32 bits"], bits)
    try:
        bare = execute([program])
    except OSError as error:
        pytest.skip(f"this kernel runs no 32-bit programs: {error.strerror}")
    if bare.status != 7:
        pytest.skip("this kernel knows no int 0x80")
    for how in (ON, OFF):
        run = record(tmp_path, [program], *how, "-e", "trace=getppid,execve")
        assert run.done.status == 7, name
        calls = [event for event in run.events if event.kind in (CALL, ENTER)]
        assert [event.name for event in calls] == ["execve", "getppid"]
        assert calls[1].result == os.getpid() or calls[1].result > 1


@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs x86_64")
def test_numbers_of_x32(tmp_path: Path) -> None:
    """getppid with x32's bit, then exit(5): with or without x32 in the kernel, it is told."""
    code = "b8 6e000040 0f05  b8 3c000000 bf 05000000 0f05"
    program = assembled(tmp_path / "program", code, 64)
    found = []
    for how in (ON, OFF):
        run = record(tmp_path, [program], *how, "-e", "trace=!read")
        assert run.done.status == 5
        calls = [event for event in run.events if event.kind in (CALL, ENTER)]
        found.append([(event.name, event.result) for event in calls][1:])
    assert found[0] == found[1]
    assert found[0][0][0] == "getppid"


def test_python_and_threads(tmp_path: Path) -> None:
    """A bigger program: threads, a child, a pipe."""
    script = (
        "import threading, subprocess, os\n"
        "ts = [threading.Thread(target=lambda: os.stat('/etc/passwd')) for _ in range(8)]\n"
        "[t.start() for t in ts]; [t.join() for t in ts]\n"
        "print(subprocess.run(['cat', '/etc/hostname'], stdout=-1).stdout == b'' )\n"
    )
    words = [sys.executable, "-ISc", script]
    for how in (ON, OFF):
        same(words, *how, "-e", "trace=openat,newfstatat,clone3")
    run = record(tmp_path, words, "-e", "trace=newfstatat,statx", *ON)
    assert sum(event.kind == EXEC for event in run.events) == 2


def test_a_fallback_leaves_it_out(subject: Path, tmp_path: Path) -> None:
    env = environment(RENACER_DISABLE="seccomp")
    words = [*traced("--verbose", "-e", FEW, "-o", tmp_path / "text"), subject, "mark", "3"]
    assert "seccomp filter off" in execute(words, env).errors
    assert "seccomp filter on" in execute(words).errors


@pytest.mark.parametrize("disable", ["get_syscall_info", "process_vm_readv"])
def test_with_other_fallbacks(subject: Path, tmp_path: Path, disable: str) -> None:
    words = [subject, "count", "2", "2", "5"]
    normal = record(tmp_path, words, *ON, "-e", SELECTION)
    other = record(tmp_path, words, *ON, "-e", SELECTION, env=environment(RENACER_DISABLE=disable))
    assert normal.done == other.done
    (tmp_path / "again").mkdir()
    again = record(tmp_path / "again", words, *ON, "-e", SELECTION)
    assert told(other.events) == told(again.events)


@pytest.mark.parametrize("policy", ["auto", "share", "free"])
@pytest.mark.parametrize("part", ["show", "others", "chosen", "crowd", "child"])
def test_the_cpus_of_a_filtered_program(subject: Path, part: str, policy: str) -> None:
    same([subject, "cpu", part], "--cpu", policy, *ON, "-e", "trace=getppid,read,openat")


def test_who_computes_without_stops_has_all_cpus(tmp_path: Path) -> None:
    """Sharing begins where stops are many; where they end, nobody may stay on one CPU."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs 2 CPUs")
    script = (
        "import os, time\n"
        "for _ in range(5000): os.getppid()\n"
        "mine, end = os.sched_getaffinity(0), time.monotonic() + 30\n"
        "def allowed():\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    (mask,) = [line.split()[1] for line in lines if line.startswith('Cpus_allowed:')]\n"
        "    return int(mask.replace(',', ''), 16).bit_count()\n"
        "while allowed() < len(mine):\n"
        "    assert time.monotonic() < end, 'it is still on one CPU'\n"
    )
    for policy in ("auto", "free"):
        before = traced("-o", tmp_path / "text", *ON, "-e", FEW, "--cpu", policy)
        done = execute([*before, sys.executable, "-ISc", script])
        assert (done.status, done.errors) == (0, "")
