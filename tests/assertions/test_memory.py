# SPDX-License-Identifier: MIT
"""What a process had allocated at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from renacer_otel.analysis.assertions import memory
from renacer_otel.analysis.assertions.subject import Subject
from renacer_otel.analysis.causality.history import START
from renacer_otel.spans import replay
from tests.causality.made import Made

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
BRK = 12  # of x86_64


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
