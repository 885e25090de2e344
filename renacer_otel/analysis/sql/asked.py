# SPDX-License-Identifier: MIT
"""What a SELECT finds, by a process of its own that makes the tables and asks them (apart.py).

All raise UsageError (not one SELECT, or a wrong one), RenacerError (no DuckDB, too much time or
memory, no process).
"""

from __future__ import annotations

import codecs
import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy.ma  # noqa: F401 (DuckDB does: here, and not in each process)

from renacer_otel.analysis.sql import (
    tables,  # noqa: F401 (the same)
    values,
)
from renacer_otel.analysis.sql.apart import apart
from renacer_otel.analysis.sql.database import Answer, Database, limit_memory, require
from renacer_otel.errors import RenacerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from renacer_otel.analysis.sql.apart import Send
    from renacer_otel.spans.replay import Replay

SECONDS = 60.0
_MOST = 16 << 20  # bytes of rows that become values here


class Rows(NamedTuple):
    """Names and types (DuckDB's) of columns, and rows."""

    columns: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]


@contextmanager
def rendered(
    run: Replay,
    sql: str,
    render: Callable[[Answer], Iterator[str]],
    *,
    seconds: float = SECONDS,
) -> Iterator[Iterator[str]]:
    """What `render`, which is run in that process, makes of it: some at a time."""
    require()

    def work(send: Send) -> None:
        with Database(run) as database:
            limit_memory()
            with database.answer(sql) as answer:
                for part in render(answer):
                    send(part.encode("utf-8", "backslashreplace"))

    with apart(work, seconds) as pieces:
        yield _decoded(pieces)


def parquet(run: Replay, sql: str, path: str, *, seconds: float = SECONDS) -> None:
    """Writes it to a new file. One that failed may be there in part."""
    require()

    def work(_: Send) -> None:
        with Database(run, parquet=path) as database:
            limit_memory()
            database.to_parquet(sql)

    with apart(work, seconds) as pieces:
        for _ in pieces:
            pass


def rows(run: Replay, sql: str, most: int, *, seconds: float = SECONDS) -> Rows:
    """At most so many rows of it, for people: texts of megabytes are cut."""
    require()

    def work(send: Send) -> None:
        with Database(run) as database:
            limit_memory()
            with database.answer(sql) as answer:
                found = itertools.islice(itertools.chain.from_iterable(answer.batches), most)
                texts = [values.written_row(row) for row in found]
                told = map(values.written, (answer.columns, answer.types))
                text = f"[{', '.join(told)}, [{', '.join(texts)}]]"
        send(text.encode())

    data = bytearray()
    with apart(work, seconds) as pieces:
        for piece in pieces:
            data += piece
            if len(data) > _MOST:
                raise RenacerError(f"what it finds takes more than {_MOST >> 20} MB; ask for less")
    try:
        columns, types, found = values.read(data.decode())
        if any(len(row) != len(columns) for row in (types, *found)):
            raise ValueError
        return Rows(columns, types, [tuple(row) for row in found])
    except (ValueError, TypeError) as error:
        raise RenacerError("the query's process sent nonsense; please report it") from error


def _decoded(pieces: Iterator[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    for piece in pieces:
        yield decoder.decode(piece)
    yield decoder.decode(b"", True)
