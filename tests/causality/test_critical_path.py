# SPDX-License-Identifier: MIT
"""The critical path: of histories whose path is known, and its laws on random ones."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from renacer_otel.analysis.causality.critical_path import Blocked, CriticalPath, critical_path
from tests.causality.made import FORK, PIPE, READ, SIGNAL, WAIT, WRITE, Made, random_made

if TYPE_CHECKING:
    from renacer_otel.analysis.causality.history import History

FORK_CALL, WAIT_CALL, PAUSE, EXIT_CALL = 57, 61, 34, 231  # of x86_64
START, EXIT, SIGNALLED = 4, 6, 7  # enum rn_kind
INTERRUPTED, RESTARTED = 2, 4


def shape(path: CriticalPath) -> list[tuple[int, int, int]]:
    """Of each step its events, and of the edge that led out of it how long was waited."""
    return [(step.first.number, step.last.number, step.waited) for step in path.steps]


def test_a_parent_that_waits_for_its_child() -> None:
    made = Made()
    parent, child = made.thread(1, 10, 10), made.thread(2, 20, 20)
    made.event(parent, 1, START)
    made.call(parent, 2, 4, FORK_CALL)
    made.event(child, 3, START)
    made.edge(2, 3, FORK)
    made.call(parent, 5, 11, WAIT_CALL)
    made.call(child, 6, 7, WRITE)
    made.call(child, 8, 0, EXIT_CALL)
    made.event(child, 9, EXIT, last=1)
    made.edge(9, 5, WAIT)
    made.call(parent, 12, 0, EXIT_CALL)
    made.event(parent, 13, EXIT, last=1)
    made.at = {11: 9700}  # 700 ns after the child's end; then 12 at 12000
    path = critical_path(made.history())
    # Parent: start to fork; child: start to end; parent: from the wait's exit to its end.
    assert shape(path) == [(1, 2, 0), (3, 9, 4000), (11, 13, 0)]
    first, second, last = path.steps
    assert (first.running, first.kernel, first.blocked) == (1000, 0, 1000)
    # The child runs but for its write, and from the entry of exit_group to its end.
    assert (second.running, second.kernel, second.blocked) == (4000, 2000, 700)
    assert (last.running, last.kernel) == (2300, 1000)
    assert (path.total, path.certain) == (12000, True)
    assert path.blocked_on == [
        Blocked(1, 2, "wait", "wait4", True, 1, 700, 4000),
        Blocked(2, 1, "fork", "", True, 1, 1000, 0),
    ]
    assert [(row.process, row.call, row.calls, row.time) for row in path.calls] == [
        (2, "write", 1, 1000)
    ]


def reader(*, cause: int, certain: bool = True) -> Made:
    """A read from 4 to 6 of what another process wrote at `cause`."""
    made = Made()
    one, two = made.thread(1, 10, 10), made.thread(2, 20, 20)
    made.event(one, 1, START)
    made.event(two, 2, START)
    made.call(two, cause, 7, WRITE)
    made.call(one, 4, 6, READ)
    made.event(one, 8, EXIT, last=1)
    made.edge(cause, 4, PIPE, certain)
    return made


def test_who_waits_is_who_entered_before_the_cause() -> None:
    assert shape(critical_path(reader(cause=5).history())) == [(2, 5, 1000), (6, 8, 0)]
    # What was there already when it was asked for was not waited for.
    assert shape(critical_path(reader(cause=3).history())) == [(1, 8, 0)]


def test_possible_causes_are_marked() -> None:
    path = critical_path(reader(cause=5, certain=False).history())
    assert not path.certain
    assert not path.blocked_on[0].certain


def test_the_latest_of_several_causes() -> None:
    made = reader(cause=5)
    made.calls[1] = (0, 4, 9, READ, 0)
    made.events[-1] = (0, 10, EXIT, 1)
    third = made.thread(3, 30, 30)
    made.event(third, 6, START)
    made.edge(6, 4, PIPE)
    assert shape(critical_path(made.history())) == [(6, 6, 2000), (9, 10, 0)]


@pytest.mark.parametrize("interrupted", [True, False])
def test_a_signal_that_ended_a_call(interrupted: bool) -> None:
    made = Made()
    one, two = made.thread(1, 10, 10), made.thread(2, 20, 20)
    made.event(one, 1, START)
    made.event(two, 2, START)
    made.call(one, 3, 6, PAUSE, INTERRUPTED if interrupted else 0)
    made.call(two, 5, 9, 62)  # kill
    made.event(one, 7, SIGNALLED)
    made.edge(5, 7, SIGNAL)
    made.event(one, 8, EXIT, last=1)
    wanted = [(2, 5, 2000), (6, 8, 0)] if interrupted else [(1, 8, 0)]
    path = critical_path(made.history())
    assert shape(path) == wanted
    if interrupted:
        assert [(row.edge, row.call) for row in path.blocked_on] == [("signal", "pause")]
    # What goes on after it did not wait for it: such as a sleep whose thread heard of a child.
    made.events[-1] = (one, 12, EXIT, 1)
    made.call(one, 10, 11, PAUSE, RESTARTED)
    assert shape(critical_path(made.history())) == [(1, 12, 0)]


def test_without_an_end_it_leads_to_the_last_event() -> None:
    made = reader(cause=5)
    made.events.pop()
    assert shape(critical_path(made.history())) == [(2, 7, 0)]  # the write's exit
    empty = critical_path(Made().history())
    assert (empty.steps, empty.total) == ([], 0)


def check_laws(history: History, path: CriticalPath, start: int, end: int) -> None:
    """The path is one: piece after piece, each edge a real one, and all of its time told."""
    assert path.total == path.running + path.kernel + path.blocked == end - start
    numbers = [number for step in path.steps for number in (step.first.number, step.last.number)]
    assert numbers == sorted(numbers)
    for step, following in zip(path.steps, path.steps[1:], strict=False):
        assert step.first.thread == step.last.thread
        edge = history.edges[step.edge]
        assert edge["cause"] == step.last.number
        assert edge["effect_thread"] == following.first.thread
        if edge["call"]:
            assert edge["call"] < edge["cause"]
    assert path.certain == all(
        history.edges["certain"][step.edge] for step in path.steps if step.edge >= 0
    )
    assert sum(row.blocked for row in path.blocked_on) == path.blocked
    assert sum(row.times for row in path.blocked_on) == len(path.steps) - 1
    assert min([0, *(row.waited for row in path.blocked_on)]) == 0
    assert sum(row.time for row in path.calls) <= path.kernel


@pytest.mark.parametrize("seed", range(60))
def test_laws_on_random_histories(seed: int) -> None:
    rng = random.Random(seed)
    made = random_made(rng, rng.randrange(1, 7), rng.randrange(5, 200), rng.randrange(0, 100))
    now = 0
    for number in range(1, 400):  # ever later, by leaps of any size
        made.at[number] = now = now + rng.randrange(0, 5000)
    history = made.history()
    path = critical_path(history)
    of_command = [seq for thread, seq, kind, last in made.events if thread < 2 and last]
    assert path.steps[-1].last.number == max(of_command)
    first, last = path.steps[0].first, path.steps[-1].last
    check_laws(history, path, made.time(first.number), made.time(last.number))


def test_times_that_lie() -> None:
    rng = random.Random(7)
    made = random_made(rng, 5, 200, 80)
    made.at = {number: rng.randrange(2**63) for number in range(400)}
    path = critical_path(made.history())
    assert min(path.running, path.kernel, path.blocked) >= 0
    for step in path.steps:
        assert min(step.running, step.kernel, step.blocked, step.waited) >= 0
