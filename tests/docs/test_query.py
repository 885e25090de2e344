# SPDX-License-Identifier: MIT
"""docs/query.md lists the tables and their columns as they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from renacer_otel.analysis.sql import Database
from renacer_otel.analysis.sql.tables import TABLES
from renacer_otel.spans import replay
from tests.cli.tool import renacer
from tests.docs.markdown import code_words

PAGE = Path(__file__).resolve().parents[2] / "docs" / "query.md"
if not PAGE.is_file():
    pytest.skip("needs the source tree", allow_module_level=True)


def test_columns(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    done = renacer("-q", "--format", "record", "-o", trace, "--", "true")
    assert done.code == 0, done.err
    database = Database(replay.of_trace(trace, details=True))
    text = PAGE.read_text(encoding="utf-8")
    for table in TABLES:
        section = re.search(rf"^### `{table}`\n(.*?)(?=^#|\Z)", text, re.M | re.S)
        assert section, table
        written = [
            (code_words(line)[0], line.split("|")[2].strip())
            for line in section[1].splitlines()
            if line.startswith("| `")
        ]
        with database.answer(f"DESCRIBE {table}") as answer:
            there = [tuple(row[:2]) for batch in answer.batches for row in batch]
        assert written == there
