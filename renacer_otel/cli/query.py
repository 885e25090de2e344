# SPDX-License-Identifier: MIT
"""`renacer-otel query`: asks a TRACE file in SQL.

SQL is one SELECT over the tables calls, processes, threads, edges, events, signals and trace;
`DESCRIBE calls` lists a table's columns, docs/query.md says what they mean. It reads no file and
no network, and writes nothing. Needs DuckDB: pip install 'renacer-otel[analysis]'.

Exit code 0; 2 if there is no such TRACE file, 3 if it cannot be read, 125 if the SQL is wrong,
or no SELECT, or takes too long or too much memory.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING

from renacer_otel.cli import options, planted, stopping, terminal, written
from renacer_otel.errors import RenacerError, UsageError, one_line
from renacer_otel.reporters import query_rows
from renacer_otel.ring import trace_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from renacer_otel.spans.replay import Replay

FORMATS = ("text", "csv", "json", "parquet")
_RENDER = {
    "text": query_rows.text,
    "csv": query_rows.comma_separated,
    "json": query_rows.as_json,
}


def main(arguments: Sequence[str]) -> int:
    """Writes what was asked; 0. Raises TraceNotFound, TraceUnreadable, UsageError, OutputError."""
    parser = options.parser_of(
        "query", "TRACE SQL [--format FORMAT] [--timeout SECONDS] [-o FILE]", __doc__
    )
    options.add_trace(parser)
    parser.add_argument("sql", metavar="SQL", help="a SELECT")
    parser.add_argument("--format", metavar="FORMAT", default="text",
        help="text, csv, json, parquet (text)")  # fmt: skip
    parser.add_argument("--timeout", metavar="SECONDS", default="60",
        help="end a query that takes longer (60)")  # fmt: skip
    options.add_output(parser)
    given = parser.parse_args(list(arguments))
    options.one_of("--format", given.format, FORMATS)
    if given.format == "parquet" and given.output is None:
        raise UsageError("--format parquet is no text: name a file with -o FILE")
    seconds = _seconds(given.timeout)
    _require(given.trace)
    # What is used later, too: an import is not to be stopped.
    from renacer_otel.analysis import loading  # noqa: F401
    from renacer_otel.analysis.sql import asked  # noqa: F401

    with stopping.stopping():
        run = written.replay_of(given.trace, details=True)
        if given.format == "parquet":
            _copy(run, given.sql, seconds, given.output)
        else:
            _write(run, given.sql, seconds, given.format, given.output)
    return 0


def _require(trace: str) -> None:
    """Raises RenacerError where DuckDB is not installed, but first what is wrong with the file."""
    from renacer_otel.analysis.sql import database

    try:
        database.require()
    except RenacerError:
        trace_file.open_file(trace).close()
        raise


def _seconds(word: str) -> float:
    with suppress(ValueError):
        if math.isfinite(seconds := float(word)) and 0 < seconds <= 86400:
            return seconds
    raise UsageError(f"--timeout {one_line(word, 40)}: not a number of seconds up to 86400")


def _write(run: Replay, sql: str, seconds: float, form: str, output: str | None) -> None:
    from renacer_otel.analysis.sql import asked

    with asked.rendered(run, sql, _RENDER[form], seconds=seconds) as parts:
        if output is None:
            for part in parts:
                terminal.show(part)
        else:
            _save(parts, output)


def _save(parts: Iterator[str], output: str) -> None:
    first = next(parts, "")  # a query that fails leaves the file as it was
    try:
        with open(
            output, "w", encoding="utf-8", errors="backslashreplace", opener=planted.opener
        ) as file:
            file.write(first)
            file.writelines(parts)
    except (OSError, ValueError) as error:
        raise written.not_written(output, error) from error


def _copy(run: Replay, sql: str, seconds: float, output: str) -> None:
    from renacer_otel.analysis.sql import asked

    with stopping.whole():
        made = tempfile.TemporaryDirectory(prefix="renacer-")
    with made as folder:
        path = os.path.join(folder, "answer.parquet")
        asked.parquet(run, sql, path, seconds=seconds)
        try:
            with (
                open(path, "rb") as source,
                open(output, "wb", opener=planted.opener) as file,
            ):
                shutil.copyfileobj(source, file)
        except (OSError, ValueError) as error:
            raise written.not_written(output, error) from error
