# SPDX-License-Identifier: MIT
"""An assertion of one's own, as SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from renacer_otel.analysis.sql import asked
from renacer_otel.analysis.sql.asked import SECONDS
from renacer_otel.analysis.sql.database import is_query
from renacer_otel.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from renacer_otel.spans.replay import Replay

#: More rows are no better evidence.
EVIDENCE_ROWS = 20


class Answered(NamedTuple):
    """`rows`: at most EVIDENCE_ROWS, as evidence; `is_null`: of a condition."""

    holds: bool
    rows: list[dict[str, Any]]
    is_null: bool


def evaluate(
    replay: Replay, expression: str, *, seconds: float = SECONDS
) -> tuple[bool, list[dict[str, Any]]]:
    """Whether it holds, and at most EVIDENCE_ROWS rows of evidence. Raises as answer() does."""
    found = answer(replay, expression, seconds=seconds)
    return found.holds, found.rows


def answer(replay: Replay, expression: str, *, seconds: float = SECONDS) -> Answered:
    """What comes of an expression.

    A condition holds if it is true, not if it is NULL; a SELECT of one BOOLEAN if that is true,
    every other SELECT if it finds no row: it asks for what is wrong. `replay` is to have its
    details, else paths, arguments and peers are NULL. Raises ConfigError (the SQL is wrong),
    RenacerError (no DuckDB, too much time or memory).
    """
    sql = expression if is_query(expression) else f"SELECT (\n{expression}\n) AS holds"
    try:
        found = asked.rows(replay, sql, EVIDENCE_ROWS, seconds=seconds)
    except UsageError as error:
        raise ConfigError(error.message) from error
    is_condition = sql is not expression
    if is_condition and found.types != ["BOOLEAN"] and found.rows != [(None,)]:
        raise ConfigError(f"no condition: it is {found.types[0]}, not BOOLEAN")
    verdict = is_condition or (found.types == ["BOOLEAN"] and len(found.rows) == 1)
    holds = found.rows == [(True,)] if verdict else not found.rows
    shown = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    return Answered(holds, shown, verdict and found.rows == [(None,)])
