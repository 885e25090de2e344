# SPDX-License-Identifier: MIT
"""renacer-json-v1, as Renacer 0.6 to 0.10 print it and later ones may."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from renacer_otel.analysis.assertions import memory
from renacer_otel.analysis.assertions.subject import Subject
from renacer_otel.analysis.causality.critical_path import critical_path
from renacer_otel.analysis.causality.history import History
from renacer_otel.analysis.loading import load, renacer_json
from renacer_otel.errors import TraceUnreadable
from renacer_otel.spans import listing, replay
from tests.cli.tool import renacer
from tests.loading.made import CALLS, call, opened, printed, whole

if TYPE_CHECKING:
    from pathlib import Path

NOISE = "Running…\n{ no JSON } [1, 2\n" + 'he said "renacer-json-v1" {"version": 3}\n'


def loaded(tmp_path: Path, content: bytes) -> replay.Replay:
    path = tmp_path / "trace.json"
    path.write_bytes(content)
    return load(path)


def words(run: replay.Replay) -> list[tuple[str, int, bytes]]:
    """Name, result and path of each call."""
    details = run.details
    assert details is not None
    codes, names = replay.call_names(run.calls)
    return [
        (names[code], int(row["result"]), details.text(int(detail["path"])))
        for code, row, detail in zip(codes, run.calls, details.rows, strict=True)
    ]


@pytest.mark.parametrize("version", ["0.6.0", "0.6.2", "0.7.1", "0.8.0", "0.9.0", "0.10.2"])
@pytest.mark.parametrize(("before", "after"), [("", ""), (NOISE, NOISE), ("x" * 3_000_000, "\n")])
def test_amid_the_programs_output(tmp_path: Path, version: str, before: str, after: str) -> None:
    run = loaded(tmp_path, printed(whole(CALLS, version), before, after))
    assert words(run) == [
        ("brk", 94066476351488, b""),
        ("openat", 3, b"/etc/hosts"),
        ("read", 832, b"/etc/hosts"),
        ("read", 0, b"/etc/hosts"),
        ("close", 0, b"/etc/hosts"),
        ("openat", -2, b"/none"),
        ("write", 3, b""),
    ]
    assert run.form == "renacer-json"
    assert not run.is_whole
    assert run.unknown == {"times", "arguments", "objects", "peers", "signals", "causes"}
    failed = (run.calls["flags"] & replay.FAILED) != 0
    assert failed.tolist() == [False] * 5 + [True, False]


def test_details(tmp_path: Path) -> None:
    run = loaded(tmp_path, printed(whole(CALLS)))
    details = run.details
    assert details is not None
    assert details.rows["fd"].tolist() == [-1, 3, 3, 3, 3, -1, 1]
    assert details.rows["object"].tolist() == [0, 1, 1, 1, 1, 0, 0]
    assert details.rows["args"][2].tolist() == [3, 0x7FFD1000, 0x340, 0, 0, 0]
    assert run.processes[1].wait_status == 0
    assert (run.processes[1].calls, run.processes[1].errors) == (7, 1)


def test_durations_add_up(tmp_path: Path) -> None:
    """Where it is not told when a call was, it follows the one before."""
    run = loaded(tmp_path, printed(whole(CALLS)))
    spent = run.calls["t1"] - run.calls["t0"]
    assert spent.tolist() == [0, 12000, 3000, 0, 0, 5000, 40000]
    path = critical_path(History.of(run))
    assert (path.total, path.kernel) == (60000, 60000)


def test_without_timing(tmp_path: Path) -> None:
    calls = [{k: v for k, v in one.items() if k != "duration_us"} for one in CALLS]
    run = loaded(tmp_path, printed(whole(calls)))
    assert {"times", "durations"} <= run.unknown


def test_with_times_and_threads(tmp_path: Path) -> None:
    """`ts_us` and `tid`, which later versions have: calls overlap, and come by their ends."""
    calls = [
        call("write", "0x4", result=1, duration_us=2, ts_us=105, tid=8),
        call("read", "0x3", result=1, duration_us=10, ts_us=100, tid=7),
        call("close", "0x3", duration_us=1, ts_us=110, tid=7),
    ]
    run = loaded(tmp_path, printed(whole(calls)))
    assert "times" not in run.unknown
    assert {"processes", "objects"} <= run.unknown
    assert run.threads["tid"].tolist() == [7, 8]
    assert run.calls["thread"].tolist() == [1, 0, 0]
    assert run.calls["seq"].tolist() == [3, 2, 6]
    assert run.calls["end"].tolist() == [4, 5, 7]


def test_forks_make_owners_unknown(tmp_path: Path) -> None:
    """Children's calls stand among the parent's: no descriptor is known any more."""
    calls = [opened("/a", 3), call("clone", "0x1200011", result=77), call("read", "0x3", result=1)]
    run = loaded(tmp_path, printed(whole(calls)))
    assert {"processes", "objects"} <= run.unknown
    assert words(run)[2] == ("read", 1, b"")
    assert any("several" in sentence for sentence in run.lacks)


def test_descriptors_are_followed(tmp_path: Path) -> None:
    calls = [
        opened("/a", 3),
        call("dup2", "0x3", "0x9", result=9),
        call("fcntl", "0x9", "0x406", "0xa", result=10),  # F_DUPFD_CLOEXEC
        call("close", "0x3"),
        call("read", "0x3", result=-9),
        call("read", "0xa", result=1),
        opened("/b", 3),
        call("read", "0x3", result=1),
        call("close_range", "0x4", "0xffffffff"),
        call("read", "0xa", result=1),
        call("read", "0x3", result=1),
        call("execve", "0x1"),
        call("read", "0x3", result=1),
    ]
    found = words(loaded(tmp_path, printed(whole(calls))))
    reads = [path for name, _, path in found if name == "read"]
    assert reads == [b"", b"/a", b"/b", b"", b"/b", b""]


def test_the_last_of_several_counts(tmp_path: Path) -> None:
    """A traced program may itself print such a trace; Renacer prints last."""
    of_program = printed(whole([call("brk")] * 9))
    cut = of_program[: len(of_program) // 2]
    for before in (of_program, cut, cut + of_program):
        run = loaded(tmp_path, before + printed(whole(CALLS)))
        assert len(run.calls) == len(CALLS)


def test_other_keys_and_one_line(tmp_path: Path) -> None:
    """Reports of other options, at either end; no white space."""
    content = whole(CALLS, ml_analysis={"clusters": 2, "anomalies": [{"a": [1.5, None]}]})
    run = loaded(tmp_path, json.dumps(content, separators=(",", ":")).encode())
    assert len(run.calls) == len(CALLS)


def test_paths_are_as_they_are(tmp_path: Path) -> None:
    r"""Renacer does not escape: a quote, a backslash, a line's end, what was no UTF-8."""
    path = '/t/"x"\\n\n�'
    run = loaded(tmp_path, printed(whole([opened(path, 3)])))
    assert words(run)[0][2] == path.encode()


def test_no_summary_is_told(tmp_path: Path) -> None:
    """What scripts write where Renacer failed; a trace that counts other calls than it has."""
    bare: dict[str, Any] = {"version": "0.6.2", "format": "renacer-json-v1", "syscalls": []}
    run = loaded(tmp_path, json.dumps(bare).encode())
    assert "calls" in run.unknown
    assert len(run.calls) == 0
    assert critical_path(History.of(run)).total == 0
    lying = whole(CALLS)
    lying["summary"]["total_syscalls"] = 8
    assert "calls" in loaded(tmp_path, printed(lying)).unknown


def test_unknown_names_are_told(tmp_path: Path) -> None:
    run = loaded(tmp_path, printed(whole([call("unknown"), call("brk")])))
    assert "calls" in run.unknown
    assert any("1 are" in sentence for sentence in run.lacks)
    assert run.calls["nr"].tolist() == [-1, 12]


def test_another_version(tmp_path: Path) -> None:
    content = printed(whole(CALLS)).replace(b"json-v1", b"json-v2")
    with pytest.raises(TraceUnreadable, match=r"renacer-json-v2.*newer"):
        loaded(tmp_path, content)


def test_too_much_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renacer_json, "MOST_BEFORE", 1 << 20)
    with pytest.raises(TraceUnreadable, match="not a TRACE file"):
        loaded(tmp_path, printed(whole(CALLS), "x" * (2 << 20)))


@pytest.mark.parametrize("at", range(1, 40))
def test_begin_at_the_edge_of_a_piece(tmp_path: Path, at: int) -> None:
    """Files are looked through in pieces of 1 MiB."""
    run = loaded(tmp_path, printed(whole(CALLS), "x" * ((1 << 20) - at)))
    assert len(run.calls) == len(CALLS)


# --- our own: --format json -------------------------------------------------------------------

PROGRAM = r"""
import mmap, os
area = mmap.mmap(-1, 64 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
try:
    os.rename(b"/not\\here\xff\"x", b"/nor\n0\x010there")
except OSError:
    pass
os.chmod(".", 0o750)
child = os.fork()
if not child:
    os.execv("/bin/sh", ["sh", "-c", "exit 3"])
os.waitpid(child, 0)
"""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[replay.Replay, replay.Replay]:
    """One program's records, and the listing that is made of them."""
    folder = tmp_path_factory.mktemp("listing")
    trace = folder / "trace"
    done = renacer(
        *("--format", "record", "-o", trace, "--", sys.executable, "-S", "-c", PROGRAM),
        cwd=folder,
    )
    assert done.code == 0, done.err
    (folder / "listing").write_bytes(b"".join(listing.of_trace(trace)))
    return load(trace), load(folder / "listing")


def test_ours_has_what_its_records_have(both: tuple[replay.Replay, replay.Replay]) -> None:
    record, listed = both
    assert words_of_paths(listed) == words_of_paths(record)
    assert ("rename", b'/not\\here\xff"x') in {word[:2] for word in words_of_paths(listed)}
    assert {p.pid: p.name for p in listed.processes.values()} == {
        p.pid: p.name for p in record.processes.values()
    }
    for column in ("result", "nr"):
        assert by_thread(listed, column) == by_thread(record, column)
    spent = [run.calls["t1"] - run.calls["t0"] for run in both]
    ended = [part[run.calls["end"] > 0].sum() for part, run in zip(spent, both, strict=True)]
    assert ended[0] == ended[1]
    assert listed.unknown == {"objects", "peers", "causes", "signals"}
    assert listed.metadata["command"] == record.metadata["command"]


def test_flags_become_numbers(both: tuple[replay.Replay, replay.Replay]) -> None:
    peaks = [memory.peaks(Subject(History.of(run)))[0].total for run in both]
    assert peaks[0] == peaks[1] > 64 << 20
    for run in both:
        details = run.details
        assert details is not None
        codes, names = replay.call_names(run.calls)
        found = details.rows[codes == names.index("chmod")]
        assert found["args"][:, 1].tolist() == [0o750]


def words_of_paths(run: replay.Replay) -> set[tuple[str, bytes, bytes]]:
    """Of calls whose own paths these are."""
    details = run.details
    assert details is not None
    codes, names = replay.call_names(run.calls)
    return {
        (names[code], details.text(int(row["path"])), details.text(int(row["other_path"])))
        for code, row in zip(codes, details.rows, strict=True)
        if names[code] in ("rename", "execve", "openat", "access", "newfstatat", "readlink")
    }


def by_thread(run: replay.Replay, column: str) -> dict[int, list[int]]:
    """A column of each thread's calls, by its id, in order; of a call without an end not."""
    calls = run.calls[run.calls["end"] > 0]
    calls = calls[calls["seq"].argsort()]
    tids = run.threads["tid"][calls["thread"]]
    return {int(tid): calls[column][tids == tid].tolist() for tid in set(tids.tolist())}
