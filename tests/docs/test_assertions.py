# SPDX-License-Identifier: MIT
"""docs/assertions.md names every key and pattern that there is, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from renacer_otel.analysis.assertions import evaluate, patterns, schema
from tests.docs.markdown import code_words, rows_under

PAGE = Path(__file__).resolve().parents[2] / "docs" / "assertions.md"
if not PAGE.is_file():
    pytest.skip("needs the source tree", allow_module_level=True)


def test_types_and_keys() -> None:
    written = {code_words(row[0])[0]: code_words(row[1]) for row in rows_under(PAGE, "type")}
    assert written == {name: list(keys) for name, keys in schema.TYPES.items()}


def test_patterns() -> None:
    written = [code_words(row[0])[0] for row in rows_under(PAGE, "pattern")]
    assert written == list(patterns.ours())


def test_statuses() -> None:
    written = [code_words(row[0])[0] for row in rows_under(PAGE, "status")]
    assert sorted(written) == sorted(value for name, value in vars(evaluate).items() if name in ALL)


ALL = ("HOLDS", "VIOLATED", "WARNED", "UNKNOWN", "DISABLED", "OTHERS", "LEFT")


def test_sections() -> None:
    written: dict[str, set[str]] = {}
    section = ""
    for row in rows_under(PAGE, "section"):
        section = (code_words(row[0]) or [f"[{section}]"])[0].strip("[]")
        written.setdefault(section, set()).update(code_words(row[1]))
    assert written == {name: set(keys) for name, keys in schema.SECTIONS.items()}
