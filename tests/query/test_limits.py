# SPDX-License-Identifier: MIT
"""SQL that would write, read files, reach out, or not end: one line."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renacer_otel.analysis.sql import Database, asked, evaluate, tables
from renacer_otel.cli import written
from renacer_otel.cli.main import main
from renacer_otel.errors import ConfigError, RenacerError, UsageError
from tests.cli.tool import renacer
from tests.loading import bounded
from tests.scale import FULL

if TYPE_CHECKING:
    from renacer_otel.spans.replay import Replay

ENDLESS = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range % 7 = b.range % 5"
# One call of a function, which DuckDB does not interrupt; it takes minutes and little memory.
_WORDS, _SEARCH = "repeat('ab', 10000000)", "'((a|b)*(b|a)?){1,100}$'"
UNHEEDING = (
    f"SELECT regexp_extract({_WORDS}, {_SEARCH}, 1)",
    f"SELECT list_transform([{_WORDS}], lambda x: regexp_extract(x, {_SEARCH}, 2))",
)
HOSTILE = (
    "DELETE FROM processes",
    "INSERT INTO trace VALUES (1, 'x', true, 0, 0)",
    "UPDATE trace SET whole = true",
    "DROP VIEW calls",
    "CREATE TABLE mine AS SELECT 1",
    "CREATE TEMP TABLE mine AS SELECT 1",
    "WITH gone AS (DELETE FROM processes RETURNING *) SELECT * FROM gone",
    "ATTACH '{folder}/new.db'",
    "COPY calls TO '{folder}/new.csv'",
    "COPY (SELECT 1) TO '{folder}/new.parquet'",
    "EXPORT DATABASE '{folder}/new'",
    "IMPORT DATABASE '{folder}'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{folder}/secret'",
    "PRAGMA database_list",
    "SET memory_limit = '100GB'",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "CALL pragma_version()",
    "BEGIN",
    "ROLLBACK",
    "CHECKPOINT",
    "EXPLAIN ANALYZE SELECT 1",
    "PREPARE p AS SELECT 1",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP VIEW calls",
    "SELECT * FROM read_csv('{folder}/secret')",
    "SELECT * FROM read_text('{folder}/secret')",
    "SELECT * FROM read_blob('{folder}/*')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM '{folder}/secret'",
    "SELECT * FROM '{folder}/secret.csv'",
    "SELECT * FROM read_parquet('http://127.0.0.1:9/x')",
    "SELECT * FROM query('DELETE FROM processes')",
    "SELECT 1) TO '{folder}/new.csv' (FORMAT csv); --",
    "SELECT * FROM hidden",
    "SELEC 1",
    "SELECT nothing FROM calls",
    "",
    ";",
    "-- nothing",
    "SELECT '\ud800'",
    "SELECT '\x00",
    "(" * 5000,
    "SELECT (" + "[" * 9000,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("secret", "secret.csv"):
        (tmp_path / name).write_text("a\nb\n")
    return tmp_path


def ask(database: Database, sql: str, *, parquet: bool = False) -> None:
    if parquet:
        database.to_parquet(sql)
    else:
        with database.answer(sql) as answer:
            list(answer.batches)


@pytest.mark.parametrize("parquet", [False, True])
def test_hostile(
    run: Replay, folder: Path, tmp_path_factory: pytest.TempPathFactory, parquet: bool
) -> None:
    hidden = {"a": [1]}  # what a look around in our variables would find
    before = sorted(folder.iterdir())
    path = str(tmp_path_factory.mktemp("answer") / "answer.parquet") if parquet else None
    with Database(run, parquet=path) as database:
        for sql in HOSTILE:
            words = sql.replace("{folder}", str(folder))
            with pytest.raises(UsageError) as caught:
                ask(database, words, parquet=parquet)
            assert caught.value.message.isprintable(), sql
            assert len(caught.value.message) < 400
    assert sorted(folder.iterdir()) == before
    assert hidden == {"a": [1]}


def test_each_alone(run: Replay, folder: Path) -> None:
    """Nothing is refused only for what was refused before it."""
    for sql in HOSTILE[6:11] + HOSTILE[27:36]:
        with Database(run) as database, pytest.raises(UsageError) as caught:
            ask(database, sql.replace("{folder}", str(folder)))
        assert "aborted" not in caught.value.message


# What a command line cannot hold is left out.
WORDS = [sql for sql in HOSTILE if sql.isprintable() and sql]
SOME = [sql for sql in WORDS if sql.startswith(("COPY calls", "ATTACH"))]


@pytest.mark.parametrize("sql", WORDS if FULL else SOME[:1])
def test_query_refuses(trace: Path, folder: Path, sql: str) -> None:
    before = sorted(folder.iterdir())
    words = ["query", str(trace), sql.replace("{folder}", str(folder))]
    bounded.refused(folder, words, 125)
    (folder / "figures").unlink()
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("sql", WORDS if FULL else SOME[1:])
def test_check_refuses(trace: Path, folder: Path, sql: str) -> None:
    config = folder / "renacer.toml"
    text = json.dumps(sql.replace("{folder}", str(folder)))
    config.write_text(f'[[assertion]]\nname = "sql"\ntype = "custom"\nexpression = {text}\n')
    before = sorted(folder.iterdir())
    bounded.refused(folder, ["check", "--config", str(config), str(trace)], 5)
    (folder / "figures").unlink()
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("sql", [ENDLESS, *UNHEEDING])
def test_time_ends(run: Replay, sql: str) -> None:
    begin = time.monotonic()
    with pytest.raises(RenacerError, match=r"took longer than 0\.5 s and was ended"):
        asked.rows(run, sql, 1, seconds=0.5)
    assert time.monotonic() - begin < 20  # DuckDB would take minutes


def test_time_ends_of_a_file(trace: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("kept")
    for form in ("text", "parquet"):
        done = renacer(
            *("query", trace, UNHEEDING[0], "--timeout", "0.5", "--format", form, "-o", kept),
            env={"TMPDIR": str(tmp_path)},
        )
        assert (done.code, done.out) == (125, "")
        assert done.error.endswith("the query took longer than 0.5 s and was ended")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert kept.read_text() == "kept"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends(
    trace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    """At whatever moment, and not when the query's time is over."""
    replay_of = written.replay_of
    timer = threading.Timer(0.3, os.kill, (os.getpid(), number))

    def interpreted(path: str, **more: bool) -> Replay:
        timer.start()
        return replay_of(path, **more)

    monkeypatch.setattr(written, "replay_of", interpreted)
    assert main(["query", str(trace), ENDLESS, "--timeout", "86400"]) == 128 + number
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_signal_ends_while_tables_are_made(
    trace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    number: signal.Signals,
    form: str,
) -> None:
    maker = os.getpid()

    def build(*_: object) -> None:
        os.kill(maker, number)
        time.sleep(300)

    monkeypatch.setattr(tables, "build", build)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    begin = time.monotonic()
    words = ["query", str(trace), "FROM calls", "--format", form, "-o", str(tmp_path / "answer")]
    assert main(words) == 128 + number
    assert time.monotonic() - begin < 60
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())


def test_a_reader_that_leaves(trace: Path) -> None:
    """Ends the query at once, and silently."""
    words = [sys.executable, "-m", "renacer_otel", "query", str(trace)]
    sql = "SELECT 'word' FROM range(1000000000000)"
    with subprocess.Popen(
        [*words, sql], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as query:
        assert query.stdout
        assert query.stderr
        assert query.stdout.readline().strip() == "'word'"
        query.stdout.close()
        assert query.stderr.read() == ""
        assert query.wait() == 125


def test_nothing_outlives_the_command(trace: Path) -> None:
    words = [sys.executable, "-m", "renacer_otel", "query", str(trace), UNHEEDING[0]]
    with subprocess.Popen(words) as query:
        children = Path(f"/proc/{query.pid}/task/{query.pid}/children")
        while not (found := children.read_text().split()):
            time.sleep(0.01)
        theirs = os.pidfd_open(int(found[0]))
        # Not while it is being set up: it looks for its maker, and so ends, too.
        query.kill()
    try:
        poll = select.poll()
        poll.register(theirs, select.POLLIN)
        assert poll.poll(60_000), "it lives on"
    finally:
        os.close(theirs)


@pytest.mark.parametrize(
    "sql", ["SELECT list(range) FROM range(200000000)", "SELECT repeat('x', 4000000000)"]
)
def test_memory_ends(run: Replay, sql: str) -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(RenacerError, match="needs more than 256 MB"):
        asked.rows(run, sql, 1)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_much_is_handed_on_in_pieces(trace: Path, tmp_path: Path) -> None:
    sql = "SELECT repeat('x', 10000) AS word FROM range(20000)"
    words = ["query", str(trace), sql, "--format", "json", "-o", "answer"]
    assert bounded.told(tmp_path, words).code == 0
    assert (tmp_path / "answer").stat().st_size > bounded.MOST_MEMORY * 0.9


def test_evaluate(run: Replay) -> None:
    assert evaluate(run, "(SELECT count(*) FROM calls WHERE name = 'write') >= 5") == (
        True,
        [{"holds": True}],
    )
    holds, rows = evaluate(run, "(SELECT count(*) FROM calls) < 5")
    assert (holds, rows) == (False, [{"holds": False}])
    assert not evaluate(run, "NULL")[0]
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(RenacerError, match="needs more than 256 MB"):
        evaluate(run, "length(repeat('x', 4000000000)) > (SELECT count(*) FROM calls)")
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    assert evaluate(run, "SELECT count(*) > 5 AS many FROM calls") == (True, [{"many": True}])
    assert evaluate(run, "SELECT name FROM calls WHERE name = 'reboot'") == (True, [])
    holds, rows = evaluate(run, "-- wrong\nSELECT name FROM calls ORDER BY number")
    assert (holds, len(rows), rows[0]) == (False, 20, {"name": "execve"})
    for wrong in (
        "nonsense",
        "1) AS a; DROP VIEW calls; --",
        "DELETE FROM calls",
        "",
        "-- nothing",
        "3",
    ):
        with pytest.raises(ConfigError) as caught:
            evaluate(run, wrong)
        assert caught.value.analysis_exit_code == 5
