# SPDX-License-Identifier: MIT
"""Attached to while they run, and let go of again: processes see nothing of it."""

from __future__ import annotations

import calendar
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from renacer_otel.exporters.receiver import Receiver
from tests.engine.attaching import (
    attached,
    call_of,
    detach,
    last_words,
    settled,
    stat_of,
    tell,
    tracer_of,
    until,
)
from tests.engine.tools import (
    BIRTHS,
    END,
    LIMIT,
    PROGRAM,
    SIGNAL,
    START,
    Spans,
    entries,
    environment,
    facts,
    line_of,
    read_events,
    ready_pid,
    running,
)

# signal(7): what fails with EINTR after a stop signal; the kernel restarts all others unseen.
NOT_RESTARTED = {"epoll_wait", "semop", "sigwaitinfo", "io_getevents", "recv-timeout"}
RESTARTED = {
    "read", "poll", "poll-timeout", "select", "futex", "futex-timeout", "accept", "msgrcv",
    "nanosleep", "clock_nanosleep", "waitpid",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(RESTARTED | NOT_RESTARTED))
def test_a_blocking_call_goes_on(subject: Path, tmp_path: Path, name: str) -> None:
    """Attached to and let go of inside it, twice; then it ends as it would have."""
    with running([subject, "attached", "blocking", name]) as process:
        pid, thread = map(int, line_of(process).split()[1:])
        until(lambda: settled(thread))
        before = call_of(thread)
        for turn in range(2):
            with attached(pid, "-o", tmp_path / f"trace-{turn}") as tracer:
                if "sleep" not in name and name != "io_getevents":
                    until(lambda: settled(thread))
                    assert before in (call_of(thread), "0") or call_of(thread) == "219"
                detach(tracer)
        tell(process)
        interrupted = 2 if name in NOT_RESTARTED else 0
        words = last_words(process).split()
        assert words[0::2] == ["interrupted", "failed", "done"]
        count, failed, done = map(int, words[1::2])
        assert (failed, done) == (0, 1)
        assert count <= interrupted
        assert process.wait(LIMIT) == 0


def test_registers_memory_and_cpus_are_left_alone(subject: Path) -> None:
    with running([subject, "attached", "registers"]) as process:
        pid = ready_pid(process)
        cpus = os.sched_getaffinity(pid)
        for _ in range(3):
            with attached(pid, "-o", os.devnull) as tracer:
                tell(process)
                assert line_of(process) == f"asked: {len(cpus)} CPUs"
                for thread in os.listdir(f"/proc/{pid}/task"):
                    assert os.sched_getaffinity(int(thread)) == cpus
                detach(tracer)
        assert last_words(process) == "changed 0"
        assert process.wait(LIMIT) == 0


def until_born(pid: int, number: int) -> None:
    """Until so many more children of a process have been seen."""

    def children() -> set[str]:
        lists = Path(f"/proc/{pid}/task").glob("*/children")
        found: set[str] = set()
        for path in lists:
            with suppress(OSError):  # a thread that has just ended
                found.update(path.read_text().split())
        return found

    there = children()
    seen = set(there)

    def enough() -> bool:
        seen.update(children())
        return len(seen) >= len(there) + number

    until(enough)


def test_all_threads_and_what_is_born_later(subject: Path, tmp_path: Path) -> None:
    """Threads and children come and go while we attach; every one from then on is there."""
    with running([subject, "attached", "births"]) as process:
        pid = ready_pid(process)
        for turn in range(3):
            path = tmp_path / f"{turn}.renacer"
            with attached(pid, "--format", "record", "-o", path) as tracer:
                until_born(pid, 3)
                detach(tracer)
            events = read_events(path)
            births = {event.tid: event.args[4] for event in events if event.kind == START}
            assert births[pid] == BIRTHS.index("attach")
            threads = [event for event in events if event.kind == START and event.tid != event.pid]
            assert threads
            assert {event.pid for event in threads} == {pid}
            later = [e for e in events if e.kind == START and e.tid == e.pid and e.tid != pid]
            assert later
            assert {event.args[2] for event in later} == {pid}
            for event in later[1:-1]:
                calls = entries(events, event.tid)
                assert calls.count("getppid") == 2
                assert calls[-1] == "exit_group"
        assert last_words(process) == "threads 1 children 1"
        assert process.wait(LIMIT) == 0


def test_a_stopped_process_stays_stopped(subject: Path) -> None:
    with running([subject, "attached", "echo"]) as process:
        pid = ready_pid(process)
        os.kill(pid, signal.SIGSTOP)
        until(lambda: stat_of(pid) == "T")
        with attached(pid, "-o", os.devnull) as tracer:
            until(lambda: stat_of(pid) == "t")
            tell(process)
            time.sleep(0.05)
            assert stat_of(pid) == "t"
            detach(tracer)
        until(lambda: stat_of(pid) == "T")
        with attached(pid, "-o", os.devnull) as tracer:
            os.kill(pid, signal.SIGCONT)
            assert line_of(process) == "echo"
            detach(tracer)
        tell(process)
        assert line_of(process) == "echo"


def test_stopped_while_attached_it_stays_stopped(subject: Path) -> None:
    with running([subject, "attached", "echo"]) as process:
        pid = ready_pid(process)
        with attached(pid, "-o", os.devnull) as tracer:
            until(lambda: settled(pid))
            os.kill(pid, signal.SIGSTOP)
            until(lambda: stat_of(pid) == "t")
            detach(tracer)
        until(lambda: stat_of(pid) == "T")
        os.kill(pid, signal.SIGCONT)
        tell(process)
        assert line_of(process) == "echo"


def test_a_parent_in_vfork(subject: Path) -> None:
    """It cannot stop before its child goes on; attached to and let go of all the same."""
    with running([subject, "attached", "vfork"]) as process:
        pid = ready_pid(process)
        until(lambda: stat_of(pid) == "D")
        with attached(pid, "-o", os.devnull) as tracer:
            time.sleep(0.02)
            detach(tracer)
        (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        with attached(f"{pid},{child}", "-o", os.devnull) as tracer:
            until(lambda: settled(int(child)))
            detach(tracer)
        assert stat_of(pid) == "D"
        tell(process)
        assert last_words(process) == "child 7"
        assert process.wait(LIMIT) == 0


def test_a_vfork_that_is_traced_from_its_start(subject: Path) -> None:
    with running(["sh", "-c", 'read x; exec "$@"', "sh", subject, "attached", "vfork"]) as process:
        with attached(process.pid, "-o", os.devnull) as tracer:
            tell(process)
            pid = ready_pid(process)
            until(lambda: stat_of(pid) == "D")
            detach(tracer)
        tell(process)
        assert last_words(process) == "child 7"


def test_the_first_thread_has_ended(subject: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.renacer"
    with running([subject, "attached", "leaderless"]) as process:
        pid = ready_pid(process)
        until(lambda: stat_of(pid) == "Z")
        with attached(pid, "--format", "record", "-o", path) as tracer:
            for _ in range(3):
                tell(process)
            assert process.stdin is not None
            process.stdin.close()
            process.stdin = None
            assert process.wait(LIMIT) == 6
            assert tracer.wait(LIMIT) == 0
    assert entries(read_events(path)).count("getppid") == 3


def test_the_end_of_all_ends_the_run(subject: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.renacer"
    with (
        running([subject, "attached", "echo"]) as one,
        running([subject, "attached", "echo"]) as two,
    ):
        pids = [ready_pid(one), ready_pid(two)]
        with attached(f"{pids[0]},{pids[1]}", "--format", "record", "-o", path) as tracer:
            for process in (one, two):
                tell(process)
                assert line_of(process) == "echo"
                last_words(process)
                assert process.wait(LIMIT) == 4
            assert tracer.wait(LIMIT) == 0
    events = read_events(path)
    codes = {event.pid: event.args[1] >> 8 for event in events if event.kind == END}
    assert codes == dict.fromkeys(pids, 4)
    for pid in pids:
        assert "getppid" in entries(events, pid)


def test_killed_by_somebody_else(subject: Path) -> None:
    with running([subject, "attached", "storm", "3"]) as process:
        pid = ready_pid(process)
        with attached(pid, "-o", os.devnull) as tracer:
            process.kill()
            assert process.wait(LIMIT) == -signal.SIGKILL
            assert tracer.wait(LIMIT) == 0


def test_a_command_and_a_process_in_one_run(subject: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.renacer"
    with running([subject, "attached", "echo"]) as process:
        pid = ready_pid(process)
        words = ("--format", "record", "-o", path, "--", "sh", "-c", "read x; exit 3")
        with attached(pid, *words, stdin=subprocess.PIPE) as tracer:
            tell(process)
            assert line_of(process) == "echo"
            last_words(process)
            assert process.wait(LIMIT) == 4
            tell(tracer)
            assert tracer.wait(LIMIT) == 3
    events = read_events(path)
    starts = {event.pid: event.args for event in events if event.kind == START}
    assert starts.pop(pid)[4] == BIRTHS.index("attach")
    (command,) = starts.values()
    assert command[0] == 1
    assert command[4] == BIRTHS.index("launch")
    assert "getppid" in entries(events, pid)


def test_the_span_of_an_attached_process(subject: Path) -> None:
    created = time.time()
    with running([subject, "attached", "echo"]) as process, Receiver() as receiver:
        pid = ready_pid(process)
        with attached(pid, "--otlp-endpoint", receiver.endpoint) as tracer:
            tell(process)
            assert line_of(process) == "echo"
            last_words(process)
            assert tracer.wait(LIMIT) == 0
        spans = Spans(None, [item.span for item in receiver.spans])  # type: ignore[arg-type]
        attributes = receiver.spans[0].resource.attributes
        resource = {pair.key: pair.value.string_value for pair in attributes}
    spans.check_tree()
    (span,) = spans.processes
    about = facts(span)
    assert span.parent_span_id == spans.root.span_id
    assert about["process.pid"] == pid
    assert about["process.parent_pid"] == os.getpid()
    assert about["process.executable.path"] == str(subject)
    assert about["process.exit.code"] == 4
    stamp = about["process.creation.time"]
    made = time.strptime(stamp[:19] + " UTC", "%Y-%m-%dT%H:%M:%S %Z")
    assert abs(calendar.timegm(made) + float(stamp[19:-1]) - created) < 5
    assert "renacer.command" not in facts(spans.root)
    assert "process.exit.code" not in facts(spans.root)
    assert facts(spans.root)["renacer.attached_processes"] == 1
    assert resource["service.name"] == "subject"
    assert spans.named("getppid")


def test_a_program_s_traceparent_is_left_alone(subject: Path) -> None:
    ours = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
    env = environment(TRACEPARENT=ours)
    with (
        running([subject, "attached", "execs", "printenv", "TRACEPARENT"], env=env) as process,
        Receiver() as receiver,
    ):
        pid = ready_pid(process)
        with attached(pid, "--otlp-endpoint", receiver.endpoint) as tracer:
            tell(process)
            assert last_words(process) == ours
            assert tracer.wait(LIMIT) == 0


def test_open_descriptors_of_a_path(tmp_path: Path) -> None:
    """-P: also by descriptors that were opened before we came."""
    target = tmp_path / "target"
    trace = tmp_path / "trace"
    script = (
        "import os, sys\n"
        "fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n"
        "print('ready', os.getpid(), flush=True)\n"
        "while os.read(0, 1):\n"
        "    os.write(fd, b'12345')\n"
        "    os.write(1, b'.\\n')\n"
    )
    with running([sys.executable, "-ISc", script, target]) as process:
        pid = ready_pid(process)
        with attached(pid, "-P", str(target), "-o", trace) as tracer:
            tell(process)
            assert line_of(process) == "."
            detach(tracer)
    lines = [line for line in trace.read_text().splitlines() if "detached" not in line]
    assert len(lines) == 1
    assert 'write(3, "12345", 5)' in lines[0]


def test_a_fallback_without_syscall_info(subject: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.renacer"
    with running([subject, "attached", "echo"]) as process:
        pid = ready_pid(process)
        disable = environment(RENACER_DISABLE="get_syscall_info,process_vm_readv")
        with attached(pid, "--format", "record", "-o", path, env=disable) as tracer:
            until(lambda: settled(pid))
            for _ in range(2):
                tell(process)
                assert line_of(process) == "echo"
            detach(tracer)
    names = entries(read_events(path), pid)
    assert names.count("getppid") == 2
    assert names[0] == "read"


def test_signals_while_attached_are_told(subject: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.renacer"
    with running([subject, "attached", "storm", "1"]) as process:
        pid = ready_pid(process)
        with attached(pid, "--format", "record", "-o", path) as tracer:
            subprocess.run([subject, "attached", "sender", str(pid), "50"], check=True,
                           stdout=subprocess.DEVNULL)  # fmt: skip
            while True:
                tell(process)
                if line_of(process).startswith("signals 50 sum 1275 "):
                    break
            detach(tracer)
        last_words(process)
    events = [event for event in read_events(path) if event.kind == SIGNAL]
    assert 0 < len(events) <= 50
    assert {(event.pid, event.args[0] - (1 << 64)) for event in events} == {(pid, -1)}  # SI_QUEUE


def killed(tracer: subprocess.Popen[str]) -> None:
    tracer.kill()
    assert tracer.wait(LIMIT) == -signal.SIGKILL


def test_our_death_leaves_a_stopped_process_stopped(subject: Path) -> None:
    with running([subject, "attached", "echo"]) as process:
        pid = ready_pid(process)
        with attached(pid, "-o", os.devnull) as tracer:
            until(lambda: settled(pid))
            os.kill(pid, signal.SIGSTOP)
            until(lambda: stat_of(pid) == "t")
            killed(tracer)
        until(lambda: stat_of(pid) == "T")
        with attached(pid, "-o", os.devnull) as tracer:  # and so it does, stopped before
            until(lambda: stat_of(pid) == "t")
            killed(tracer)
        until(lambda: stat_of(pid) == "T")
        os.kill(pid, signal.SIGCONT)
        tell(process)
        assert line_of(process) == "echo"


def test_our_death_is_nothing_to_a_parent_in_vfork(subject: Path) -> None:
    with running([subject, "attached", "vfork"]) as process:
        pid = ready_pid(process)
        until(lambda: stat_of(pid) == "D")
        with attached(pid, "-o", os.devnull) as tracer:
            killed(tracer)
        tell(process)
        assert last_words(process) == "child 7"


@pytest.mark.parametrize("name", sorted(RESTARTED))
def test_our_death_interrupts_no_call(subject: Path, name: str) -> None:
    with running([subject, "attached", "blocking", name]) as process:
        pid, thread = map(int, line_of(process).split()[1:])
        until(lambda: settled(thread))
        with attached(pid, "-o", os.devnull) as tracer:
            killed(tracer)
        tell(process)
        assert last_words(process) == "interrupted 0 failed 0 done 1"


def test_our_death_takes_the_command_along_and_no_attached_one(subject: Path) -> None:
    with running([subject, "attached", "storm", "3", "births"]) as process:
        pid = ready_pid(process)
        words = [*PROGRAM, "-q", "-o", os.devnull, "-p", str(pid), "--"]
        with running([*words, subject, "attached", "echo"]) as tracer:
            command = os.pidfd_open(ready_pid(tracer))
            try:
                assert tracer_of(pid)
                killed(tracer)
                assert select.select([command], [], [], LIMIT)[0]
            finally:
                os.close(command)
        tell(process)
        assert " tracer 0 wrong 0" in line_of(process)
        assert last_words(process).endswith(" wrong 0")
        assert process.wait(LIMIT) == 0


def test_what_an_attached_process_starts_lives_on_too(subject: Path) -> None:
    """Also one that changes its program, and one more generation."""
    script = f"exec 3<&0; read x; {subject} attached echo <&3 & exec 3<&- </dev/null; wait"
    with running(["sh", "-c", script]) as process:
        with attached(process.pid, "-o", os.devnull) as tracer:
            tell(process)
            pid = ready_pid(process)
            until(lambda: tracer_of(pid) != 0)
            killed(tracer)
        assert tracer_of(pid) == 0
        tell(process)
        assert line_of(process) == "echo"
        last_words(process)
        assert process.wait(LIMIT) == 0
