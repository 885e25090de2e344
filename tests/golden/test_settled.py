# SPDX-License-Identifier: MIT
"""A command that never does the same twice is told when it is captured."""

from __future__ import annotations

import pytest

from tests.golden.program import Program, program_fixture

NEW = """printf x >> count
name=$(sed -n "$(wc -c < count)p" names)
mkdir -p "made/$name"; echo text > "made/$name/stats"
"""
_WARNING = "runs did what no other did, and so will checks, which call it a change: "
program = program_fixture(NEW)


@pytest.fixture(autouse=True)
def names(program: Program) -> None:
    (program.folder / "names").write_text("\n".join("akqzbdtvmecf"))


def test_what_is_new_in_each_run(program: Program) -> None:
    told = program.capture("work", "--runs", "4").err
    assert f"work: 4 of 4 {_WARNING}now also" in told
    assert "made/" in told
    assert program.check("work", code=1)[0].startswith("work changed: now also")


def test_what_is_now_this_and_now_that(program: Program) -> None:
    """Two of four are alike, and so are the others: checks do one of both."""
    program.write(NEW.replace('count)p"', 'count | tr 2345 1212)p"'))
    assert _WARNING not in program.capture("work", "--runs", "4").err
