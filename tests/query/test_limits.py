# SPDX-License-Identifier: MIT
"""SQL that would write, read files, reach out, or not end: one line."""

from __future__ import annotations

import json
import os
import resource
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from renacer_otel.analysis.sql import Database, evaluate
from renacer_otel.cli import written
from renacer_otel.cli.main import main
from renacer_otel.errors import ConfigError, RenacerError, UsageError
from tests.loading import bounded
from tests.scale import FULL

if TYPE_CHECKING:
    from pathlib import Path

    from renacer_otel.spans.replay import Replay

ENDLESS = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range % 7 = b.range % 5"
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
def test_hostile(run: Replay, folder: Path, parquet: bool) -> None:
    hidden = {"a": [1]}  # what a look around in our variables would find
    before = sorted(folder.iterdir())
    with Database(run, parquet=parquet) as database:
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


def test_time_ends(run: Replay) -> None:
    with (
        Database(run, seconds=0.2) as database,
        pytest.raises(RenacerError, match=r"took longer than 0\.2 s"),
        database.answer(ENDLESS) as answer,
    ):
        list(answer.batches)


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


def test_memory_ends(run: Replay) -> None:
    with (
        Database(run) as database,
        pytest.raises(RenacerError, match="needs more than 256 MB"),
        database.answer("SELECT list(range) FROM range(200000000)") as answer,
    ):
        list(answer.batches)


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
