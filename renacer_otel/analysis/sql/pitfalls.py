# SPDX-License-Identifier: MIT
"""SQL of an assertion that asks for something else than was meant, where its text shows that."""

from __future__ import annotations

import re

from renacer_otel.analysis.sql.database import is_query

_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
_SOURCE = re.compile(r"\b(?:from|table|values|describe|show|summarize)\b", re.IGNORECASE)
#: One aggregate function of a whole table is what it selects first: that is a row in any case.
_COUNTS = re.compile(
    r"\s*select\s+(?:count|sum|avg)\s*\((?:[^()]|\([^()]*\))*\)\s*(?:as\s+\w+\s*)?(?:,|from\b)",
    re.IGNORECASE,
)
_GROUPS = re.compile(r"\b(?:group|having|qualify|limit|union|intersect|except)\b", re.IGNORECASE)
_INSTEAD = "write a condition, as in (SELECT count(*) FROM calls WHERE name = 'fsync') < 5"


def told(expression: str) -> str:
    """What is wrong with it, in a sentence; "" = nothing is seen."""
    text = _QUOTED.sub(" x ", expression)
    if not _SOURCE.search(text):
        return f"it has no FROM, so it looks at nothing of the trace: {_INSTEAD}"
    if is_query(expression) and _COUNTS.match(text) and not _GROUPS.search(text):
        return f"a SELECT holds if it finds no row, and this one always finds one: {_INSTEAD}"
    return ""
