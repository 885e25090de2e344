# SPDX-License-Identifier: MIT
"""Lamport time in TRACESTATE: what an exec finds there joins, what it leaves there is later."""

from __future__ import annotations

import sys

import pytest

from tests.context.spans import context_of, inbound, parse, span_named_by
from tests.engine.tools import Spans, environment, export, facts

AHEAD = 1 << 20
FAR = 1 << 40
FOREIGN = "00-" + "ab" * 16 + "-" + "cd" * 8
SHOW = 'echo "$TRACEPARENT $TRACESTATE"'
# Hands on its own TRACEPARENT or another, and another TRACESTATE.
RELAY = """
import os, subprocess, sys
env = dict(os.environ, TRACEPARENT=sys.argv[1] or os.environ["TRACEPARENT"], TRACESTATE=sys.argv[2])
subprocess.run(["sh", "-c", sys.argv[3]], env=env, check=True)
"""


def relayed(parent: str, state: str, script: str = SHOW) -> tuple[Spans, list[tuple[str, str]]]:
    """A run of a program that starts a shell with these, and what the script prints."""
    run = export([sys.executable, "-ISc", RELAY, parent, state, script])
    assert run.done.status == 0, run.done
    lines = [line.partition(" ") for line in run.done.output.splitlines()]
    return run, [(first, rest) for first, _, rest in lines]


def ours(state: str) -> tuple[int, str]:
    """(the time in the first member, the others)."""
    member, _, others = state.partition(",")
    key, _, digits = member.strip().partition("=")
    assert (key, len(digits), digits) == ("renacer", 16, digits.lower())
    return int(digits, 16), others


@pytest.mark.parametrize("disabled", ["", "process_vm_readv"])
def test_each_exec_writes_a_later_time(disabled: str) -> None:
    env = inbound(TRACEPARENT=f"{FOREIGN}-01", TRACESTATE="a=b, c=d ,", RENACER_DISABLE=disabled)
    run = export(["sh", "-c", f"{SHOW}; sh -c '{SHOW}; exec sh -c \"{SHOW[:5]}x \\$TRACESTATE\"'"],
                 env=env)  # fmt: skip
    assert run.done.errors == ""
    lines = [line.partition(" ") for line in run.done.output.splitlines()]
    states = [ours(rest) for _, _, rest in lines]
    assert [others for _, others in states] == ["a=b,c=d"] * 3
    first, second, third = [time for time, _ in states]
    assert AHEAD < first < second < third
    # Each time is greater than that of all that had happened.
    command, child = sorted(run.processes, key=lambda span: span.start_time_unix_nano)
    assert facts(command)["renacer.lamport.sent"] == first
    assert facts(child)["renacer.lamport.sent"] == third
    execs = sorted(run.named("execve"), key=lambda span: span.end_time_unix_nano)
    done = [span for span in execs if facts(span)["syscall.result"] == 0]
    assert len(done) == 3
    for span, time in zip(done, (first, second, third), strict=True):
        assert time > facts(span)["renacer.lamport.end"] + AHEAD
        for other in run.spans:
            if other.end_time_unix_nano <= span.start_time_unix_nano:
                assert time > facts(other)["renacer.lamport.end"] + AHEAD
    # What we wrote ourselves is no news: local times stay small.
    assert facts(run.root)["renacer.lamport.end"] < AHEAD


@pytest.mark.parametrize("parent", ["", f"{FOREIGN}-01"], ids=["ours", "foreign"])
def test_a_time_from_elsewhere_joins(parent: str) -> None:
    run, ((named, state),) = relayed(parent, f"one=1,renacer={FAR:016x}, two=2")
    time, others = ours(state)
    assert others == "one=1, two=2", "only our member has moved"
    shell = span_named_by(run, parse(named))
    assert context_of(shell) == ("foreign" if parent else "ours")
    assert facts(shell)["renacer.lamport.end"] > FAR
    assert FAR + AHEAD < time == facts(shell)["renacer.lamport.sent"]
    if parent:  # its span begins with that exec
        assert facts(shell)["renacer.lamport.start"] > FAR
    pid = facts(shell)["process.pid"]
    calls = [span for span in run.spans if facts(span).get("syscall.tid") == pid]
    (begun,) = [
        span for span in calls if span.name == "execve" and facts(span)["syscall.result"] == 0
    ]
    after = [span for span in calls if span.start_time_unix_nano > begun.end_time_unix_nano]
    assert len(after) > 10
    for span in after:
        assert facts(span)["renacer.lamport.start"] > FAR
    # Whoever waited for it comes after it.
    (wait,) = [span for span in run.named("wait4") if facts(span)["syscall.result"] == pid]
    assert facts(begun)["renacer.lamport.start"] < AHEAD
    assert facts(wait)["renacer.lamport.end"] > facts(shell)["renacer.lamport.end"]


def test_what_comes_next_is_later_still() -> None:
    script = f"{SHOW}; sh -c '{SHOW}'; :"
    _, lines = relayed("", f"renacer={FAR:016x}", script)
    first, second = [ours(state)[0] for _, state in lines]
    assert FAR + AHEAD < first < second < FAR + 2 * AHEAD


@pytest.mark.parametrize(
    "state",
    [
        "",
        "a=b",
        "renacer=00000000000F4240",
        "renacer=4240",
        f"renacer={FAR:016x},renacer={FAR:016x}",
        f"renacer={FAR:016x},Bad=1",
        f"renacer={FAR:016x}," + ",".join(f"k{i}=v" for i in range(32)),
        f"renacer={FAR:016x}," + "k=" + "v" * 70_000,
    ],
    ids=lambda text: repr(text[:30]),
)
def test_what_has_no_place_for_it_is_left(state: str) -> None:
    run, ((named, found),) = relayed("", state)
    assert found == state
    assert "renacer.lamport.sent" not in facts(span_named_by(run, parse(named)))
    assert facts(run.root)["renacer.lamport.end"] < AHEAD


def test_a_time_that_cannot_be_is_replaced() -> None:
    _, ((_, state),) = relayed("", f"renacer={2**63:016x}")
    assert AHEAD < ours(state)[0] < 2 * AHEAD


@pytest.mark.parametrize("parent", [f"{FOREIGN}-00", "x"], ids=["unsampled", "invalid"])
def test_a_state_is_nothing_without_its_parent(parent: str) -> None:
    state = f"renacer={FAR:016x}"
    run, lines = relayed(parent, state)
    assert lines == [(parent, state)]
    assert facts(run.root)["renacer.lamport.end"] < AHEAD


def test_an_option_of_others_is_not_in_the_way() -> None:
    """The variables may stand in any order, and far apart."""
    env = environment(**{f"V{i}": "x" * 60_000 for i in range(3)})
    inner = f"env -u TRACESTATE TRACESTATE=a=b,renacer={FAR:016x} Z=1 sh -c '{SHOW}'"
    run = export(["sh", "-c", f"{inner}; :"], env=env)
    _, _, state = run.done.output.strip().partition(" ")
    time, others = ours(state)
    assert others == "a=b"
    assert time > FAR
