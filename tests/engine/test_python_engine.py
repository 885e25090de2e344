# SPDX-License-Identifier: MIT
"""The python engine against the native one: the same records of the same subjects."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections import defaultdict
from pathlib import Path
from signal import SIGCHLD

import pytest

import renacer_otel
from tests.engine.tools import (
    CALL,
    END,
    ENTER,
    EXEC,
    EXIT,
    RESTARTED,
    SIGNAL,
    START,
    UNFINISHED,
    Event,
    execute,
    export,
    facts,
    record,
    running,
    same,
    traced,
    without_restarts,
)

PYTHON = ("--engine", "python")
ADDRESSES = 1 << 20  # arguments and results from here on differ from run to run


def stories(events: list[Event]) -> list[list[tuple[object, ...]]]:
    """What each thread did, in order, without ids and addresses; threads by their first event."""
    told: dict[int, list[tuple[object, ...]]] = defaultdict(list)
    for event in without_restarts(events):
        told[event.tid] += _facts(event)
    return sorted(told.values(), key=repr)


# A child's end comes when it comes: its signal, and what that makes of the wait for it.
GIVE_IDS = {"clone", "fork", "vfork", "clone3", "getpid", "gettid", "set_tid_address", "getppid",
            "getpgrp", "getpgid", "getsid"}  # fmt: skip
BY_CHANCE = {"rt_sigreturn", "wait4", "rt_sigsuspend"}


def _facts(event: Event) -> list[tuple[object, ...]]:
    if event.name in BY_CHANCE or (event.kind == SIGNAL and event.name == f"#{SIGCHLD:d}"):
        return []
    if event.kind in (ENTER, CALL, EXIT):
        found: list[tuple[object, ...]] = []
        if event.kind != EXIT:
            found.append(("enter", event.name))
        if event.kind != ENTER:
            small = -4096 < event.result < ADDRESSES
            mine = "id" if event.name in GIVE_IDS and event.result > 0 else ""
            result = mine or (event.result if small else "address")
            again = RESTARTED if event.name in GIVE_IDS else 0  # see without_restarts()
            found.append(("exit", event.name, result, event.flags & ~(UNFINISHED | again)))
        return found
    if event.kind == EXEC:
        return [("exec",)]
    if event.kind == START:
        return [("start", event.args[4])]
    if event.kind == END:
        return [("end", event.args[1], event.args[2])]
    return [(event.kind, event.name if event.kind == SIGNAL else "", event.args[0])]


SCRIPTS = {
    "pipe": "echo one | cat | cat >/dev/null",
    "exit": "(exit 3); exit 4",
    "signal": "trap : USR1; kill -USR1 $$; kill -TERM $$",
    "exec": "exec /bin/true",
    "missing": "/no/such/program; cat /no/such/file",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_same_records_as_the_native_engine(tmp_path: Path, name: str) -> None:
    words = ["/bin/sh", "-c", SCRIPTS[name]]
    seen = {}
    for engine in ("ptrace", "python"):
        folder = tmp_path / engine
        folder.mkdir()
        run = record(folder, words, "--engine", engine)
        seen[engine] = (run.done, stories(run.events))
    assert len(seen["ptrace"][1][0]) > 2
    assert seen["python"] == seen["ptrace"]


@pytest.mark.parametrize("engine", ["ptrace", "python"])
def test_sequence_has_no_holes(tmp_path: Path, engine: str) -> None:
    events = record(tmp_path, ["/bin/sh", "-c", "ls / | cat"], "--engine", engine).events
    following = 1
    for event in events:
        assert event.seq == following
        following += 2 if event.kind == CALL else 1


def test_behaves_as_bare() -> None:
    code = (
        "import os, signal, subprocess, threading, sys\n"
        "ts = [threading.Thread(target=os.getpid) for _ in range(20)]\n"
        "[t.start() for t in ts]; [t.join() for t in ts]\n"
        "print(subprocess.run(['/bin/echo', 'child'], capture_output=True).stdout)\n"
        "print(signal.getsignal(signal.SIGXFSZ), os.environ.get('LC_CTYPE'))\n"
        "print(open('/proc/self/status').read().count('SigIgn'))\n"
        "sys.exit(7)\n"
    )
    assert same([sys.executable, "-c", code], *PYTHON).status == 7
    # What Python ignores and blocks for itself, the command does not have.
    same(["grep", "^Sig[BI]", "/proc/self/status"], *PYTHON)
    same(["/bin/sh", "-c", "kill -SEGV $$"], *PYTHON)
    same(["ls", "/proc/self/fd"], *PYTHON)


@pytest.mark.parametrize("how", ["thread", "orphan"])
def test_exec_from_a_thread_that_is_not_the_first(subject: Path, tmp_path: Path, how: str) -> None:
    run = record(tmp_path, [subject, "exec", how, subject, "mark", "3"], *PYTHON)
    assert run.done.status == 0
    events = run.events
    pid = events[0].pid
    execs = [event for event in events if event.kind == EXEC]
    former = execs[1].args[1]
    assert (len(execs), execs[1].tid, former != pid) == (2, pid, True)
    ends = [event.tid for event in events if event.kind == END]
    assert len(ends) == len(set(ends))
    assert former not in ends


def test_group_stop_and_its_end(tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["/bin/sh", "-c", "echo $$; read line"]
    with running([*traced("-o", out, *PYTHON), *words]) as process:
        assert process.stdout
        assert process.stdin
        pid = int(process.stdout.readline())
        os.kill(pid, signal.SIGSTOP)
        while "--- stopped by SIGSTOP ---" not in out.read_text():
            os.sched_yield()
        process.stdin.write("go\n")
        process.stdin.flush()
        os.kill(pid, signal.SIGCONT)
        assert process.wait(60) == 0
    text = out.read_text()
    assert text.count("stopped by") == 1
    signals = re.findall(r"--- (SIG\w+) {", text)
    assert signals == ["SIGSTOP", "SIGCONT"]
    # It stood still in between.
    assert text.index("stopped by") < text.index('read(0, "g", 1)')


def test_it_dies_with_us(tmp_path: Path) -> None:
    words = [*traced("-o", tmp_path / "out", *PYTHON), "/bin/sh", "-c", "echo $$; read line"]
    with running(words) as process:
        assert process.stdout
        pid = int(process.stdout.readline())
        process.kill()
        process.wait()
        # Its end of our pipe closes when it is gone.
        assert process.stdout.read() == ""
    while Path(f"/proc/{pid}").exists():  # it is on its way: nobody holds it
        os.sched_yield()


@pytest.mark.parametrize(
    ("words", "status"), [(["/no/such"], 127), (["/etc/passwd"], 126), (["false"], 1)]
)
def test_exit_codes(words: list[str], status: int) -> None:
    assert execute([*traced("-o", "/dev/null", *PYTHON), *words]).status == status


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes someone else")
def test_user(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    # By their places: PATH may lead through folders that another user may not enter.
    tools = "PATH=/usr/bin:/bin; id -u; id -g; id -G; grep CapEff /proc/self/status"
    words = ["/bin/sh", "-c", tools]
    seen = [
        execute([*traced("-o", "/dev/null", "-u", "nobody", "--engine", engine), *words])
        for engine in ("ptrace", "python")
    ]
    assert [done.status for done in seen] == [0, 0]
    assert seen[0].output == seen[1].output
    assert int(seen[1].output.split()[0]) != 0


def test_selection_paths_and_hostile_strings(tmp_path: Path) -> None:
    out = tmp_path / "out"
    name = tmp_path / "a\n\x1b[31mb\udcff"
    code = f"import os; fd = os.open({os.fsencode(name)!r}, 65); os.write(fd, b'x' * 100)"
    words = [*traced("-o", out, "-e", "trace=openat,write", *PYTHON), sys.executable, "-c", code]
    assert execute(words).status == 0
    lines = out.read_bytes()
    assert b"\x1b" not in lines
    assert rb"a\n\33[31mb\377" in lines or rb"a\n\x1b[31mb\xff" in lines
    assert b'"' + b"x" * 32 + b'"..., 100) = 100' in lines
    assert set(re.findall(rb"(?m)^\d+ +(\w+)\(", lines)) == {b"openat", b"write"}
    words = [*traced("-o", out, "-P", "/etc/passwd", *PYTHON), "cat", "/etc/passwd", "/etc/group"]
    assert execute(words).status == 0
    shown = out.read_text()
    assert "/etc/passwd" in shown
    assert "read(" in shown
    assert "/etc/group" not in shown


def test_spans_and_summary() -> None:
    run = export(["/bin/sh", "-c", "/bin/true; /bin/true"], *PYTHON)
    run.check_tree()
    assert len(run.processes) >= 2
    assert facts(run.root)["renacer.engine"] == "python"
    assert run.named("execve")
    done = execute([*traced("-c", *PYTHON), "true"])
    assert "execve" in done.errors


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["-p", "1"], "cannot attach"),
        (["--for", "1s"], "--for"),
        (["--seccomp-bpf", "on", "-e", "trace=read"], "seccomp"),
        (["--cpu", "share"], "CPU"),
        (["-D"], "-D"),
        (["-y"], "-y"),
        (["--decode-fds=socket"], "--decode-fds"),
    ],
)
def test_what_it_cannot_do_is_refused(options: list[str], says: str) -> None:
    done = execute([*traced(*PYTHON, *options), "true"])
    assert done.status == 125
    (line,) = done.errors.splitlines()
    assert says in line


def test_without_the_extra(tmp_path: Path) -> None:
    """Where python-ptrace is not installed: one line, with the command that installs it."""
    (tmp_path / "ptrace.py").write_text("raise ImportError('not here')\n")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = execute([*traced(*PYTHON), "true"], env)
    assert done.status == 125
    (line,) = done.errors.splitlines()
    assert "pip install 'renacer-otel[python]'" in line


def test_python_ptrace_is_imported_in_one_file() -> None:
    users = [
        path.name
        for path in Path(renacer_otel.__file__).parent.rglob("*.py")
        if re.search(r"^\s*(from|import) ptrace\b", path.read_text(encoding="utf-8"), re.M)
    ]
    assert users == ["python_ptrace.py"]
