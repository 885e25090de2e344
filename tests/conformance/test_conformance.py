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
        assert "strace" not in outcome.skipped
    assert not outcome.problems, "\n".join(outcome.problems)


def test_the_list_of_differences_is_short_and_each_has_a_reason() -> None:
    assert len(DIFFERENCES) <= MOST
    assert len({difference.name for difference in DIFFERENCES}) == len(DIFFERENCES)
    lanes = {lane.name for lane in LANES}
    names = {case.name for case in CASES}
    for difference in DIFFERENCES:
        assert len(difference.reason) > 30
        assert lanes.issuperset(difference.where)
        assert names.issuperset(difference.programs)
        assert bool(difference.lines) != bool(difference.programs)


def test_cases_have_names_of_their_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
