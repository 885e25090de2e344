# SPDX-License-Identifier: MIT
"""However a child is made, it is followed from its very first call; or left alone if so asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.engine.tools import (
    BIRTHS,
    CALL,
    END,
    ENTER,
    START,
    Event,
    entries,
    execute,
    export,
    facts,
    record,
)

CLONE_THREAD = 0x10000
FOLLOWED = 8
FREE = 7

# kind: (how its start is told, whether it is a thread, whether it asked who traces it)
KINDS: dict[str, tuple[str, bool, bool]] = {
    "fork": ("fork", False, True),
    "vfork": ("vfork", False, False),
    "clone": ("fork", False, True),
    "clone-vm": ("vfork", False, False),
    "clone-no-signal": ("clone", False, True),
    "clone-parent": ("fork", False, True),
    "clone-ptrace": ("fork", False, True),
    "clone3": ("fork", False, True),
    "clone3-vfork": ("vfork", False, True),
    "posix_spawn": ("vfork", False, False),
    "thread": ("clone", True, True),
    "thread-vfork": ("vfork", True, False),
    "thread-signal": ("fork", True, False),
    "grandchild": ("fork", False, True),
    "daemon": ("fork", False, False),
}


def told(output: str) -> tuple[int, int]:
    """The child's id and what it said of its tracer."""
    tid, code = map(int, output.split())
    return tid, code


def start_of(events: list[Event], tid: int) -> Event:
    (start,) = [event for event in events if event.kind == START and event.tid == tid]
    return start


@pytest.mark.parametrize("kind", KINDS)
def test_followed_from_the_first_call(subject: Path, tmp_path: Path, kind: str) -> None:
    birth, is_thread, asks = KINDS[kind]
    run = record(tmp_path, [subject, "births", kind])
    assert run.done.status == 0, run.done
    tid, code = told(run.done.output)
    assert code == (FOLLOWED if asks else FREE)
    events = run.events
    start = start_of(events, tid)
    assert BIRTHS[start.args[4]] == birth
    assert (start.pid != tid) == is_thread
    assert bool(start.args[3] & CLONE_THREAD) == is_thread
    maker = start.args[1]
    calls = entries(events, tid)
    if kind == "posix_spawn":
        assert calls[-2:] == ["getppid", "exit_group"]
        assert calls[: calls.index("execve")].count("rt_sigprocmask") == 2
    elif kind == "thread":
        # The C library has calls of its own at a thread's start: rseq, set_robust_list.
        assert "getppid" in calls[:4]
    elif kind == "daemon":
        assert calls[-2:] == ["getppid", "exit_group"]
    else:
        assert calls[0] == "getppid"
        assert calls[-1] == "exit"
    # Made by a call of its maker, and ended by its own.
    making = [
        event
        for event in events
        if event.tid == maker and event.kind in (ENTER, CALL) and event.seq < start.seq
    ][-1]
    assert making.name in ("fork", "vfork", "clone", "clone3")
    (end,) = [event for event in events if event.kind == END and event.tid == tid]
    assert bool(end.args[2]) == (not is_thread)
    if not is_thread:
        assert os.waitstatus_to_exitcode(end.args[1]) == (0 if kind == "posix_spawn" else code)


@pytest.mark.parametrize("kind", KINDS)
def test_not_followed_runs_free(subject: Path, tmp_path: Path, kind: str) -> None:
    run = record(tmp_path, [subject, "births", kind], "--no-follow")
    assert run.done.status == 0, run.done
    tid, code = told(run.done.output)
    assert code == FREE
    events = run.events
    assert len({event.tid for event in events}) == 1
    assert tid not in {event.tid for event in events}
    assert entries(events)[-1] == "exit_group"


def test_untraced_by_its_maker_s_wish(subject: Path, tmp_path: Path) -> None:
    run = record(tmp_path, [subject, "births", "clone-untraced"])
    assert run.done.status == 0, run.done
    tid, code = told(run.done.output)
    assert code == FREE
    assert tid not in {event.tid for event in run.events}


def test_handed_to_us_without_a_word(subject: Path, tmp_path: Path) -> None:
    """CLONE_UNTRACED and CLONE_PTRACE: a tracee of ours of which its maker does not tell."""
    run = record(tmp_path, [subject, "births", "clone-untraced-ptrace"])
    assert run.done.status == 0, run.done
    tid, code = told(run.done.output)
    assert code == FOLLOWED
    assert BIRTHS[start_of(run.events, tid).args[4]] == "unknown"
    assert entries(run.events, tid)[0] == "getppid"


def test_parents_in_the_spans(subject: Path) -> None:
    run = export([subject, "births", "grandchild"])
    run.check_tree()
    command, child, grandchild = sorted(run.processes, key=lambda span: span.start_time_unix_nano)
    assert command.parent_span_id == run.root.span_id
    assert child.parent_span_id == command.span_id
    assert grandchild.parent_span_id == child.span_id
    assert facts(grandchild)["process.parent_pid"] == facts(child)["process.pid"]
    (mark,) = run.named("getppid")
    assert mark.parent_span_id == grandchild.span_id
    assert facts(grandchild)["process.exit.code"] == FOLLOWED


def test_the_daemon_is_waited_for(subject: Path) -> None:
    run = export([subject, "births", "daemon"])
    assert run.done.status == 0
    run.check_tree()
    pid = told(run.done.output)[0]
    (daemon,) = [span for span in run.processes if facts(span)["process.pid"] == pid]
    assert facts(daemon)["process.exit.code"] == 7
    (mark,) = run.named("getppid")
    assert mark.parent_span_id == daemon.span_id


def test_a_thousand_short_children(subject: Path, tmp_path: Path, test_scale: int) -> None:
    number = 1000 * test_scale
    run = record(tmp_path, [subject, "crowd", "children", str(number)])
    assert (run.done.status, run.done.output) == (0, f"{number}\n")
    events = run.events
    starts = [event for event in events if event.kind == START]
    assert len(starts) == number + 1
    assert {BIRTHS[event.args[4]] for event in starts[1:]} <= {"fork", "clone"}
    assert entries(events).count("getppid") == number
    ends = [event for event in events if event.kind == END]
    assert len(ends) == number + 1
    codes = sorted(os.waitstatus_to_exitcode(event.args[1]) for event in ends[:-1])
    assert codes == sorted(i % 200 for i in range(number))


def test_a_hundred_children_at_once(subject: Path) -> None:
    run = export([subject, "crowd", "together", "100"])
    assert run.done.status == 0, run.done
    run.check_tree()
    assert len(run.processes) == 101
    (command,) = [span for span in run.processes if span.parent_span_id == run.root.span_id]
    makers = {span.parent_span_id for span in run.processes if span is not command}
    assert makers == {command.span_id}
    assert len(run.named("getppid")) == 100


def test_two_hundred_threads(subject: Path, tmp_path: Path) -> None:
    run = record(tmp_path, [subject, "crowd", "threads", "200"])
    assert (run.done.status, run.done.output) == (0, "200\n")
    marks = [event for event in run.events if event.name == "getppid" and event.kind != 2]
    assert len(marks) == 200
    assert len({event.tid for event in marks}) == 200
    assert len({event.pid for event in marks}) == 1
    assert sum(event.kind == START for event in run.events) == 201
    assert sum(event.kind == END and not event.args[2] for event in run.events) == 200


def test_calls_that_do_not_return_are_marked(subject: Path) -> None:
    run = export([subject, "births", "fork"])
    for span in run.named("exit_group") + run.named("exit"):
        assert facts(span)["renacer.unfinished"] is True
    assert sum("renacer.unfinished" in facts(span) for span in run.spans) == 2


def test_bare_words_agree(subject: Path) -> None:
    """The subject itself: untraced, nobody traces its children."""
    assert told(execute([subject, "births", "fork"]).output)[1] == FREE
