# SPDX-License-Identifier: MIT
"""Programs cannot tell the tracer from none, and its users not from strace at its best."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.conformance.cases import CASES
from tests.conformance.differences import DIFFERENCES, MOST
from tests.conformance.lanes import LANES, check, strace_version
from tests.conformance.numbers import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conformance.build import Subjects
    from tests.conformance.cases import Case


@pytest.mark.timeout(600)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(
    case: Case, subjects: Subjects, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    if why := case.hindrance():
        pytest.skip(why)
    if not case.subject.endswith(".py") and shutil.which("cc") is None:
        pytest.skip("needs a C compiler (cc)")
    outcome = check(case, subjects, tmp_path)
    record_property("conformance", f"{outcome.runs} {strace_version()}")
    if "strace" in os.environ.get("RENACER_REQUIRE", ""):
        # Left out for the case's own reason, or not at all.
        assert outcome.skipped.get("strace") == case.skip.get("strace")
    assert not outcome.problems, "\n".join(outcome.problems)


def test_the_list_of_differences_is_short_and_each_has_a_reason() -> None:
    skips = {reason for case in CASES for reason in case.skip.values()}
    assert len(DIFFERENCES) + len(skips) <= MOST
    assert len({difference.name for difference in DIFFERENCES}) == len(DIFFERENCES)
    lanes = {lane.name for lane in LANES}
    names = {case.name for case in CASES}
    for difference in DIFFERENCES:
        assert len(difference.reason) > 30
        assert lanes.issuperset(difference.where)
        assert names.issuperset(difference.programs)
        about = difference.lines or difference.calls or difference.structures
        assert bool(difference.programs) == bool(difference.sees)
        assert sum(map(bool, (about, difference.programs, difference.errors))) == 1


def test_cases_have_names_of_their_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def test_every_number_has_a_test_that_exists(source_root: Path) -> None:
    shown = {number for case in CASES for number in case.shows}
    assert sorted(NUMBERS) == list(range(1, 37))
    assert shown <= NUMBERS.keys()
    for number, (what, tests) in NUMBERS.items():
        assert what
        assert tests or number in shown, f"nothing shows {number}"
        for test in tests:
            file, _, function = test.partition("::")
            assert f"\ndef {function}(" in (source_root / file).read_text(), test
