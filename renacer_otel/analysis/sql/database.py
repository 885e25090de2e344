# SPDX-License-Identifier: MIT
"""Runs one SELECT over the tables of a trace: no file, no network, bounded memory.

Time is bounded by who asks (asked.py): DuckDB heeds no interrupt within one call of a function, nor
while tables are made.
"""

from __future__ import annotations

import itertools
import os
import re
import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from renacer_otel.errors import RenacerError, UsageError, did_you_mean, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    import duckdb

    from renacer_otel.spans.replay import Replay

MEMORY_MB = 256
_BATCH = 1000
_HEADROOM = 1 << 30  # bytes of addresses beyond what the tables took
_SQL_MAX = 1 << 20
_DEEPEST = 300  # brackets: the parser's memory grows with the square of them
# What a statement that only reads begins with, behind comments.
_READS = re.compile(
    r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*"
    r"(SELECT|WITH|FROM|VALUES|TABLE|DESCRIBE|SHOW|SUMMARIZE)\b",
    re.IGNORECASE | re.DOTALL,
)
_LISTS = re.compile(r"SHOW(?:\s+TABLES)?|DESCRIBE", re.IGNORECASE)
_NO_TABLE = re.compile(r"Table with name (.{1,200}?) does not exist", re.DOTALL)


class Answer(NamedTuple):
    """Names and types (DuckDB's) of columns, and rows, some at a time."""

    columns: list[str]
    types: list[str]
    batches: Iterator[list[tuple[Any, ...]]]


def is_query(sql: str) -> bool:
    """Whether a text begins as a statement that reads does; else it may be a condition."""
    return _READS.match(sql) is not None


def require() -> ModuleType:
    """DuckDB. Raises RenacerError where it is not installed."""
    try:
        import duckdb
    except ImportError as error:
        raise RenacerError(
            "queries need DuckDB, which is not installed: pip install 'renacer-otel[analysis]'"
        ) from error
    return duckdb


def limit_memory() -> None:
    """From now on what DuckDB's own bound does not count, one huge value, ends in an error.

    For a process of its own: it limits the addresses of the process.
    """
    with open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = used + _HEADROOM
    if soft == resource.RLIM_INFINITY or soft > wanted:
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))


class Database:
    """The tables of one trace. Raises RenacerError where DuckDB is not installed.

    `parquet`: the file that to_parquet() will write, none other.
    """

    def __init__(self, run: Replay, *, parquet: str | None = None) -> None:
        self._duckdb = require()
        from renacer_otel.analysis.sql import tables

        self._tables = tables.TABLES
        self._file = parquet
        self._con: duckdb.DuckDBPyConnection = self._duckdb.connect(":memory:", config={
            "memory_limit": f"{MEMORY_MB}MB",
            "threads": str(min(4, len(os.sched_getaffinity(0)))),
            "temp_directory": "",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
        })  # fmt: skip
        try:
            tables.build(self._con, run)
        except self._duckdb.Error as error:
            raise RenacerError(f"the trace's tables: {self._told(error)}") from error
        # The columns lie in the replay's memory.
        self._run = run
        settings = ["python_enable_replacements = false", "enable_progress_bar = false"]
        if self._file is not None:
            settings.append(f"allowed_paths = [{_quoted(self._file)}]")
        settings += ["enable_external_access = false", "lock_configuration = true"]
        for setting in settings:
            self._con.execute(f"SET {setting}")
        self._con.execute("BEGIN TRANSACTION READ ONLY")

    def __enter__(self) -> Database:  # noqa: PYI034 (Self is of 3.11)
        return self

    def __exit__(self, *_: object) -> None:
        self._con.close()

    @contextmanager
    def answer(self, sql: str) -> Iterator[Answer]:
        """What a SELECT finds.

        Raises UsageError (not one SELECT, or a wrong one), RenacerError (too much memory).
        """
        statement = self._checked(sql)
        with self._limited():
            result = self._con.execute(statement)
            described = result.description or []

            def batches() -> Iterator[list[tuple[Any, ...]]]:
                while rows := result.fetchmany(_BATCH):
                    yield rows

            yield Answer(
                [str(column[0]) for column in described],
                [str(column[1]) for column in described],
                batches(),
            )

    def to_parquet(self, sql: str) -> None:
        """Writes its rows to the Parquet file that was named. Raises as answer() does."""
        assert self._file is not None
        text = self._checked(sql)
        with self._limited():
            self._con.execute(
                f"COPY (\n{text}\n) TO {_quoted(self._file)} (FORMAT parquet, USE_TMP_FILE false)"
            )

    def _checked(self, sql: str) -> str:
        """The one SELECT that there is, without what ends it."""
        try:
            size = len(sql.encode())
        except UnicodeEncodeError as error:
            raise UsageError("the SQL is not UTF-8") from error
        if size > _SQL_MAX:
            raise UsageError(f"the SQL is longer than {_SQL_MAX:,} bytes")
        if _depth(sql) > _DEEPEST:
            raise UsageError(f"the SQL is nested too deep: more than {_DEEPEST} brackets")
        try:
            found = self._con.extract_statements(sql)
        except (self._duckdb.Error, RuntimeError) as error:
            raise UsageError(f"SQL: {self._told(error)}") from error
        if len(found) != 1:
            raise UsageError(f"one SELECT is wanted, there are {len(found)} statements")
        text = found[0].query.strip().rstrip(";")
        if found[0].type != self._duckdb.StatementType.SELECT or not is_query(sql.lstrip(" (\n\t")):
            raise UsageError("only SELECT is taken: a query writes nothing, and sets nothing")
        if _LISTS.fullmatch(text):
            names = ", ".join(f"({_quoted(name)})" for name in sorted(self._tables))
            return f"SELECT name FROM (VALUES {names}) AS tables(name)"
        return str(text)

    def _told(self, error: BaseException) -> str:
        """DuckDB's message without its picture of the statement, and without tables of its own."""
        text = str(error).partition("\nLINE ")[0]
        if match := _NO_TABLE.search(text):
            name = match[1].strip('"')
            hint = did_you_mean(name.lower(), self._tables)
            return (
                f"there is no table {one_line(name, 60)}{hint}; there are {', '.join(self._tables)}"
            )
        return one_line(" ".join(text.split()), 300)

    @contextmanager
    def _limited(self) -> Iterator[None]:
        try:
            yield
        except (self._duckdb.Error, MemoryError) as error:
            if isinstance(error, (MemoryError, self._duckdb.OutOfMemoryException)):
                raise RenacerError(
                    f"the query needs more than {MEMORY_MB} MB; ask for less at once"
                ) from error
            raise UsageError(f"SQL: {self._told(error)}") from error


def _depth(sql: str) -> int:
    """How many brackets are open at most, those in texts and comments too."""
    steps = (1 if mark in "([{" else -1 for mark in re.findall(r"[()\[\]{}]", sql))
    return max(itertools.accumulate(steps), default=0)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
