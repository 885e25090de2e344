# SPDX-License-Identifier: MIT
"""What a process had allocated at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renacer_otel.analysis.assertions import memory
from renacer_otel.analysis.assertions.subject import Subject
from renacer_otel.analysis.causality.history import START
from renacer_otel.spans import replay
from tests.causality.made import Made

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
MMAP, MUNMAP, BRK = 9, 11, 12  # of x86_64


def test_peak(perform: Callable[..., tuple[Subject, dict[str, int]]]) -> None:
    subject, pids = perform("allocate", "near-TightLoop")
    peaks = {subject.run.processes[peak.process].pid: peak.total for peak in memory.peaks(subject)}
    # What stdio and the C library take besides is less than a MiB.
    assert 64 * MIB <= peaks[pids["allocate"]] < 65 * MIB
    assert peaks.get(pids["near-TightLoop"], 0) < MIB


def test_the_heap_of_a_child_is_what_it_adds() -> None:
    made = Made()
    parent, child = made.thread(1, 100, 100), made.thread(2, 101, 101)
    made.event(parent, 1, START)
    values = {}
    for number, thread, result in ((2, parent, 0x1000), (4, parent, 0x9000), (7, child, 0xB000)):
        made.call(thread, number, number + 1, nr=BRK)
        values[number] = result
    made.event(child, 6, START)
    history = made.history()
    run = history.run
    run.threads["maker"][:] = [replay.NO_THREAD, parent]
    for row in run.calls:
        row["result"] = values[int(row["seq"])]
    run.details = replay.Details(
        np.zeros(len(run.calls), replay.DETAIL), np.zeros(1, replay.TEXT), np.zeros(0, np.uint8)
    )
    peaks = {peak.process: peak.total for peak in memory.peaks(Subject(history))}
    assert peaks == {1: 0x8000, 2: 0x2000}


def test_mappings_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_MAPPINGS", 10)
    made = memory._Space()
    for at in range(10):
        made.put(at * 0x2000, at * 0x2000 + 0x1000, True)
    with pytest.raises(memory.TooMany):
        made.put(0x100000, 0x101000, True)
    made.cut(0, 0x1000)
    made.put(0x100000, 0x101000, True)
    assert made.total == 0xA000


def space(*calls: tuple[int, list[int], int]) -> int:
    made = memory._Space()
    for what, args, result in calls:
        memory._apply(made, what, args, result)
    return made.total + made.top - made.base


ANONYMOUS = [0, 0x4000, 3, 0x22]


def test_ranges() -> None:
    mapped = (memory._MMAP, ANONYMOUS, 0x10000)
    assert space(mapped) == 0x4000
    assert space(mapped, (memory._MUNMAP, [0x11000, 0x1000, 0, 0], 0)) == 0x3000
    assert space(mapped, (memory._MUNMAP, [0, 0x100000, 0, 0], 0)) == 0
    assert space(mapped, mapped) == 0x4000
    assert space(mapped, (memory._MMAP, ANONYMOUS, 0x12000)) == 0x6000
    assert space(mapped, (memory._MMAP, [0, 0x1000, 3, 0x12], 0x11000)) == 0x3000
    assert space(mapped, (memory._MPROTECT, [0x11000, 0x1800, 0, 0], 0)) == 0x2000
    assert space((memory._MMAP, [0, 0x4000, 0, 0x22], 0x10000)) == 0
    assert space(mapped, (memory._MREMAP, [0x10000, 0x4000, 0x9000, 1], 0x90000)) == 0x9000
    assert space(mapped, (memory._MREMAP, [0x10000, 0x4000, 0x1000, 0], 0x10000)) == 0x1000
    assert space(mapped, (memory._MREMAP, [0x10000, 0x4000, 0x4000, 5], 0x90000)) == 0x8000
    assert space((memory._MREMAP, [0x10000, 0x4000, 0x9000, 1], 0x90000)) == 0
    heap = [(memory._BRK, [0] * 4, 0x1000), (memory._BRK, [0x5000] * 4, 0x5000)]
    assert space(*heap) == 0x4000
    assert space(*heap, (memory._BRK, [0x2000] * 4, 0x2000)) == 0x1000


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 9), st.integers(0, 4)), max_size=30))
def test_what_is_given_back_at_once_counts_as_any(doing: list[tuple[int, int, int]]) -> None:
    """A trace of which something was lost is followed call by call; it has the same peaks."""
    made = Made()
    threads = [made.thread(number, 100 + number, 100 + number) for number in (1, 2)]
    known: list[list[tuple[int, int]]] = [[], []]
    values: dict[int, tuple[list[int], int]] = {}
    number, free = 1, 0x7F0000000000

    def call(who: int, nr: int, args: list[int], result: int = 0) -> None:
        nonlocal number
        made.call(threads[who], number, number + 1, nr=nr)
        values[number] = (args, result)
        number += 2

    for who, what, size in doing:
        length = (1, 0x1000, 0x2000, 0x10000, 0x18001)[size]
        if what < 7 or not known[who]:
            free += 1 << 20
            flags = 0x02 if what == 6 else 0x22
            call(who, MMAP, [0, length, 0 if what == 5 else 3, flags], free)
            if what < 4:
                call(who, MUNMAP, [free, length])
            else:
                known[who].append((free, length))
        elif what == 7:
            call(who, MUNMAP, list(known[who].pop()))
        elif what == 8:  # over what is there
            at, _ = known[who][0]
            call(who, MMAP, [at, length, 3, 0x32], at)
            call(who, MUNMAP, [at, length])
        else:
            call(who, BRK, [0], 0x10000 * (1 + size))
    history = made.history()
    run = history.run
    details = np.zeros(len(run.calls), replay.DETAIL)
    for row, detail in zip(run.calls, details, strict=True):
        args, row["result"] = values[int(row["seq"])]
        detail["args"][: len(args)] = args
    run.details = replay.Details(details, np.zeros(1, replay.TEXT), np.zeros(0, np.uint8))
    assert run.is_whole
    found = memory.peaks(Subject(history))
    run.lost_events = 1
    assert sorted(found) == sorted(memory.peaks(Subject(history)))
