# SPDX-License-Identifier: MIT
"""The tables of docs/redaction.md are those of the core, and what they say is what it does."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from renacer_otel.engine.redaction import Redaction, Redactor

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "redaction.md"
if not PAGE.is_file():
    pytest.skip("needs the source tree", allow_module_level=True)
sys.path.insert(0, str(ROOT / "scripts"))
import redaction_table  # noqa: E402


def test_the_tables_are_the_cores() -> None:
    page = PAGE.read_text(encoding="utf-8")
    made = redaction_table.page_with(page, redaction_table.tables())
    assert page == made, "run scripts/redaction_table.py"


def _cells(name: str) -> list[list[str]]:
    table = redaction_table.tables()[name]
    return [row[2:-2].split(" | ") for row in table.splitlines()[2:]]


def test_the_tables_are_whole() -> None:
    header = (ROOT / "native/encode/redact_table.h").read_text(encoding="utf-8")
    rows = len(re.findall(r"^\tROW\(", header, re.M))
    keys = sum(len(row[1].split(", ")) for row in _cells("names"))
    assert len(_cells("tokens")) + keys + len(_cells("flags")) == rows
    for _, pattern in _cells("tokens"):
        re.compile(pattern.strip("`"))


def test_names_and_flags_do_what_they_say() -> None:
    redactor = Redactor(Redaction())
    for _, names in _cells("names"):
        for name in names.replace("`", "").split(", "):
            for written in (name, name.upper(), f"x_{name}", f"X-{name}2"):
                assert redactor.text(f"{written}=abc") == f"{written}=REDACTED"
    for programs, flag, what in _cells("flags"):
        program = programs.split(", ")[0].replace("`", "").replace("any", "tool")
        line = [program, flag.strip("`")]
        if "login" in what:
            line.insert(1, "login")
        if what == "what is tied to it":
            line[-1] += "abc"
        else:
            mark = re.search(r"behind `(.)`", what)
            line += [f"me{mark[1]}abc" if mark else "abc"]
        made = redactor.words([word for word in line if word])
        assert "abc" not in " ".join(made), line
        assert "REDACTED" in made[-1]
