# SPDX-License-Identifier: MIT
"""docs/equivalence.md names every rule, key and factor that there is, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from renacer_otel.analysis.assertions import schema
from renacer_otel.analysis.equivalence import confidence, judge
from renacer_otel.analysis.equivalence.state import GROUPS, WAYS
from tests.docs.markdown import code_words, rows_under

PAGE = Path(__file__).resolve().parents[2] / "docs" / "equivalence.md"
if not PAGE.is_file():
    pytest.skip("needs the source tree", allow_module_level=True)


def test_groups() -> None:
    written = [code_words(row[0])[0] for row in rows_under(PAGE, "group")]
    assert written == [group for group in GROUPS if group != WAYS]  # that one is of --strict


def test_rules() -> None:
    written = [code_words(row[1])[0] for row in rows_under(PAGE, "option")]
    assert written == [*judge.STRICT, *judge.IGNORED]


def test_keys() -> None:
    written = [word for row in rows_under(PAGE, "key") for word in code_words(row[0])]
    assert sorted(written) == sorted(schema.SECTIONS["semantic_equivalence"])


def test_factors() -> None:
    written = {}
    for row in rows_under(PAGE, "kind"):
        numbers = [float(word) for word in re.findall(r"[\d.]+", row[2])]
        written[code_words(row[0])[0]] = (numbers[0], numbers[-1])
    assert written == {
        kind: tuple(confidence.factor(kind, final_state=seen) for seen in (False, True))
        for kind in confidence.FACTORS
    }
