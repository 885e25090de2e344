# SPDX-License-Identifier: MIT
"""Lamport times of real runs: causes come before effects, in the spans as they arrive."""

from __future__ import annotations

import itertools
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.engine.tools import Spans, environment, export, facts

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

MAKERS = ("fork", "vfork", "clone", "clone3")
WAITS = ("wait4", "waitid")


def start(span: Span) -> int:
    return int(facts(span)["renacer.lamport.start"])


def end(span: Span) -> int:
    return int(facts(span)["renacer.lamport.end"])


def check_clocks(run: Spans) -> dict[str, int]:
    """Asserts what must hold of any run; returns how many edges of each kind were seen."""
    edges: dict[str, int] = {"fork": 0, "wait": 0}
    processes = {facts(span)["process.pid"]: span for span in run.processes}
    assert len(processes) == len(run.processes), "no pid came twice"
    threads: defaultdict[int, list[Span]] = defaultdict(list)
    for span in run.spans:
        assert start(run.root) <= start(span) <= end(span) <= end(run.root)
        if "syscall.name" in facts(span):
            threads[facts(span)["syscall.tid"]].append(span)
    for process in processes.values():
        for span in run.spans:
            if span.parent_span_id == process.span_id and "syscall.name" in facts(span):
                assert start(process) < start(span)
                assert end(span) < end(process)
    for spans in threads.values():
        # A thread's calls follow each other, in its time as on the clock.
        spans.sort(key=start)
        for before, after in itertools.pairwise(spans):
            assert end(before) < start(after)
            assert before.end_time_unix_nano <= after.start_time_unix_nano
    for span in run.spans:
        name, result = span.name, facts(span).get("syscall.result")
        if name in MAKERS and isinstance(result, int) and result in processes:
            child = processes[result]
            assert start(child) > start(span), "a child begins after the call that makes it began"
            edges["fork"] += 1
        if name == "wait4" and isinstance(result, int) and result in processes:
            assert end(span) > end(processes[result]), "a wait ends after what it waited for"
            edges["wait"] += 1
    return edges


def test_children_that_are_waited_for(subject: Path) -> None:
    run = export([subject, "crowd", "together", "25"])
    assert check_clocks(run) == {"fork": 25, "wait": 25}


def test_threads_children_and_programs(subject: Path) -> None:
    run = export([subject, "count", "3", "3", "10"])
    edges = check_clocks(run)
    assert edges["wait"] == 4
    assert edges["fork"] >= 3


@pytest.mark.parametrize("kind", ["fork", "vfork", "clone-vm", "clone3", "posix_spawn"])
def test_each_birth_of_a_process(subject: Path, kind: str) -> None:
    edges = check_clocks(export([subject, "births", kind]))
    assert edges == {"fork": 1, "wait": 1}


def test_a_thread_begins_after_the_call_that_makes_it(subject: Path) -> None:
    run = export([subject, "births", "thread"])
    check_clocks(run)
    (making,) = run.named("clone3") + run.named("clone")
    tid = facts(making)["syscall.result"]
    own = [span for span in run.spans if facts(span).get("syscall.tid") == tid]
    assert own
    assert min(map(start, own)) > start(making) + 1


def test_a_shell_pipeline() -> None:
    run = export(["sh", "-c", "printf 'b\\na\\n' | sort | cat; (exit 2); true"])
    edges = check_clocks(run)
    assert edges["wait"] >= 3


def test_waitid(subject: Path) -> None:
    script = (
        "import os\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    for _ in range(50): os.getppid()\n"
        "    os._exit(0)\n"
        "os.waitid(os.P_PID, pid, os.WEXITED)\n"
    )
    run = export([sys.executable, "-ISc", script])
    check_clocks(run)
    (child,) = [span for span in run.processes if span.parent_span_id != run.root.span_id]
    (wait,) = run.named("waitid")
    assert end(wait) > end(child)


def test_the_inbound_time_is_before_everything() -> None:
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    env = environment(
        TRACEPARENT=f"00-{trace}-{parent}-01", TRACESTATE="renacer=00000000000003e8,other=1"
    )
    run = export(["true"], env=env)
    check_clocks(run)
    assert start(run.root) > 1000
