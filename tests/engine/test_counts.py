# SPDX-License-Identifier: MIT
"""Every call is counted once, wherever it goes: receiver = tracer = subject = strace."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.engine.tools import (
    PROGRAM,
    entries,
    execute,
    export,
    facts,
    read_events,
    record,
    without_restarts,
)

# Threads of each process, children, marker calls of each thread.
SHAPES = [(2, 3, 25), (0, 0, 1), (5, 1, 7)]


def known(output: str) -> int:
    """What the subject said that it did."""
    return int(output.split()[-1])


@pytest.mark.needs("strace")
@pytest.mark.parametrize("shape", SHAPES)
def test_receiver_tracer_subject_and_strace_agree(
    subject: Path, tmp_path: Path, shape: tuple[int, int, int]
) -> None:
    words = [subject, "count", *map(str, shape)]
    log = tmp_path / "strace.log"
    truth = known(execute(["strace", "-f", "-o", log, *words]).output)
    lines = log.read_text().splitlines()
    seen_by_strace = sum("getppid(" in line for line in lines)

    exported = export(words)
    recorded = record(tmp_path, words)
    file = tmp_path / "both.renacer"
    at_once = export(words, "--format", "record", "-o", file)

    assert known(exported.done.output) == truth == seen_by_strace
    assert len(exported.named("getppid")) == truth
    assert entries(recorded.events).count("getppid") == truth
    assert len(at_once.named("getppid")) == truth
    assert entries(read_events(file)).count("getppid") == truth
    for run in (exported, at_once):
        run.check_tree()
        assert len(run.processes) == shape[1] + 2
        calls = [span for span in run.spans if "syscall.name" in facts(span)]
        assert len(calls) == facts(run.root)["renacer.calls"]
        assert len(run.spans) == len(calls) + shape[1] + 3
    # All calls of all kinds, but for what depends on how threads wait, or begins anew by a signal.
    waits = {"futex", "restart_syscall", "sched_yield", "madvise", "munmap", "mmap", "mprotect"}
    waits |= {"wait4"}
    names = [re.match(r"\d+ +(\w+)\(", line) for line in lines]
    again = [re.search(r"(\w+)(?:\(| resumed>).* = \? ERESTARTNOINTR", line) for line in lines]
    counted = Counter(match[1] for match in names if match and match[1] not in waits)
    counted -= Counter(match[1] for match in again if match)  # see without_restarts()
    theirs = sorted(counted.elements())
    ours = sorted(name for name in entries(without_restarts(recorded.events)) if name not in waits)
    assert ours == theirs


def test_counts_in_the_last_line_and_in_the_text(subject: Path, tmp_path: Path) -> None:
    text = tmp_path / "trace.txt"
    done = execute([*PROGRAM, "-o", text, "--", subject, "count", "2", "2", "10"])
    truth = known(done.output)
    lines = text.read_text().splitlines()
    assert sum("getppid(" in line for line in lines) == truth
    calls = sum(bool(re.match(r"\d+ +\w+\(", line)) for line in lines)
    told = re.search(r"([\d,]+) calls", done.errors)
    assert told
    assert int(told[1].replace(",", "")) == calls


def test_a_filter_leaves_the_wanted_calls_whole(subject: Path, tmp_path: Path) -> None:
    run = record(tmp_path, [subject, "count", "2", "2", "10"], "-e", "trace=getppid")
    names = entries(run.events)
    assert names == ["getppid"] * known(run.done.output)
    spans = export([subject, "count", "2", "2", "10"], "-e", "trace=getppid")
    spans.check_tree()
    assert len(spans.named("getppid")) == known(spans.done.output)
    assert len(spans.processes) == 4


def test_each_call_is_one_line_per_thread_and_in_its_order(subject: Path, tmp_path: Path) -> None:
    run = record(tmp_path, [subject, "count", "3", "3", "20"])
    open_calls: dict[int, str] = {}
    last = 0
    for event in run.events:
        assert event.seq > last, "numbers grow"
        last = event.seq
        assert event.t1 >= event.t0
        if event.kind == 1:
            assert event.tid not in open_calls
            open_calls[event.tid] = event.name
        elif event.kind == 2:
            assert open_calls.pop(event.tid) == event.name
        elif event.kind == 3:
            assert event.tid not in open_calls
        elif event.kind == 6:
            assert open_calls.pop(event.tid, "") in ("exit", "exit_group")
    assert not open_calls
