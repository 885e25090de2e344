# SPDX-License-Identifier: MIT
"""What tracing is told to have added: how near it comes is benchmarked, here is what must hold."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from renacer_otel.exporters.receiver import Receiver
from tests.cli.tool import Totals, renacer

if TYPE_CHECKING:
    from pathlib import Path

CALLS = ("dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=10000", "status=none")


def totals(*words: str | Path) -> Totals:
    done = renacer("-o", "/dev/null", *words)
    assert done.code == 0
    return done.totals


@pytest.mark.parametrize("policy", ["auto", "share", "free"])
def test_many_calls_are_told_to_cost_at_most_the_time_there_is(policy: str) -> None:
    found = totals("--cpu", policy, "--", *CALLS)
    assert 0 < found.added <= found.wall


def test_the_span_tells_the_same_and_at_least_what_the_tracer_computed() -> None:
    with Receiver() as receiver:
        done = renacer("--otlp-endpoint", receiver.endpoint, "--cpu", "share", "--", *CALLS)
        spans = [received.span for received in receiver.spans]
    root = next(span for span in spans if span.name == "renacer-otel run")
    values = {pair.key: pair.value.double_value for pair in root.attributes}
    added = values["renacer.tracer.added_time"]
    assert f"{added:.3f}" == f"{done.totals.added:.3f}"
    assert added > values["renacer.tracer.cpu_time"]


@pytest.mark.parametrize("policy", ["auto", "share", "free"])
def test_a_command_that_waits_is_not_slowed(policy: str) -> None:
    found = totals("--cpu", policy, "--", "sleep", "2")
    assert found.wall >= 2
    assert found.added < 1


@pytest.mark.parametrize("policy", ["auto", "share"])
def test_a_command_that_computes_is_not_slowed(policy: str) -> None:
    script = "for _ in range(20_000_000): pass"
    found = totals("--cpu", policy, "--", sys.executable, "-ISc", script)
    assert found.added < found.wall / 2


def test_twice_the_calls_cost_more() -> None:
    few = totals("--cpu", "share", "--", *CALLS)
    many = totals("--cpu", "share", "--", *CALLS[:-2], "count=40000", "status=none")
    assert many.calls > 3 * few.calls
    assert many.added > few.added


def test_processes_that_share_a_cpu_wait_for_each_other() -> None:
    """Two that compute, kept on one CPU, take twice the time: that is told, too."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two CPUs")
    # Each of them makes a call now and then, so that there are ticks to look at.
    loop = "import os\nfor _ in range(200): sum(range(100_000)); os.getppid()"
    script = f'"$0" -ISc "{loop}" & "$0" -ISc "{loop}"; wait'
    found = totals("--cpu", "share", "--", "sh", "-c", script, sys.executable)
    assert found.added > 0.1
