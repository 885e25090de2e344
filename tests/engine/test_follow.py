# SPDX-License-Identifier: MIT
"""--follow and --max-depth: whom we trace of what the command starts, with and without a filter."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.engine.test_filter import OFF, ON
from tests.engine.tools import (
    END,
    EXEC,
    START,
    entries,
    execute,
    line_of,
    record,
    running,
    same,
    traced,
)

WAYS = {"filtered": ON, "not filtered": OFF}
CHOSEN = ("-e", "trace=getppid,execve,exit,exit_group")
way = pytest.mark.parametrize("how", WAYS)

# Processes of generations 0, 1, 2 and 3, each of which makes two calls of getppid.
GENERATIONS = (
    "import os, sys\n"
    "for depth in range(4):\n"
    "    os.getppid(); os.getppid()\n"
    "    if depth == 3: os._exit(0)\n"
    "    pid = os.fork()\n"
    "    if pid: os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
)


@way
@pytest.mark.parametrize(
    ("options", "processes"),
    [
        (("--follow", "threads"), 1),
        (("--follow", "children"), 2),
        (("--follow", "all"), 4),
        (("--max-depth", "0"), 1),
        (("--max-depth", "2"), 3),
        (("--follow", "children", "--max-depth", "7"), 2),
        (("--no-follow",), 1),
        ((), 4),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_generations(tmp_path: Path, how: str, options: tuple[str, ...], processes: int) -> None:
    import sys

    words = [sys.executable, "-ISc", GENERATIONS]
    run = record(tmp_path, words, *WAYS[how], *CHOSEN, *options)
    assert (run.done.status, run.done.errors) == (0, "")
    events = run.events
    assert len({event.pid for event in events}) == processes
    assert entries(events).count("getppid") == 2 * processes
    assert sum(event.kind == START for event in events) == processes
    assert sum(event.kind == END for event in events) == processes


@way
def test_threads_are_followed(subject: Path, tmp_path: Path, how: str) -> None:
    words = [subject, "count", "2", "3", "5"]  # processes, threads, marks
    run = record(tmp_path, words, *WAYS[how], *CHOSEN, "--follow", "threads")
    assert run.done == execute(words)
    events = run.events
    assert len({event.pid for event in events}) == 1
    assert len({event.tid for event in events}) == 3
    assert sum(event.kind == EXEC for event in events) == 1


@way
@pytest.mark.parametrize(
    "kind",
    ["fork", "vfork", "clone", "clone-vm", "clone-no-signal", "clone-parent", "clone3",
     "clone3-vfork", "posix_spawn", "thread", "thread-vfork", "thread-signal", "grandchild",
     "daemon"],
)  # fmt: skip
def test_births_of_every_kind(subject: Path, tmp_path: Path, how: str, kind: str) -> None:
    run = record(tmp_path, [subject, "births", kind], *WAYS[how], *CHOSEN, "--follow", "threads")
    assert run.done.status == 0, run.done
    tid = int(run.done.output.split()[0])
    events = run.events
    is_thread = kind.startswith("thread")
    assert len({event.pid for event in events}) == 1
    assert (tid in {event.tid for event in events}) == is_thread
    assert entries(events).count("getppid") == is_thread


@way
def test_who_is_not_followed_is_left_alone(subject: Path, how: str) -> None:
    same([subject, "crowd", "together", "50"], *WAYS[how], *CHOSEN, "--follow", "threads")
    same([subject, "signals", "once"], *WAYS[how], *CHOSEN, "--follow", "threads")
    same([subject, "job", "parent"], *WAYS[how], *CHOSEN, "--follow", "threads")
    for policy in ("share", "auto"):
        options = (*WAYS[how], *CHOSEN, "--follow", "threads", "--cpu", policy)
        same([subject, "cpu", "child"], *options)
        same([subject, "cpu", "crowd"], *options)


def test_without_a_filter_they_have_no_tracer(tmp_path: Path) -> None:
    script = "grep TracerPid /proc/self/status; exit 3"
    seen = execute([*traced("-o", os.devnull, *OFF, "--follow", "threads"), "sh", "-c", script])
    assert (seen.output, seen.status) == ("TracerPid:\t0\n", 3)


@pytest.mark.parametrize("options", [["--follow", "threads"], ["--no-follow"]])
def test_an_unfollowed_child_outlives_the_tracer(options: list[str]) -> None:
    """It holds our standard output open; the tracer must not wait for it."""
    script = "exec 3<&0; (read line; echo $line) <&3 & echo gone"
    process = subprocess.Popen(
        [*map(str, traced("-o", os.devnull, *options)), "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.wait(30) == 0
        output, _ = process.communicate("later\n", 30)
    finally:
        process.kill()
        process.wait()
    assert output == "gone\nlater\n"


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--follow", "thread"), "did you mean threads?"),
        (("--max-depth", "-1"), "0 to 1000000"),
        (("--max-depth", "x"), "whole number"),
        (("--no-follow", "--follow", "all"), "contradict"),
        (("--seccomp-bpf", "yes"), "auto, on"),
        (("--seccomp-bpf", "on"), "every call is asked for"),
        (("--seccomp-bpf", "on", "-e", "trace=all"), "every call is asked for"),
        (("--seccomp-bpf", "on", "-e", "trace=openat", "--for", "5s"), "--for lets go"),
    ],
)
def test_wrong_words(options: tuple[str, ...], part: str) -> None:
    done = execute([*traced(*options), "true"])
    assert done.status == 125
    assert done.errors.count("\n") == 1
    assert part in done.errors


# --- what the command leaves running ----------------------------------------------------------

LEFT = (
    "import os, signal, sys\n"
    "if os.fork(): os._exit(3)\n"
    "os.setsid()\n"
    "def told(number, frame):\n"
    "    print('signal', number, flush=True)\n"
    "    if number != signal.SIGUSR1: os._exit(0)\n"
    "for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1): signal.signal(number, told)\n"
    "print('ready', os.getpid(), flush=True)\n"
    "while True: signal.pause()\n"
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_leftovers_of_a_filtered_command_get_the_signal(tmp_path: Path, number: int) -> None:
    """They cannot be let go; so we pass signals on, and end when they have."""
    import sys

    errors = (tmp_path / "errors").open("w+")
    words = [*traced("-o", tmp_path / "text", *ON, *CHOSEN), sys.executable, "-ISc", LEFT]
    with errors, running(words, stderr=errors) as process:
        assert line_of(process).startswith("ready ")
        wait_for_the_end_of_the_command(tmp_path / "text")
        process.send_signal(signal.SIGUSR1)
        assert line_of(process) == f"signal {int(signal.SIGUSR1)}"
        process.send_signal(number)
        assert line_of(process) == f"signal {int(number)}"
        assert process.wait(30) == 3
        errors.seek(0)
        assert errors.read().count("cannot go on untraced") == 1


def test_leftovers_without_a_filter_are_let_go(tmp_path: Path) -> None:
    import sys

    words = [*traced("-o", tmp_path / "text", *OFF, *CHOSEN), sys.executable, "-ISc", LEFT]
    with running(words, stderr=subprocess.PIPE) as process:
        pid = int(line_of(process).split()[1])
        try:
            wait_for_the_end_of_the_command(tmp_path / "text")
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 3
            status = Path(f"/proc/{pid}/status").read_text()
            assert "TracerPid:\t0\n" in status
        finally:
            os.kill(pid, signal.SIGKILL)
            if process.stderr:
                process.stderr.close()


def wait_for_the_end_of_the_command(text: Path) -> None:
    """Until the trace says that the first process has ended; then a signal is for what is left."""
    import time

    deadline = time.monotonic() + 30
    while "+++ exited with 3 +++" not in text.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
