# SPDX-License-Identifier: MIT
"""Each anti-pattern shows in a program that has it, and not in one that comes near it."""

from __future__ import annotations

import os
import re
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import numpy as np
import pytest

from renacer_otel.analysis.assertions import finding, patterns, rules_time
from renacer_otel.analysis.assertions.finding import Finding, Rule, severity
from renacer_otel.analysis.assertions.subject import Subject
from renacer_otel.errors import ConfigError
from renacer_otel.spans import replay
from tests.causality.made import Made

if TYPE_CHECKING:
    from collections.abc import Callable

    Perform = Callable[..., tuple[Subject, dict[str, int]]]

COUNTED = (
    "TinyReads", "TinyWrites", "StatStorm", "OpenStorm", "RereadFile", "FsyncStorm", "BusyPolling",
    "EagainSpin", "ConnectionStorm", "ForkStorm", "FdLeak", "TightLoop",
)  # fmt: skip
# A loop over one call is tight, too.
ALSO = {"TightLoop": {"TinyReads", "TinyWrites"}}


def shown(subject: Subject, name: str) -> dict[int, float]:
    """The pids in which a pattern shows at the default threshold, and how severe it is."""
    found = patterns.rule(name).find(subject)
    return {
        subject.run.processes[each.process].pid: each.severity
        for each in found
        if each.severity >= 0.5
    }


def test_each_shows_where_it_is_and_nowhere_else(perform: Perform) -> None:
    subject, pids = perform(*COUNTED)
    wanted = {name: {pids[mode] for mode in {name} | ALSO.get(name, set())} for name in COUNTED}
    assert {name: set(shown(subject, name)) for name in COUNTED} == wanted
    assert len(COUNTED) + 3 == len(patterns.ours())


def test_near_misses_do_not_show(perform: Perform) -> None:
    subject, _ = perform(*(f"near-{name}" for name in COUNTED))
    assert {name: shown(subject, name) for name in COUNTED} == {name: {} for name in COUNTED}


def test_every_way_to_poll(perform: Perform) -> None:
    ways = ["ask-ppoll", "ask-select", "ask-pselect", "ask-epoll"]
    if tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (5, 11):
        ways.append("ask-epoll2")  # epoll_pwait2(2)
    subject, pids = perform(*ways, *(f"near-{way}" for way in ways))
    assert set(shown(subject, "BusyPolling")) == {pids[way] for way in ways}


def test_a_god_process(perform: Perform) -> None:
    subject, pids = perform("GodProcess")
    assert set(shown(subject, "GodProcess")) == {pids["GodProcess"]}
    subject, _ = perform("near-GodProcess")
    shares = [each.severity for each in patterns.rule("GodProcess").find(subject)]
    assert len(shares) == 6
    assert max(shares) < 0.8


def test_a_sleep_on_the_critical_path(perform: Perform) -> None:
    subject, pids = perform("SleepOnCriticalPath")
    assert set(shown(subject, "SleepOnCriticalPath")) == {pids["SleepOnCriticalPath"]}
    subject, _ = perform("near-SleepOnCriticalPath")
    assert list(patterns.rule("SleepOnCriticalPath").find(subject)) == []


@pytest.mark.parametrize(
    ("path", "level"), [(b"/dev/nvidia0", 0.8), (b"/dev/dri/renderD128", 0.8), (b"/dev/sda", None)]
)
def test_time_in_ioctls_of_a_gpu(path: bytes, level: float | None) -> None:
    made = Made()
    thread = made.thread(1, 100, 100)
    made.event(thread, 1, 4)
    for number in range(2, 10, 2):
        made.call(thread, number, number + 1, nr=16)
        made.at[number], made.at[number + 1] = 1000 * number, 1000 * number + 2000
    made.event(thread, 12, 6, last=1)
    history = made.history()
    run = history.run
    rows = np.zeros(len(run.calls), replay.DETAIL)
    rows["path"] = 1
    texts = np.array([(0, 0, 0), (0, len(path), 0)], replay.TEXT)
    run.details = replay.Details(rows, texts, np.frombuffer(path, np.uint8))
    run.processes[1] = run.processes[1]._replace(t_start=0, t_end=10_000)
    found = list(rules_time.pcie_bottleneck(Subject(history)))
    assert [round(each.severity, 3) for each in found] == ([level] if level else [])


def test_severity() -> None:
    assert severity(100, 1000) == 0
    assert severity(0, 1000) == 0
    assert severity(1000, 1000) == 0.5
    assert round(severity(2512, 1000), 3) == 0.7
    assert severity(10**4, 1000) == severity(10**9, 1000) == 1


def test_a_trace_without_calls() -> None:
    made = Made()
    made.event(made.thread(1, 100, 100), 1, 4)
    history = made.history()
    history.run.details = replay.Details(
        np.zeros(0, replay.DETAIL), np.zeros(1, replay.TEXT), np.zeros(0, np.uint8)
    )
    subject = Subject(history)
    assert [name for name in patterns.ours() if list(patterns.rule(name).find(subject))] == []


def of_another(subject: Subject) -> list[Finding]:
    return [Finding(0.75, f"{len(subject.calls)} calls", 1)]


ANOTHER = Rule(of_another)
NO_RULE = 3


def test_patterns_of_other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    group = patterns.GROUP
    points = [
        EntryPoint("Another", f"{__name__}:ANOTHER", group),
        EntryPoint("NoRule", f"{__name__}:NO_RULE", group),
        EntryPoint("Missing", "no_such_module_at_all:RULE", group),
        EntryPoint("TightLoop", f"{__name__}:ANOTHER", group),  # ours stays
    ]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)
    patterns._others.cache_clear()
    try:
        assert set(patterns.names()) == {*patterns.ours(), "Another", "NoRule", "Missing"}
        assert patterns.rule("Another").find is of_another
        assert patterns.rule("TightLoop") is not ANOTHER
        for name, told in (("NoRule", "is no Rule"), ("Missing", "cannot be loaded")):
            with pytest.raises(ConfigError, match=told):
                patterns.rule(name)
    finally:
        patterns._others.cache_clear()
    assert finding.Rule is Rule
