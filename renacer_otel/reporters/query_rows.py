# SPDX-License-Identifier: MIT
"""The rows of a query as text, CSV and JSON, some at a time."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
import math
from typing import TYPE_CHECKING, Any

from renacer_otel.spans import redacted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renacer_otel.analysis.sql.database import Answer

_WIDEST = 60
_NULL = "NULL"


def text(answer: Answer) -> Iterator[str]:
    """A table, its columns as wide as the first rows want it. What a terminal would obey is
    escaped."""
    widths: list[int] = []
    names = [_printable(name) for name in answer.columns]
    right = [_is_number(kind) for kind in answer.types]

    def line(cells: list[str]) -> str:
        shown = [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(cells, widths, right, strict=True)
        ]
        return "  ".join(shown).rstrip() + "\n"

    for batch in answer.batches:
        rows = [[_cell(value) for value in row] for row in batch]
        if not widths:
            widths += [
                min(_WIDEST, max(map(len, column))) for column in zip(names, *rows, strict=True)
            ]
            yield line(names)
        yield "".join(map(line, rows))
    if not widths:
        widths += map(len, names)
        yield line(names)


def comma_separated(answer: Answer) -> Iterator[str]:
    """RFC 4180, with a head line; NULL is empty."""
    yield _csv([answer.columns])
    for batch in answer.batches:
        yield _csv([["" if value is None else _leaving(value) for value in row] for row in batch])


def as_json(answer: Answer) -> Iterator[str]:
    """A list of objects; a name that comes again has its column's number behind it."""
    names: list[str] = []
    for number, name in enumerate(answer.columns, 1):
        names.append(f"{name}_{number}" if name in names else name)
    before = "[\n"
    for batch in answer.batches:
        objects = [
            json.dumps(
                {name: _json(value) for name, value in zip(names, row, strict=True)},
                allow_nan=False,
            )
            for row in batch
        ]
        yield before + ",\n".join(objects)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _csv(rows: list[list[Any]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()


def _is_number(kind: str) -> bool:
    return kind.upper().startswith(
        ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "U", "FLOAT", "DOUBLE", "DECIMAL",
         "NUMBER")
    ) and not kind.upper().startswith("UUID")  # fmt: skip


def _plain(value: object) -> object:
    """As one word."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(_json(value), allow_nan=False)
    return value


def _leaving(value: object) -> object:
    """As one word, without what is secret."""
    plain = _plain(value)
    return redacted.text(plain) if isinstance(plain, str) else plain


def _cell(value: object) -> str:
    return _NULL if value is None else _printable(str(_plain(value)))


def _printable(word: str) -> str:
    if word.isprintable():
        return word
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in word
    )


def _json(value: object) -> Any:
    if isinstance(value, str):
        return redacted.text(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, decimal.Decimal):
        return float(value) if value.is_finite() else str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    return str(value)
