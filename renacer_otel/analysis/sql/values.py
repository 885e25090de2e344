# SPDX-License-Identifier: MIT
"""Values that DuckDB gives, as JSON and back: what is no value of JSON says of which type it is."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_LONG_ROW = 1 << 16  # characters as JSON
_LONG_VALUE = 1000  # of a row that is long

# How each is written, and read.
_TYPES: dict[type, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    bytes: (bytes.hex, bytes.fromhex),
    decimal.Decimal: (str, decimal.Decimal),
    datetime.datetime: (datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    datetime.date: (datetime.date.isoformat, datetime.date.fromisoformat),
    datetime.time: (datetime.time.isoformat, datetime.time.fromisoformat),
    datetime.timedelta: (
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda words: datetime.timedelta(*words),
    ),
    uuid.UUID: (str, uuid.UUID),
    int: (hex, lambda word: int(word, 16)),
    tuple: (lambda value: [_plain(item) for item in value], tuple),
    dict: (lambda value: [[_plain(key), _plain(item)] for key, item in value.items()], dict),
}
_BY_NAME = {kind.__name__: read for kind, (_, read) in _TYPES.items()}
_SHORT = 1 << 63  # of numbers: Python refuses to write very long ones in tens


def written(value: object) -> str:
    """Anything that read() takes."""
    return json.dumps(_plain(value))


def written_row(row: tuple[Any, ...]) -> str:
    """One of evidence: where it is long, its long values are cut, as text."""
    text = written(list(row))
    if len(text) <= _LONG_ROW:
        return text
    return "[" + ", ".join(map(_cut, row)) + "]"


def read(text: str) -> Any:
    """Raises ValueError where it is nothing that was written so."""
    try:
        return json.loads(text, object_hook=_value)
    except (TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(str(error)) from error


def _cut(value: object) -> str:
    text = written(value)
    return text if len(text) <= _LONG_VALUE else json.dumps(str(value)[:_LONG_VALUE] + "…")


def _plain(value: object) -> Any:
    if value is None or isinstance(value, (bool, str, float)):
        return value
    if isinstance(value, int) and abs(value) < _SHORT:
        return value
    if isinstance(value, list):
        return [_plain(item) for item in value]
    kind = type(value)
    if kind not in _TYPES:
        return str(value)
    return {kind.__name__: _TYPES[kind][0](value)}


def _value(found: dict[str, Any]) -> Any:
    ((name, word),) = found.items()
    return _BY_NAME[name](word)
