# SPDX-License-Identifier: MIT
"""What the harness of false alarms counts, and that its table of commands is whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.golden.real.alarms import tallied
from tests.golden.real.commands import COMMANDS, SUBJECTS, chosen
from tests.golden.real.session import Checked


def _checked(code: int, **report: Any) -> Checked:
    return Checked(code, json.dumps({"goldens": [report]}), "")


def test_whatever_is_not_the_same_is_an_alarm() -> None:
    outcomes = [
        _checked(0, runs=1, notes=["times were not compared: other programs took 3.0 CPUs"]),
        _checked(1, runs=2, differences=[{"sentence": "now also writes x"}], notes=[]),
        _checked(1, runs=6, slower=[{"sentence": "cat waits"}], notes=[]),
        _checked(0, runs=3, notes=["one of 3 runs was different, which …: now reads y"]),
        Checked(125, "", "renacer-otel: broken\n"),
    ]
    tally = tallied("made up", lambda: outcomes.pop(0), 5)
    assert (tally.checks, tally.runs) == (5, 12)
    assert tally.alarms == [
        "exit 1: now also writes x", "exit 1: cat waits", "exit 125: renacer-otel: broken",
    ]  # fmt: skip
    assert dict(tally.unconfirmed) == {"now reads y": 1}


def test_commands_have_what_they_name() -> None:
    assert len({command.name for command in COMMANDS}) == len(COMMANDS) == 14
    assert all((SUBJECTS / name).exists() for command in COMMANDS for name in command.subjects)
    assert [command.name for command in chosen(["tar", "sort"])] == ["tar", "sort"]
    with pytest.raises(ValueError, match="no command is called ls"):
        chosen(["ls"])
