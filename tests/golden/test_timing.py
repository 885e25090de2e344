# SPDX-License-Identifier: MIT
"""The test behind "slower": exact, by distribution, deaf to noise and to what is seen twice."""

from __future__ import annotations

import itertools
import random

import pytest

from renacer_otel.analysis.golden import timing
from renacer_otel.analysis.golden.model import Figures
from renacer_otel.analysis.golden.timing import CPU, Sample, Slower, judge, probability, suspects

MS = 1000
SLEEP = "sleep waits for its own sleep"
PARENT = "sh waits for the end of sleep"
SYNC = "db waits for the disk of /data"
PORT = "curl waits for bytes of a:1"


def figures(cpu: list[int], **waits: tuple[int, ...]) -> Figures:
    names = {"sleep": SLEEP, "parent": PARENT, "sync": SYNC, "port": PORT}
    return Figures(cpu_us=tuple(cpu), off_cpu_us={names[key]: row for key, row in waits.items()})


def by_hand(before: list[int], after: list[int]) -> float:
    """The share of all ways to choose that have at least this sum of ranks."""
    values = before + after

    def rank(value: int) -> float:
        below, equal = sum(each < value for each in values), values.count(value)
        return below + (equal + 1) / 2

    ranks = [rank(value) for value in values]
    observed = sum(ranks[len(before) :])
    sums = [sum(chosen) for chosen in itertools.combinations(ranks, len(after))]
    return sum(total >= observed for total in sums) / len(sums)


def test_probability_is_exact() -> None:
    assert probability([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]) == 1 / 252
    assert probability([1, 2, 3, 4, 6], [5, 7, 8, 9, 10]) == 2 / 252
    assert probability([5] * 5, [5] * 5) == probability([], [5]) == probability([5], []) == 1.0
    chance = random.Random(6)
    for _ in range(40):
        before = [chance.randrange(9) for _ in range(chance.randrange(1, 6))]
        after = [chance.randrange(9) for _ in range(chance.randrange(1, 6))]
        assert probability(before, after) == pytest.approx(by_hand(before, after))


def test_how_many_runs_the_test_needs() -> None:
    assert [timing.runs_needed(runs) for runs in (1, 2, 3, 4, 5, 100)] == [None, None, 7, 6, 6, 6]
    for runs in range(3, 12):
        needed = timing.runs_needed(runs)
        assert needed is not None
        assert probability(list(range(runs)), list(range(100, 100 + needed))) <= timing.ALPHA


def test_three_times_the_wait_is_found() -> None:
    golden = figures([MS] * 5, sleep=(10 * MS, 11 * MS, 10 * MS, 12 * MS, 10 * MS))
    slow = [Sample(MS, {SLEEP: wait * MS}) for wait in (30, 33, 31, 30, 32, 31)]
    assert suspects(golden, slow[0], 50) == [SLEEP]
    (found,) = judge(golden, slow, 50)
    assert (found.what, found.before_us, found.after_us) == (SLEEP, 10 * MS, 31 * MS)
    assert found.p == 1 / 462
    assert found.sentence == f"{SLEEP}: now 31 ms, before 10 ms (3.1 times)"


def test_one_slow_run_or_a_small_growth_is_not() -> None:
    golden = figures([MS] * 5, sleep=(100 * MS, 101 * MS, 100 * MS, 102 * MS, 100 * MS))
    one = [Sample(MS, {SLEEP: wait * MS}) for wait in (900, 900, 900, 900, 102)]
    assert suspects(golden, one[0], 50)
    assert judge(golden, one, 50) == []
    more = [Sample(MS, {SLEEP: wait * MS}) for wait in (140, 141, 142, 143, 144, 145)]
    assert not suspects(golden, more[0], 50)
    assert judge(golden, more, 50) == []
    assert [found.what for found in judge(golden, more, 20)] == [SLEEP]
    # Ten times, of next to nothing.
    golden = figures([MS] * 5, sleep=(300, 310, 320, 330, 340))
    assert judge(golden, [Sample(MS, {SLEEP: 3 * MS})] * 5, 50) == []


def test_disks_have_moods() -> None:
    golden = figures([MS] * 5, sync=(2 * MS, 3 * MS, 2 * MS, 3 * MS, 2 * MS))
    assert judge(golden, [Sample(MS, {SYNC: 60 * MS})] * 5, 50) == []
    assert [found.what for found in judge(golden, [Sample(MS, {SYNC: 160 * MS})] * 5, 50)] == [SYNC]


def test_the_cause_comes_before_who_waits_for_it() -> None:
    golden = figures([50 * MS] * 5, sleep=(10 * MS,) * 5, parent=(12 * MS,) * 5)
    slow = [Sample(50 * MS, {PARENT: 80 * MS, SLEEP: 60 * MS})] * 5
    assert [found.what for found in judge(golden, slow, 50)] == [SLEEP, PARENT]
    busy = [Sample(150 * MS, {PARENT: 112 * MS, SLEEP: 10 * MS})] * 5
    assert [found.what for found in judge(golden, busy, 50)] == [CPU, PARENT]
    golden = figures([50 * MS] * 5, sleep=(10 * MS,) * 5, port=(12 * MS,) * 5)
    slow = [Sample(50 * MS, {PORT: 300 * MS, SLEEP: 60 * MS})] * 5
    assert [found.what for found in judge(golden, slow, 50)] == [SLEEP, PORT]


def test_faster_is_not_slower() -> None:
    golden = figures([900 * MS] * 5, sleep=(900 * MS,) * 5)
    assert judge(golden, [Sample(MS, {})] * 5, 50) == []


def test_what_was_never_waited_for_counts_by_its_kind() -> None:
    golden = figures([MS] * 5, port=(0, 5 * MS, 0, 0, 4 * MS))
    same = [Sample(MS, {f"curl waits for bytes of a:{port}": 5 * MS}) for port in range(5)]
    assert judge(golden, same, 50) == []
    slow = [Sample(MS, {f"curl waits for bytes of a:{port}": 50 * MS}) for port in range(5)]
    found = judge(golden, slow, 50)
    assert [one.what for one in found] == ["curl waits for bytes (others)"]
    told = "curl now also waits for bytes: 50 ms, before hardly or not at all"
    assert found[0].sentence == told
    assert Slower(found[0].what, 20 * MS, 50 * MS, 0.001).sentence == (
        "curl waits for bytes, beside what it waits for in every golden run: now 50 ms, before"
        " 20 ms (2.5 times)"
    )


def test_noise_alarms_no_one() -> None:
    """Both sides from one distribution with a long tail: 1,500 checks of nothing."""
    chance = random.Random(1)
    alarms = 0
    for _ in range(1500):
        waits = [chance.randrange(10 * MS, 12 * MS) for _ in range(5 + timing.LEAST_RUNS)]
        for at in range(len(waits)):
            if chance.random() < 0.2:
                waits[at] += chance.randrange(60 * MS)
        golden = figures([MS] * 5, sleep=tuple(waits[:5]))
        alarms += bool(judge(golden, [Sample(MS, {SLEEP: wait}) for wait in waits[5:]], 50))
    assert alarms == 0


def test_figures_of_runs() -> None:
    cpu, waits = timing.figures_of([Sample(1, {"a": 5}), Sample(2, {"b": 6})])
    assert (cpu, waits) == ((1, 2), {"a": (5, 0), "b": (0, 6)})


def test_times_as_people_read_them() -> None:
    shown = [timing.shown(us) for us in (0, 52, 1234, 56_789, 123_456, 1_500_000)]
    assert shown == ["0 ms", "0.052 ms", "1.23 ms", "56.8 ms", "123 ms", "1.50 s"]
