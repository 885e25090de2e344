# SPDX-License-Identifier: MIT
"""The tables say what the columns say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from renacer_otel.analysis.sql import Database
from renacer_otel.analysis.sql.tables import TABLES
from renacer_otel.spans import replay
from renacer_otel.spans.content import of_bytes
from tests.cli.tool import renacer
from tests.ring import traces


def rows(database: Database, sql: str) -> list[tuple[Any, ...]]:
    with database.answer(sql) as answer:
        return [row for batch in answer.batches for row in batch]


def test_calls_are_the_calls(database: Database, run: replay.Replay) -> None:
    found = rows(
        database,
        "SELECT number, name, tid, duration_ns, result, arg0, arg5, lamport_end FROM calls"
        " ORDER BY number",
    )
    details = run.details
    assert details is not None
    order = np.argsort(run.calls["seq"])
    wanted = [
        (
            int(call["seq"]),
            replay.call_name(int(call["abi"]), int(call["nr"])),
            int(run.threads["tid"][call["thread"]]),
            int(call["t1"] - call["t0"]),
            int(call["result"]) if call["end"] else None,
            int(row["args"][0]),
            int(row["args"][5]),
            int(call["lamport_end"]),
        )
        for call, row in zip(run.calls[order], details.rows[order], strict=True)
    ]
    assert found == wanted


def test_what_calls_are_about(database: Database, trace: Path) -> None:
    plain = os.fspath(trace.parent / "plain")
    found = rows(
        database,
        f"SELECT name, count(*), count(DISTINCT object) FROM calls WHERE path = '{plain}'"
        " GROUP BY name ORDER BY name",
    )
    assert found == [("close", 1, 1), ("openat", 1, 1), ("write", 5, 1)]
    (broken,) = rows(database, "SELECT path, failed, error FROM calls WHERE name = 'rmdir'")
    assert broken == (f"{trace.parent}/not-\\xff-here\x1b[31m", True, "ENOENT")


def test_processes_events_and_edges(database: Database) -> None:
    ends = rows(database, "SELECT name, exit_code, signal FROM processes ORDER BY process")
    assert [end[1:] for end in ends] == [(0, None), (3, None), (None, "SIGKILL")]
    assert rows(database, "SELECT count(*) FROM events WHERE kind = 'exit'") == [(3,)]
    assert rows(database, "SELECT exit_code FROM events WHERE exit_code > 0") == [(3,)]
    signals = rows(database, "SELECT signal FROM signals")
    assert ("SIGCHLD",) in signals
    forks = rows(
        database,
        "SELECT count(*) FROM edges JOIN calls ON calls.number = cause"
        " WHERE kind = 'fork' AND certain",
    )
    assert forks == [(2,)]
    assert rows(database, "SELECT count(*), max(maker) FROM threads") == [(3, 0)]
    ((unix, whole),) = rows(database, "SELECT start_unix_ns, whole FROM trace")
    assert unix > 10**18
    assert whole


def test_nothing_and_nonsense(tmp_path: Path) -> None:
    metadata = {**traces.METADATA, "id_key": [3, 4], "lamport_seed": 0, "engine": [1]}
    strange = traces.record(9, nr=-5, result=-(2**63), args=(2**64 - 1,) * 6)
    for name, records in (("none", []), ("one", [strange])):
        traces.write(tmp_path / name, records, {}, metadata)
        with Database(replay.of_trace(tmp_path / name, details=True)) as database:
            for table in TABLES:
                rows(database, f"FROM {table}")
            assert rows(database, "SELECT count(*) FROM calls") == [(len(records),)]
    assert rows(
        Database(replay.of_trace(tmp_path / "one")), "SELECT name, error, path, arg0, fd FROM calls"
    ) == [("syscall_0xfffffffb", None, None, 0, None)]


def test_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "run.renacer"
    words = ["sh", "-c", "echo hello"]
    done = renacer("--format", "record", "-o", path, "--capture", "hashes", "--", *words)
    assert (done.code, done.out) == (0, "hello\n")
    with Database(replay.of_trace(path, details=True)) as database:
        found = rows(
            database,
            "SELECT written_bytes, written_hash FROM calls WHERE name IN ('write', 'close')"
            " GROUP BY ALL ORDER BY ALL",
        )
    assert found == [(6, of_bytes(b"hello\n").hex), (None, None)]
