# SPDX-License-Identifier: MIT
"""Signals reach the traced as they would reach the untraced; and us, as they should."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from renacer_otel.ring import trace_file
from tests.engine.tools import (
    END,
    ENTER,
    EXIT,
    SIGNAL,
    START,
    environment,
    execute,
    export,
    facts,
    line_of,
    read_events,
    ready_pid,
    record,
    running,
    same,
    traced,
)

QUIET = ("-o", os.devnull)


@pytest.mark.parametrize("what", ["once", "thread", "faults"])
def test_delivered_once_to_the_right_thread_with_its_information(subject: Path, what: str) -> None:
    done = same([subject, "signals", what])
    assert done.status == 0
    assert done.output


@pytest.mark.parametrize("mode", ["restart", "eintr"])
def test_interrupted_calls(subject: Path, mode: str) -> None:
    done = same([subject, "interrupt", mode])
    assert done.status == 0
    interrupted = done.output.count("Interrupted system call")
    assert interrupted == (8 if mode == "restart" else 12)


def test_what_a_signal_cut_short_is_marked(subject: Path, tmp_path: Path) -> None:
    run = record(tmp_path, [subject, "interrupt", "restart"])
    reads = [event for event in run.events if event.name == "read" and event.flags & 2]
    assert reads, "a read was interrupted"
    for event in reads:
        assert event.result in (-512, -513, -514, -516)
    again = [event for event in run.events if event.name == "read" and event.flags & 4]
    assert len(again) >= len(reads)


def test_signals_are_recorded(subject: Path, tmp_path: Path) -> None:
    run = record(tmp_path, [subject, "signals", "once"])
    found = [event for event in run.events if event.kind == SIGNAL]
    told = run.done.output.splitlines()
    main = found[0].tid
    trace = read_numbers(tmp_path / "run.renacer")
    ours = [number for number, tid in trace if tid == main]
    assert ours == [int(line.split()[0]) for line in told]


def read_numbers(path: Path) -> list[tuple[int, int]]:
    events = trace_file.read(path).events
    chosen = events[events["kind"] == SIGNAL]
    return [(int(event["nr"]), int(event["tid"])) for event in chosen]


# What a caller leaves to the programs that it starts. SIGPIPE and SIGXFSZ are not among them:
# Python ignores both before any code of ours runs, and forgets what they were.
CALLERS = [
    ["env"],
    ["sh", "-c", 'trap "" INT HUP TERM; "$@"; exit', "sh"],
    ["env", "--ignore-signal=INT,USR1,CHLD,TSTP,RTMAX-2"],
    ["env", "--block-signal=USR2,RTMAX-2,RTMAX,TERM,CHLD"],
    ["env", "--default-signal"],
]


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: " ".join(caller)[:40])
def test_masks_and_ignored_signals_are_the_caller_s(caller: list[str]) -> None:
    show = ["grep", "-E", "Sig(Blk|Ign|Cgt)", "/proc/self/status"]
    bare = execute([*caller, *show])
    seen = execute([*caller, *traced(*QUIET), *show])
    assert seen == bare


def test_a_closed_pipe_ends_a_writer_as_under_a_shell() -> None:
    words = ["bash", "-c", 'yes | head -n 1; echo "${PIPESTATUS[0]}"']
    done = same(words)
    assert done.output == f"y\n{128 + signal.SIGPIPE}\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
def test_signals_to_the_tracer_are_for_the_command(subject: Path, number: int) -> None:
    words = [*traced(*QUIET), subject, "signals", "handles", str(int(number))]
    with running(words) as process:
        ready_pid(process)
        process.send_signal(number)
        assert line_of(process) == "handled"
        assert process.wait(30) == 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_the_tracer_ends_by_the_signal_that_ended_the_command(subject: Path, number: int) -> None:
    words = [*traced(*QUIET), subject, "signals", "dies-of", str(int(number))]
    with running(words) as process:
        ready_pid(process)
        process.send_signal(number)
        assert process.wait(30) == -number


def test_each_signal_is_passed_on_once(subject: Path) -> None:
    words = [*traced(*QUIET), subject, "signals", "counts", str(int(signal.SIGUSR1))]
    with running(words) as process:
        ready_pid(process)
        for number in range(1, 6):
            process.send_signal(signal.SIGUSR1)
            assert line_of(process) == str(number)
        process.terminate()
        assert line_of(process) == "end 5"
        assert process.wait(30) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_whole_group_comes_once(number: int) -> None:
    """As from systemd, a shell's `kill %1` or a lost terminal: to us and to the command."""
    script = (
        "import os, signal, sys, time\n"
        "seen = []\n"
        "signal.signal(int(sys.argv[1]), lambda *_: seen.append(os.write(1, b'seen\\n')))\n"
        "print('ready', flush=True)\n"
        "while not seen:\n"
        "    time.sleep(0.05)\n"
        "until = time.monotonic() + 0.5\n"  # for another
        "while time.monotonic() < until:\n"
        "    time.sleep(0.05)\n"
        "print('end')\n"
    )
    words = [*traced(*QUIET), sys.executable, "-ISc", script, str(int(number))]
    with running(words, start_new_session=True) as process:
        assert line_of(process) == "ready"
        os.killpg(process.pid, number)
        assert line_of(process) == "seen"
        assert line_of(process) == "end"
        assert process.wait(30) == 0


def test_an_interrupt_of_the_tracer_alone_is_not_the_command_s(subject: Path) -> None:
    """Ctrl-C reaches the command from the terminal; to us it says nothing."""
    words = [*traced(*QUIET), subject, "signals", "counts", str(int(signal.SIGUSR1))]
    with running(words) as process:
        ready_pid(process)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGUSR1)
        assert line_of(process) == "1"
        process.terminate()
        assert line_of(process) == "end 1"
        assert process.wait(30) == 0


@pytest.mark.parametrize("code", [0, 1, 3, 125, 127, 255])
def test_exit_codes(subject: Path, code: int) -> None:
    assert same([subject, "death", "exit", str(code)]).status == code


@pytest.mark.parametrize("number", [1, 2, 3, 6, 9, 11, 13, 14, 15, 24, 31, 34, 64])
def test_death_by_signals(subject: Path, tmp_path: Path, number: int) -> None:
    # In a folder of its own: some of them leave a core where that is allowed.
    assert same([subject, "death", "signal", str(number)], cwd=tmp_path).status == -number


def gone(descriptor: int, limit: float = 20.0) -> bool:
    """Whether the process of a pidfd ends within the limit."""
    return bool(select.select([descriptor], [], [], limit)[0])


def wait_until_gone(pid: int) -> None:
    """Until a process that is about to end is no more."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert gone(descriptor)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("options", [(), ("--cpu", "free")])
def test_a_killed_tracer_takes_the_command_along(subject: Path, options: tuple[str, ...]) -> None:
    words = [*traced(*QUIET, *options), subject, "death", "busy"]
    with running(words) as process:
        command = os.pidfd_open(ready_pid(process))
        try:
            process.kill()
            assert gone(command)
        finally:
            os.close(command)


def test_a_killed_tracer_takes_blocked_children_along() -> None:
    script = "exec 3<&0; sh -c 'echo ready $$; read x' <&3 & wait"
    with running([*traced(*QUIET), "sh", "-c", script]) as process:
        child = os.pidfd_open(ready_pid(process))
        try:
            process.kill()
            assert gone(child)
        finally:
            os.close(child)


def test_killed_at_any_moment(subject: Path, tmp_path: Path, test_scale: int) -> None:
    """Whoever kills the command, whenever: the record is whole, and we end as it did."""
    number = 30 * test_scale
    for turn in range(number):
        path = tmp_path / f"{turn}.renacer"
        words = [*traced("--format", "record", "-o", path), subject, "death", "busy"]
        with running(words) as process:
            pid = ready_pid(process)
            # Not to wait for something: to be at another moment each time.
            time.sleep(0.0007 * turn / test_scale)
            os.kill(pid, signal.SIGKILL)
            assert process.wait(30) == -signal.SIGKILL
        check_record(path, pid)


def check_record(path: Path, pid: int) -> None:
    """Each thread that began has ended, with nothing behind its end."""
    living: set[int] = set()
    inside: dict[int, str] = {}
    for event in read_events(path):
        if event.kind == START:
            assert event.tid not in living
            living.add(event.tid)
        elif event.kind == END:
            living.remove(event.tid)
            inside.pop(event.tid, None)
        else:
            assert event.tid in living
        if event.kind == ENTER:
            inside[event.tid] = event.name
        elif event.kind == EXIT:
            assert inside.pop(event.tid) == event.name
        if event.kind == END and event.tid == pid:
            assert event.args[1] == signal.SIGKILL
    assert not living
    assert not inside


def test_killed_inside_a_call(tmp_path: Path) -> None:
    run = export(["sh", "-c", "sh -c 'kill -9 $$'; read x; kill -9 $$"])
    assert run.done.status == -signal.SIGKILL
    run.check_tree()
    for span in run.processes:
        assert facts(span)["error.type"] == "SIGKILL"
    for kill in run.named("kill"):
        assert facts(kill)["renacer.unfinished"] is True
        assert kill.end_time_unix_nano >= kill.start_time_unix_nano
    assert len(run.named("kill")) == 2


def test_one_of_many_is_killed_and_the_others_go_on(subject: Path) -> None:
    """Children are killed at odd moments by their parent, which sees what it would see."""
    script = (
        "import os, signal\n"
        "for turn in range(60):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        while True:\n"
        "            os.getppid()\n"
        "    for _ in range(turn):\n"
        "        os.getppid()\n"
        "    os.kill(pid, signal.SIGKILL)\n"
        "    assert os.waitpid(pid, 0)[1] == 9\n"
        "print('all')\n"
    )
    done = same([sys.executable, "-ISc", script], env=environment())
    assert done.output == "all\n"


def left_behind_is_let_go(
    path: Path, number: int, *options: str, disable: str = "", told_before: int = 0
) -> None:
    """With the command gone, a signal to us is for us; what still runs goes on, untraced.

    `told_before`: lines on standard error that come before what is told of that.
    """
    script = (
        "exec 3<&0; (trap '' INT QUIT; read line; echo $line; grep Tracer /proc/self/status) <&3 &"
        " echo ready $$; exit 4"
    )
    words = [*traced("--format", "record", "-o", path, *options), "sh", "-c", script]
    env = environment(RENACER_DISABLE=disable)
    with running(words, stderr=subprocess.PIPE, env=env) as process:
        wait_until_gone(ready_pid(process))
        process.send_signal(number)
        assert process.wait(60) == 4
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(told_before + 1)]
        assert "untraced" in lines[-1]
        process.stderr.close()
        assert process.stdin is not None
        process.stdin.write("still here\n")
        process.stdin.flush()
        assert line_of(process) == "still here"
        assert line_of(process).split() == ["TracerPid:", "0"]
    assert read_events(path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_what_the_command_left_behind_is_let_go(tmp_path: Path, number: int) -> None:
    left_behind_is_let_go(tmp_path / "run.renacer", number)


def test_busy_ones_are_let_go(subject: Path) -> None:
    """Threads and children in the middle of calls and births; nothing happens to them."""
    script = f"{subject} death busy & echo shell $$; exit 4"
    with running([*traced(*QUIET), "sh", "-c", script]) as process:
        pids = dict(line_of(process).split() for _ in range(2))
        wait_until_gone(int(pids["shell"]))
        busy = os.pidfd_open(int(pids["ready"]))
        try:
            process.terminate()
            assert process.wait(30) == 4
            assert not gone(busy, 0.2)
            assert "TracerPid:\t0" in Path(f"/proc/{pids['ready']}/status").read_text()
            signal.pidfd_send_signal(busy, signal.SIGKILL)
            assert gone(busy)
        finally:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(busy, signal.SIGKILL)
            os.close(busy)
