# SPDX-License-Identifier: MIT
"""The tables of a trace: views over the columns of a Replay as they lie, none copied by call.

docs/query.md says what is in them. What stays a Python object: a name of a call, an errno, a kind
of edge; a process; and each distinct text while it is taken in.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from renacer_otel.spans import replay

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb
    from numpy.typing import NDArray

_TEXTS_AT_ONCE = 16384
_MAX_ERRNO = 4095
_ABIS = ("unknown", "x86_64", "i386", "x32", "aarch64", "arm")
_EVENT_KINDS = {4: "start", 5: "exec", 6: "exit", 7: "signal", 8: "stop"}
_NO_ID = -(1 << 63)  # of a name

TABLES = ("calls", "processes", "threads", "edges", "events", "signals", "trace")

_VIEWS = f"""
CREATE VIEW calls AS SELECT
    c.number, n.text AS name, NULLIF(c.pid, 0) AS pid, NULLIF(c.tid, 0) AS tid, c.process,
    CASE WHEN {{times}} THEN c.start_ns END AS start_ns,
    CASE WHEN {{durations}} THEN c.duration_ns END AS duration_ns,
    CASE WHEN c.finish > 0 THEN c.result END AS result,
    (c.flags & {replay.FAILED}) <> 0 AS failed, e.text AS error,
    c.finish > 0 AS finished,
    (c.flags & {replay.INTERRUPTED}) <> 0 AS interrupted,
    (c.flags & {replay.RESTARTED}) <> 0 AS restarted,
    CASE WHEN c.fd >= 0 THEN c.fd END AS fd,
    p.text AS path, o.text AS other_path, s.text AS peer, NULLIF(c.object, 0) AS object,
    CASE WHEN c.written THEN c.hashed END AS written_bytes,
    CASE WHEN c.written THEN format('{{{{:016x}}}}{{{{:016x}}}}', c.hash0, c.hash1) END
        AS written_hash,
    c.arg0, c.arg1, c.arg2, CASE WHEN {{arguments}} THEN c.arg3 END AS arg3,
    CASE WHEN {{arguments}} THEN c.arg4 END AS arg4,
    CASE WHEN {{arguments}} THEN c.arg5 END AS arg5,
    c.lamport_start, c.lamport_end, c.incomplete <> 0 AS causes_missing, a.text AS abi
FROM raw_calls c
    LEFT JOIN raw_names n ON n.id = c.name LEFT JOIN raw_errors e ON e.id = c.error
    LEFT JOIN raw_texts p ON p.id = c.path LEFT JOIN raw_texts o ON o.id = c.other_path
    LEFT JOIN raw_texts s ON s.id = c.peer LEFT JOIN raw_abis a ON a.id = c.abi;
CREATE VIEW threads AS SELECT
    t.tid, t.pid, t.process, t.thread,
    CASE WHEN t.maker <> {replay.NO_THREAD} THEN t.maker END AS maker
FROM raw_threads t;
CREATE VIEW edges AS SELECT
    k.text AS kind, g.certain <> 0 AS certain, g.cause, g.effect, g.cause_tid, g.effect_tid,
    g.cause_lamport, g.effect_lamport
FROM raw_edges g LEFT JOIN raw_edge_kinds k ON k.id = g.kind;
CREATE VIEW events AS SELECT
    v.number, k.text AS kind, v.pid, v.tid, v.process, v.time_ns,
    CASE WHEN k.text IN ('signal', 'stop') AND v.nr <> 0 THEN s.text END AS signal,
    CASE WHEN k.text = 'exit' AND (v.status & 127) = 0 THEN CAST((v.status >> 8) & 255 AS INTEGER)
        END AS exit_code,
    v.last <> 0 AS process_ended
FROM raw_events v
    LEFT JOIN raw_event_kinds k ON k.id = v.kind LEFT JOIN raw_signals s ON s.id = v.nr;
CREATE VIEW signals AS SELECT number, signal, pid, tid, process, time_ns
FROM events WHERE kind = 'signal';
"""


def build(con: duckdb.DuckDBPyConnection, run: replay.Replay) -> None:
    """Makes the tables in an empty database."""
    base = _first_time(run)
    threads = run.threads
    _calls(con, run, base)
    _names(con, "raw_errors", {
        number: name for number in range(1, _MAX_ERRNO + 1)
        if (name := replay.error_name(number)) is not None
    })  # fmt: skip
    _names(con, "raw_abis", dict(enumerate(_ABIS)))
    _names(con, "raw_edge_kinds", dict(enumerate(replay.edge_names())))
    _names(con, "raw_event_kinds", _EVENT_KINDS)
    numbers = np.unique(run.events["nr"][np.isin(run.events["kind"], (7, 8))])[:_MAX_ERRNO]
    _names(con, "raw_signals", {int(number): replay.signal_name(int(number)) for number in numbers})
    con.register("raw_threads", {
        "thread": np.arange(len(threads), dtype="u4"), "tid": threads["tid"],
        "pid": threads["pid"], "process": threads["ordinal"], "maker": threads["maker"],
    })  # fmt: skip
    con.register("raw_edges", {name: run.edges[name] for name in run.edges.dtype.names or ()})
    events = run.events
    con.register("raw_events", {
        "number": events["seq"], "time_ns": _since(events["t"], base),
        "status": (events["value"] & 0xFFFF).astype("i4"), "nr": events["nr"],
        "kind": events["kind"], "last": events["last"], **_owners(run, events["thread"]),
    })  # fmt: skip
    told = {what: str(what not in run.unknown) for what in replay.UNKNOWN}
    con.execute(_VIEWS.format(**told))
    _processes(con, run, base)
    _trace(con, run, base)


def _calls(con: duckdb.DuckDBPyConnection, run: replay.Replay, base: np.uint64) -> None:
    calls = run.calls
    codes, names = replay.call_names(calls)
    _names(con, "raw_names", dict(enumerate(names)))
    failed = (calls["flags"] & replay.FAILED) != 0
    error = np.where(failed & (calls["result"] >= -_MAX_ERRNO), -calls["result"], 0)
    if run.details is None:
        nothing = np.zeros(1, replay.DETAIL)
        nothing["fd"] = -1
        details = np.broadcast_to(nothing, len(calls))
        texts: list[bytes] = []
    else:
        details, texts = run.details.rows, run.details.all_texts()
    con.register("raw_calls", {
        "number": calls["seq"], "finish": calls["end"], "name": codes.astype("u4"),
        "start_ns": _since(calls["t0"], base),
        "duration_ns": (calls["t1"] - calls["t0"]).view("i8"),
        "lamport_start": calls["lamport_start"], "lamport_end": calls["lamport_end"],
        "result": calls["result"], "flags": calls["flags"], "abi": calls["abi"],
        "incomplete": calls["incomplete"], "error": error.astype("i2"),
        "path": details["path"], "other_path": details["other_path"], "peer": details["peer"],
        "object": details["object"], "fd": details["fd"],
        "written": details["content"] == replay.CONTENT_HASHED, "hashed": details["hashed"],
        "hash0": details["hash"][:, 0], "hash1": details["hash"][:, 1],
        **{f"arg{n}": details["args"][:, n] for n in range(6)},
        **_owners(run, calls["thread"]),
    })  # fmt: skip
    con.execute("CREATE TABLE raw_texts (id UINTEGER, text VARCHAR)")
    for at in range(1, len(texts), _TEXTS_AT_ONCE):
        some = texts[at : at + _TEXTS_AT_ONCE]
        _names(con, "raw_more", {at + n: shown(text) for n, text in enumerate(some)})
        con.execute("INSERT INTO raw_texts SELECT id, text FROM raw_more")
        con.unregister("raw_more")


def _owners(run: replay.Replay, thread: NDArray[Any]) -> dict[str, NDArray[Any]]:
    threads = run.threads
    return {
        "tid": threads["tid"][thread],
        "pid": threads["pid"][thread],
        "process": threads["ordinal"][thread],
    }


def _processes(con: duckdb.DuckDBPyConnection, run: replay.Replay, base: np.uint64) -> None:
    con.execute(
        "CREATE TABLE processes (process UBIGINT, pid INTEGER, parent_pid INTEGER, name VARCHAR,"
        " exe VARCHAR, start_ns BIGINT, duration_ns BIGINT, calls UBIGINT, errors UBIGINT,"
        " exit_code INTEGER, signal VARCHAR, lamport_start UBIGINT, lamport_end UBIGINT)"
    )
    if not run.processes:
        return
    found = list(run.processes.values())

    def words(name: str) -> NDArray[np.uint64]:
        return np.array([getattr(process, name) for process in found], "u8")

    status = [process.wait_status for process in found]
    codes = [_exit_code(value) for value in status]
    signals = [_killed_by(value) for value in status]
    exes = [os.fsencode(process.exe) for process in found]
    con.register("raw_some", {
        "process": words("ordinal"), "pid": np.array([p.pid for p in found], "i4"),
        "parent_pid": np.array([p.parent_pid for p in found], "i4"),
        "name": _objects([shown(exe.rpartition(b"/")[2]) or None for exe in exes]),
        "exe": _objects([shown(exe) or None for exe in exes]),
        "start_ns": _since(words("t_start"), base),
        "duration_ns": (words("t_end") - words("t_start")).view("i8"),
        "calls": words("calls"), "errors": words("errors"),
        "exit_code": np.array([-1 if code is None else code for code in codes], "i4"),
        "signal": _objects(signals),
        "lamport_start": words("lamport_start"), "lamport_end": words("lamport_end"),
    })  # fmt: skip
    con.execute(
        "INSERT INTO processes SELECT * REPLACE (NULLIF(exit_code, -1) AS exit_code,"
        " NULLIF(pid, 0) AS pid) FROM raw_some"
    )
    con.unregister("raw_some")


def _trace(con: duckdb.DuckDBPyConnection, run: replay.Replay, base: np.uint64) -> None:
    con.execute(
        "CREATE TABLE trace AS SELECT CAST(? AS BIGINT) AS start_unix_ns,"
        " CAST(? AS VARCHAR) AS engine, CAST(? AS BOOLEAN) AS whole,"
        " CAST(? AS UBIGINT) AS lost_events, CAST(? AS UBIGINT) AS lost_calls",
        [
            _unix(run.metadata, int(base)),
            shown(os.fsencode(str(run.metadata.get("engine", "")))) or None,
            run.is_whole,
            run.lost_events,
            run.lost_calls,
        ],
    )


def _unix(metadata: Mapping[str, Any], base: int) -> int | None:
    real, monotonic = metadata.get("realtime_anchor"), metadata.get("monotonic_anchor")
    if not isinstance(real, int) or not isinstance(monotonic, int):
        return None
    found = real + base - monotonic
    return found if 0 <= found < 1 << 63 else None


def _exit_code(status: int | None) -> int | None:
    return None if status is None or status & 0x7F else status >> 8 & 0xFF


def _killed_by(status: int | None) -> str | None:
    return None if status is None or not status & 0x7F else replay.signal_name(status & 0x7F)


def _first_time(run: replay.Replay) -> np.uint64:
    times = [column.min() for column in (run.calls["t0"], run.events["t"]) if len(column)]
    first: np.uint64 = np.uint64(min(map(int, times), default=0))
    return first


def _since(times: NDArray[Any], base: np.uint64) -> NDArray[np.int64]:
    return (times - base).view("i8")


def _names(con: duckdb.DuckDBPyConnection, table: str, names: Mapping[int, str]) -> None:
    names = names or {_NO_ID: ""}  # a column of objects has no type where it has no rows
    columns = {"id": np.array(list(names), "i8"), "text": _objects(names.values())}
    con.register(table, columns)


def _objects(texts: Iterable[str | None]) -> NDArray[np.object_]:
    return np.array([*texts, None], dtype=object)[:-1]


def shown(text: bytes) -> str:
    """As VARCHAR: what is not UTF-8, and NUL, as backslash escapes."""
    return text.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
