# SPDX-License-Identifier: MIT
"""An assertion of one's own, as SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from renacer_otel.analysis.sql.database import SECONDS, Database, is_query
from renacer_otel.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from renacer_otel.spans.replay import Replay

#: More rows are no better evidence.
EVIDENCE_ROWS = 20


def evaluate(
    replay: Replay, expression: str, *, seconds: float = SECONDS
) -> tuple[bool, list[dict[str, Any]]]:
    """Whether it holds, and at most EVIDENCE_ROWS rows of evidence.

    A condition holds if it is true; a SELECT of one BOOLEAN if that is true, every other SELECT
    if it finds no row: it asks for what is wrong. `replay` is to have its details, else paths,
    arguments and peers are NULL. Raises ConfigError (the SQL is wrong), RenacerError (no DuckDB,
    too much time or memory).
    """
    sql = expression if is_query(expression) else f"SELECT (\n{expression}\n) AS holds"
    try:
        with Database(replay, seconds=seconds) as database, database.answer(sql) as answer:
            rows: list[tuple[Any, ...]] = []
            for batch in answer.batches:
                rows += batch[: EVIDENCE_ROWS - len(rows)]
                if len(rows) == EVIDENCE_ROWS:
                    break
    except UsageError as error:
        raise ConfigError(error.message) from error
    is_condition = sql is not expression
    if is_condition and answer.types != ["BOOLEAN"] and rows != [(None,)]:
        raise ConfigError(f"no condition: it is {answer.types[0]}, not BOOLEAN")
    verdict = is_condition or (answer.types == ["BOOLEAN"] and len(rows) == 1)
    holds = rows == [(True,)] if verdict else not rows
    return holds, [dict(zip(answer.columns, row, strict=True)) for row in rows]
