# SPDX-License-Identifier: MIT
"""`renacer-otel query`: formats, files, exit codes; the commands of its page."""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from renacer_otel.analysis.sql import Database, evaluate
from renacer_otel.analysis.sql.database import Answer
from renacer_otel.analysis.sql.tables import TABLES
from renacer_otel.cli import query
from renacer_otel.errors import (
    OutputError,
    RenacerError,
    TraceNotFound,
    TraceUnreadable,
    UsageError,
)
from renacer_otel.reporters import query_rows
from tests.cli.tool import renacer

if TYPE_CHECKING:
    from renacer_otel.spans.replay import Replay

PAGE = Path(__file__).resolve().parents[2] / "docs" / "query.md"


def test_as_a_command(trace: Path) -> None:
    done = renacer("query", trace, "SELECT name, path FROM calls WHERE name = 'rmdir'")
    assert (done.code, done.err) == (0, "")
    head, row = done.out.splitlines()
    assert head.split() == ["name", "path"]
    assert row == f"rmdir  {trace.parent}/not-\\xff-here\\x1b[31m"
    assert done.out.replace("\n", "").isprintable()
    done = renacer("query", trace, "DROP VIEW calls")
    assert done.code == 125
    assert "only SELECT" in done.error
    done = renacer("query", trace, "SELECT * FROM process")
    told = "there is no table process; did you mean processes?; there are calls, processes, threads"
    assert (done.code, told in done.error) == (125, True)
    done = renacer("query", trace, "SELECT repeat('x', 4000000000)")
    assert done.code == 125
    assert "needs more than 256 MB" in done.error


def test_formats(trace: Path, tmp_path: Path) -> None:
    sql = "SELECT number, name, error, failed, duration_ns * 2.5 AS x FROM calls ORDER BY number;"
    for form in query.FORMATS:
        assert query.main([str(trace), sql, "--format", form, "-o", str(tmp_path / form)]) == 0
    objects = json.loads((tmp_path / "json").read_text())
    with open(tmp_path / "csv", newline="") as file:
        lines = list(csv.DictReader(file))
    parquet = duckdb.execute("FROM read_parquet(?)", [str(tmp_path / "parquet")]).fetchall()
    text = (tmp_path / "text").read_text().splitlines()
    assert len(objects) == len(lines) == len(parquet) == len(text) - 1 > 100
    for item, line, row in zip(objects, lines, parquet, strict=True):
        assert item["number"] == int(line["number"]) == row[0]
        assert item["name"] == line["name"] == row[1]
        assert (item["error"] or "", item["failed"]) == (line["error"], line["failed"] == "true")
        assert (item["error"], item["failed"]) == row[2:4]


def test_files_that_cannot_be_written(trace: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("kept")
    for form in query.FORMATS:
        with pytest.raises(OutputError):
            query.main([str(trace), "FROM calls", "--format", form, "-o", str(tmp_path)])
        with pytest.raises(UsageError):
            query.main([str(trace), "FROM nowhere", "--format", form, "-o", str(kept)])
    assert kept.read_text() == "kept"


def test_tables_that_there_are(database: Database) -> None:
    for sql in ("SHOW TABLES", "show  tables;", "DESCRIBE", "SHOW"):
        with database.answer(sql) as answer:
            found = [name for batch in answer.batches for (name,) in batch]
        assert found == sorted(TABLES), sql


def test_exit_codes(trace: Path, tmp_path: Path) -> None:
    with pytest.raises(TraceNotFound):
        query.main([str(tmp_path / "none"), "SELECT 1"])
    (tmp_path / "bad").write_bytes(b"nonsense" * 100)
    with pytest.raises(TraceUnreadable):
        query.main([str(tmp_path / "bad"), "SELECT 1"])
    for wrong in (
        ["--format", "xml"], ["--format", "parquet"], ["--timeout", "nan"], ["--timeout", "0"],
    ):  # fmt: skip
        with pytest.raises(UsageError):
            query.main([str(trace), "SELECT 1", *wrong])


def test_without_duckdb(
    run: Replay, trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(RenacerError, match=r"pip install 'renacer-otel\[analysis\]'") as caught:
        Database(run)
    assert caught.value.exit_code == 125
    with pytest.raises(RenacerError, match="pip install"):
        query.main([str(trace), "SELECT 1"])
    with pytest.raises(TraceNotFound):  # which is to be told first
        query.main([str(tmp_path / "none"), "SELECT 1"])


def test_values_of_all_kinds(run: Replay) -> None:
    sql = (
        "SELECT 'a\nb' AS a, NULL AS a, 'nan'::DOUBLE AS d, 1.5::DECIMAL(4,2) AS e, 'x'::BLOB AS f,"
        " [1, NULL] AS g, {'k': 'v'} AS h, DATE '2020-01-02' AS i, 170141183460469231731::HUGEINT"
        " AS j, true AS k"
    )

    def told(render: object) -> str:
        assert callable(render)
        with Database(run) as database, database.answer(sql) as answer:
            return "".join(render(answer))

    (item,) = json.loads(told(query_rows.as_json))
    assert list(item.values()) == [
        "a\nb", None, "nan", 1.5, "78", [1, None], {"k": "v"}, "2020-01-02",
        170141183460469231731, True,
    ]  # fmt: skip
    _head, row = csv.reader(told(query_rows.comma_separated).splitlines(keepends=True))
    assert row[:2] == ["a\nb", ""]
    assert row[-2:] == ["170141183460469231731", "true"]
    table = told(query_rows.text)
    assert table.count("\n") == 2
    assert "a\\nb" in table


def test_an_answer_without_rows() -> None:
    def nothing() -> Answer:
        return Answer(["a", "b"], ["VARCHAR", "BIGINT"], iter(()))

    assert "".join(query_rows.text(nothing())) == "a  b\n"
    assert "".join(query_rows.comma_separated(nothing())) == "a,b\n"
    assert json.loads("".join(query_rows.as_json(nothing()))) == []


def test_queries_of_the_page(
    trace: Path, run: Replay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    commands = re.findall(r'^renacer-otel query TRACE "([^"]+)"(.*)$', page, re.M)
    assert len(commands) >= 6
    for sql, rest in commands:
        words = rest.split()
        words = [os.fspath(tmp_path / word) if "." in word else word for word in words]
        assert query.main([str(trace), sql, *words]) == 0
    capsys.readouterr()
    snippets = re.findall(r'^holds, rows = evaluate\(run, "(.+)"\)$', page, re.M)
    assert [evaluate(run, sql)[0] for sql in snippets] == [True, True]
