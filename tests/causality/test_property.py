# SPDX-License-Identifier: MIT
"""Lamport times and edges of random programs against their vector clocks.

A failure names the program's seed: programs.program(SEED, CHOICES[NAME].kinds) makes it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from tests.causality import programs, runs
from tests.causality.truth import Edge, Place, Told, Truth, Verdict

if TYPE_CHECKING:
    from pathlib import Path


class Choice(NamedTuple):
    """What programs do; which of its causes are linked wherever they are certain."""

    kinds: frozenset[str]
    linked: frozenset[str]


_DESCRIPTORS = frozenset(
    {
        *("exec", "pipe", "fifo", "stream", "messages", "packets", "tcp", "eof", "listener"),
        *("eventfd", "queue"),
    }
)
_LOCKS = frozenset({"flock", "bytes", "open"})
_THREADS = frozenset({"exec", "thread", "signal", "word"})
_CARRIED = frozenset({"pipe", "unix", "tcp", "connect", "eof", "eventfd", "mqueue", "lock"})
_TOLD = frozenset({"signal", "futex", "join"})
_LIVES = frozenset({"fork", "wait"})
CHOICES = {
    "descriptors": Choice(_DESCRIPTORS | _LOCKS, _LIVES | _CARRIED),
    "threads": Choice(_THREADS, _LIVES | _TOLD),
    "both": Choice(_DESCRIPTORS | _LOCKS | _THREADS, _LIVES | _CARRIED | _TOLD),
}
BATCHES = 10


def verdict(
    folder: Path, runner: Path, choice: Choice, seeds: list[str], cpu: str, several: bool = False
) -> Verdict:
    """How the traces of these programs compare with what happened."""
    found = Verdict()
    for seed in seeds:
        program = programs.program(seed, choice.kinds, several)
        found.add(seed, *runs.run(folder, runner, program, "--cpu", cpu))
    assert found.broken == []
    assert found.wrong == []
    assert found.unjoined == []
    return found


@pytest.mark.parametrize("cpu", ["auto", "free"])
@pytest.mark.parametrize("batch", range(BATCHES // 2))
@pytest.mark.parametrize("name", CHOICES)
def test_what_came_before_has_a_smaller_time(
    name: str, batch: int, cpu: str, tmp_path: Path, script_runner: Path, test_scale: int
) -> None:
    """50 programs of each sort; 1,000 with RENACER_TEST_SCALE=full."""
    choice = CHOICES[name]
    number = (50 if test_scale == 1 else 1000) // BATCHES
    seeds = [f"{cpu} {batch} {i}" for i in range(number)]
    found = verdict(tmp_path, script_runner, choice, seeds, cpu)
    assert found.pairs > 1000 * number
    missing = sum(found.missing[kind] for kind in choice.linked)
    total = sum(found.certain[kind] for kind in choice.linked)
    assert missing <= total / 1000, (found.missing, found.unlinked[:20])


@pytest.mark.parametrize("cpu", ["auto", "free"])
@pytest.mark.parametrize("name", CHOICES)
def test_several_writers_to_one_object(
    name: str, cpu: str, tmp_path: Path, script_runner: Path, test_scale: int
) -> None:
    """Whoever it may have been comes before; a link is made only to whoever it was."""
    seeds = [f"several {cpu} {i}" for i in range(5 * test_scale)]
    verdict(tmp_path, script_runner, CHOICES[name], seeds, cpu, several=True)


def small() -> tuple[Truth, Told]:
    """A lane that makes another, which does one call; and a trace that says so."""
    rows = [[programs.Row(state=2), programs.Row(state=2)], [programs.Row(state=2)]]
    truth = Truth(rows, {Edge("fork", Place(0, 0), Place(1, 0)): True})
    clocks = [np.array([1, 2, 3, 4]), np.array([2, 3])]
    return truth, Told(clocks, set(truth.edges), set())


def judged(truth: Truth, told: Told) -> Verdict:
    found = Verdict()
    found.add("small", truth, told)
    return found


def test_the_verdict_on_a_true_trace() -> None:
    found = judged(*small())
    assert (found.pairs, found.broken, found.wrong, found.unlinked) == (2, [], [], [])
    assert (found.certain, found.missing) == ({"fork": 1}, {})


def test_the_verdict_on_a_time_that_is_too_small() -> None:
    truth, told = small()
    told.clocks[1][0] = 1
    (broken,) = judged(truth, told).broken
    assert "lane 0 event 0 (L 1) came before lane 1 event 0 (L 1)" in broken
    told.clocks[1][0] = 0  # it is not in the trace
    assert judged(truth, told).broken == []


def test_the_verdict_on_a_wrong_edge_and_on_none() -> None:
    truth, told = small()
    told.certain = {Edge("fork", Place(0, 2), Place(1, 0))}
    found = judged(truth, told)
    assert (len(found.wrong), found.missing) == (1, {"fork": 1})
    told.certain = {Edge("pipe", Place(0, 0), Place(1, 0))}
    assert len(judged(truth, told).wrong) == 1
