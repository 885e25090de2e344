# SPDX-License-Identifier: MIT
"""Stopped and continued by others: the stop holds, parents see it, sleeps last their time."""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path

from renacer_otel.ring import trace_file
from tests.engine.tools import (
    GROUP_STOP,
    execute,
    line_of,
    ready_pid,
    record,
    running,
    same,
    traced,
)


def test_a_parent_sees_stops_and_continuations(subject: Path) -> None:
    done = same([subject, "job", "parent"])
    assert done.status == 0
    assert done.output.count("stopped by") == 5
    assert done.output.count("continued") == 4
    assert done.output.endswith(f"killed by {int(signal.SIGKILL)}\n")


def test_a_stopped_sleep_lasts_its_whole_time(subject: Path) -> None:
    done = same([subject, "job", "asleep"])
    assert done.output.endswith("exited with 0\n")


def test_stops_are_recorded(subject: Path, tmp_path: Path) -> None:
    run = record(tmp_path, [subject, "job", "asleep"])
    assert run.done.status == 0
    events = trace_file.read(run.path).events
    stops = events[events["kind"] == GROUP_STOP]["nr"].tolist()
    assert stops == [signal.SIGSTOP, 0]


def state_of(pid: int) -> str:
    """State letter of a process."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_stop_holds_until_it_is_continued(subject: Path) -> None:
    """The command, stopped by somebody else, does nothing; then it goes on as before."""
    words = [*traced("-o", os.devnull), subject, "signals", "counts", str(int(signal.SIGUSR1))]
    with running(words) as process:
        pid = ready_pid(process)
        os.kill(pid, signal.SIGSTOP)
        while state_of(pid) not in "tT":
            os.sched_yield()
        os.kill(pid, signal.SIGUSR1)
        assert process.stdout is not None
        assert not select.select([process.stdout], [], [], 0.3)[0], "it does not run"
        os.kill(pid, signal.SIGCONT)
        assert line_of(process) == "1"
        process.terminate()
        assert line_of(process) == "end 1"
        assert process.wait(30) == 0


def test_a_stopped_command_can_be_killed(subject: Path) -> None:
    words = [*traced("-o", os.devnull), subject, "signals", "dies-of", "15"]
    with running(words) as process:
        pid = ready_pid(process)
        os.kill(pid, signal.SIGSTOP)
        while state_of(pid) not in "tT":
            os.sched_yield()
        os.kill(pid, signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL


def test_the_tracer_is_stopped_and_continued(subject: Path) -> None:
    """With us stopped the command waits at its next call; nothing of it is lost."""
    words = [*traced("-o", os.devnull), subject, "signals", "counts", str(int(signal.SIGUSR1))]
    with running(words) as process:
        pid = ready_pid(process)
        process.send_signal(signal.SIGSTOP)
        while state_of(process.pid) != "T":
            os.sched_yield()
        os.kill(pid, signal.SIGUSR1)
        assert process.stdout is not None
        assert not select.select([process.stdout], [], [], 0.1)[0]
        process.send_signal(signal.SIGCONT)
        assert line_of(process) == "1"
        process.terminate()
        assert line_of(process) == "end 1"
        assert process.wait(30) == 0


def test_a_stop_before_the_first_call(tmp_path: Path) -> None:
    """A child that its parent stops as soon as it is there, many times over."""
    script = (
        "import os, signal\n"
        "for turn in range(40):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        os.getppid()\n"
        "        os._exit(3)\n"
        "    os.kill(pid, signal.SIGSTOP)\n"
        "    status = os.waitpid(pid, os.WUNTRACED)[1]\n"
        "    if os.WIFSTOPPED(status):\n"
        "        os.kill(pid, signal.SIGCONT)\n"
        "        status = os.waitpid(pid, 0)[1]\n"
        "    assert os.waitstatus_to_exitcode(status) == 3, status\n"
        "print('all')\n"
    )
    done = execute([*traced("-o", os.devnull), sys.executable, "-ISc", script])
    assert (done.status, done.output) == (0, "all\n"), done.errors
