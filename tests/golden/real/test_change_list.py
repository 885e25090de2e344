# SPDX-License-Identifier: MIT
"""The seeded changes are whole, and what is not found, or not named, is told as missed."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.golden.real.change_list import CHANGES, Change, in_words
from tests.golden.real.change_times import TIMES, WAITS
from tests.golden.real.changes import FOUND, MISSED, UNJUDGED, chosen, judged
from tests.golden.real.commands import COMMANDS, EXAMPLE, SUBJECTS
from tests.golden.real.session import Checked

_KNOWN = {command.name: command for command in (*COMMANDS, WAITS)}


@pytest.mark.parametrize(
    ("code", "out", "expected"),
    [
        (1, "x changed: now also opens b for writing, in p0\n", FOUND),
        (0, "x changed: now also opens b for writing, in p0\n", MISSED),
        (1, "x changed: now also opens c, in p0\n  2. now also opens b for writing\n", MISSED),
        (0, "x: same\n  note: times were not compared: other programs\n", UNJUDGED),
        (0, "x: same\n", MISSED),
        (125, "", MISSED),
    ],
)
def test_a_change_is_found_if_its_first_line_names_it(code: int, out: str, expected: str) -> None:
    change = Change("x", "one more file", "opens b for writing")
    assert judged(change, Checked(code, out, "renacer-otel: broken\n"))[0] == expected


def test_there_are_at_least_three_of_each_command() -> None:
    counts = Counter(change.command for change in CHANGES)
    assert set(counts) == {command.name for command in COMMANDS}
    assert min(counts.values()) >= 3
    assert counts.total() >= 60
    assert len({(change.command, change.name) for change in CHANGES}) == len(CHANGES)


@pytest.mark.parametrize("change", [*CHANGES, *TIMES], ids=lambda change: change.name)
def test_what_a_change_replaces_is_there(change: Change) -> None:
    command = _KNOWN[change.command]
    assert in_words(command.words, change) != command.words or not change.words
    for name, was, now in change.edits:
        places = [EXAMPLE, *(SUBJECTS / subject for subject in command.subjects)]
        texts = [
            path.read_text() for place in places for path in (place, place / name)
            if path.name == name and path.is_file()
        ]  # fmt: skip
        assert [text.count(was) for text in texts] == [1]
        assert was != now


def test_a_third_is_the_same_third_each_time() -> None:
    third = chosen((), times=False, everything=False)
    assert third == chosen((), times=False, everything=False)
    assert len(third) == 33 == -(-len(CHANGES) // 3)
    assert chosen((), times=False, everything=True) == list(CHANGES)
    assert chosen(["tar"], times=False, everything=False) == [
        change for change in CHANGES if change.command == "tar"
    ]
    with pytest.raises(ValueError, match="no command or change is called ls"):
        chosen(["ls"], times=False, everything=False)
