# SPDX-License-Identifier: MIT
"""reliability.md: the cases are all there, and each test that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reliability.md"
if not PAGE.is_file():
    pytest.skip("needs the source tree", allow_module_level=True)
CASES = {*range(1, 25), 28}


def rows() -> list[list[str]]:
    """The cells of the tables' rows."""
    found = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and cells[0] != "case" and not set(line) <= set("|-"):
            found.append(cells)
    return found


def test_every_case_has_its_tests() -> None:
    numbers = [int(match[0]) for row in rows() if (match := re.match(r"\d+", row[0]))]
    assert numbers == sorted(CASES)
    for row in rows():
        assert len(row) == 3, row
        assert row[1]
        assert re.fullmatch(r"`[^`]+`(, `[^`]+`)*", row[2]), row


def test_the_tests_exist() -> None:
    named = [name for row in rows() for name in re.findall(r"`([^`]+)`", row[2])]
    missing = []
    for name in named:
        path, _, function = name.partition("::")
        source = ROOT / path
        text = source.read_text(encoding="utf-8") if source.is_file() else ""
        kind = r"(?:static )?(?:void|int) " if source.suffix == ".c" else r" *def "
        if not re.search(rf"^{kind}{re.escape(function)}\(", text, re.MULTILINE):
            missing.append(name)
    assert not missing
