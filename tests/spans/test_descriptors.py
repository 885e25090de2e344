# SPDX-License-Identifier: MIT
"""Tables of descriptors, as records tell of them, against what /proc says that processes have."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from renacer_otel.engine import native
from renacer_otel.ring import trace_file
from renacer_otel.spans import replay
from tests.compiling import compiled
from tests.engine.attaching import attached, detach, settled, tracer_of, until
from tests.engine.tools import CALL, ENTER, traced
from tests.spans import descriptors
from tests.spans.descriptors import Checkpoint, Held, Lanes, Work

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KINDS = ("other", "file", "pipe", "socket", "eventfd", "mqueue", "pidfd")


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not descriptors.can_compare():
        pytest.skip("needs kcmp(2)")
    source = Path(__file__).parent / "subjects" / "descriptors.c"
    return compiled(tmp_path_factory.mktemp("descriptors") / "descriptors", source)


class Told(NamedTuple):
    """A descriptor as the tables have it."""

    object: int
    kind: str
    identity: tuple[int, int, int]
    ways: int
    cloexec: bool
    opens: int
    readers: int
    writers: int
    foreign: bool


class Tables:
    """The tables of a TRACE, record by record."""

    def __init__(self) -> None:
        self.ffi, self.lib = native.load()
        replay = self.lib.rn_replay_new(1, 2, 0, self.ffi.NULL, 1 << 30)
        self.replay = self.ffi.gc(replay, self.lib.rn_replay_free)

    def feed(self, record: bytes) -> None:
        data = self.ffi.new("uint64_t[]", len(record) // 8)
        self.ffi.memmove(data, record, len(record))
        assert self.lib.rn_replay_feed(self.replay, data, len(record)) == len(record)

    def of(self, tid: int) -> dict[int, Told]:
        rows = self.ffi.new("rn_replay_descriptor[]", 1024)
        count = self.lib.rn_replay_descriptors(self.replay, tid, 0, rows, 1024)
        assert count < 1024
        return {
            row.fd: Told(
                row.object,
                KINDS[row.kind],
                (row.dev_major, row.dev_minor, row.inode),
                row.ways,
                bool(row.cloexec),
                row.opens,
                row.readers,
                row.writers,
                bool(row.foreign),
            )
            for row in rows[0:count]
        }


def differences(true: Checkpoint, tables: Tables, counted: bool) -> list[str]:
    """What the tables have wrong."""
    found = []
    told = {tid: tables.of(tid) for tid in true.held}
    objects: dict[tuple[str, tuple[int, ...]], int] = {}
    owners: dict[int, tuple[str, tuple[int, ...]]] = {}
    sizes: dict[int, Counter[str]] = {}
    last: dict[int, Told] = {}
    for tid, held in true.held.items():
        if set(held) != set(told[tid]):
            more, less = set(told[tid]) - set(held), set(held) - set(told[tid])
            found.append(f"{tid}: not there: {sorted(more)}, not known: {sorted(less)}")
        for fd in held.keys() & told[tid].keys():
            one, other = held[fd], told[tid][fd]
            found += [f"{tid}: {fd}: {what}: {one} {other}" for what in unlike(one, other)]
            # An eventfd that came by a way that is not certain: nothing tells which one it is.
            if one.identity and not (other.foreign and one.kind == "eventfd"):
                key = (one.kind, one.identity)
                if objects.setdefault(key, other.object) != other.object:
                    found.append(f"{tid}: {fd}: another object: {one} {other}")
                if owners.setdefault(other.object, key) != key:
                    found.append(f"{tid}: {fd}: the object of others: {one} {other}")
    for first, *_ in true.tables:
        for fd in true.held[first].keys() & told[first].keys():
            one, other = true.held[first][fd], told[first][fd]
            size = sizes.setdefault(other.object, Counter())
            size.update(opens=1, readers=one.ways & 1, writers=one.ways >> 1)
            last[other.object] = other
    for number, size in sizes.items():
        count = last[number]
        counts = (count.opens, count.readers, count.writers)
        followed = counted and count.kind in ("pipe", "socket", "eventfd")
        if followed and counts != (size["opens"], size["readers"], size["writers"]):
            found.append(f"object {number}: {count} but {size}")
    return found


def unlike(one: Held, other: Told) -> list[str]:
    found = []
    kind = one.kind if one.kind in KINDS else "other"
    if kind != other.kind and one.kind != "path":
        found.append("kind")
    if len(one.identity) == 3 and other.identity[2] and other.identity != one.identity:
        found.append("inode")
    if one.cloexec != other.cloexec:
        found.append("cloexec")
    if one.kind in ("file", "pipe", "socket", "eventfd", "path") and other.ways != one.ways:
        found.append("ways")
    return found


def compare(path: Path, lanes: Lanes, counted: bool) -> int:
    """Asserts that the tables were right at each checkpoint; of how many descriptors."""
    tables, checked, number = Tables(), 0, 0
    with trace_file.open_trace(path) as reader:
        for frame in reader:
            at = 0
            for event in frame.events:
                size = int(event["size"])
                if is_mark(event):
                    true = lanes.checkpoints[int(event["args"][1])]
                    still = not any(h.carried for t in true.held.values() for h in t.values())
                    found = differences(true, tables, counted and still)
                    if found:
                        end = lanes.log.index(f"checkpoint {event['args'][1]}")
                        pytest.fail("\n".join([*lanes.log[max(0, end - 60) : end], *found]))
                    checked += sum(map(len, true.held.values()))
                    number += 1
                tables.feed(frame.records[at : at + size])
                at += size
    assert number == len(lanes.checkpoints)
    return checked


def is_mark(event: Any) -> bool:
    """Whether it is the beginning of an lseek(-1, …)."""
    return (
        event["kind"] in (ENTER, CALL)
        and replay.call_name(int(event["abi"]), int(event["nr"])) == "lseek"
        and int(event["args"][0]) & 0xFFFFFFFF == 0xFFFFFFFF
    )


@contextmanager
def working(subject: Path, folder: Path, before: Sequence[str | Path] = ()) -> Iterator[Lanes]:
    lanes = Lanes(subject, folder / "files", before)
    try:
        yield lanes
    finally:
        lanes.close()
    assert lanes.process.returncode == 0


@pytest.mark.parametrize("seed", range(4))
def test_random_work(tmp_path: Path, subject: Path, seed: int) -> None:
    path, travel = tmp_path / "run.renacer", bool(seed % 2)
    with working(subject, tmp_path, traced("--format", "record", "-o", path)) as lanes:
        Work(lanes, f"launched {seed}", travel).steps(240, 6)
    assert compare(path, lanes, counted=not travel) > 1000


@pytest.mark.parametrize("seed", range(3))
def test_random_work_of_processes_that_ran_before(tmp_path: Path, subject: Path, seed: int) -> None:
    path = tmp_path / "run.renacer"
    with working(subject, tmp_path) as lanes:
        work = Work(lanes, f"attached {seed}", bool(seed % 2))
        work.steps(60, 100)
        pids = ",".join(str(pid) for pid in {lane.pid for lane in lanes.alive.values()})
        with attached(pids, "--format", "record", "-o", path) as tracer:
            until(lambda: all(tracer_of(lane.tid) for lane in lanes.alive.values()))
            # Those that wait for a vfork stop when they are let go on.
            until(lambda: all(one.waits or settled(one.tid) for one in lanes.alive.values()))
            work.steps(150, 6)
            detach(tracer)
    assert compare(path, lanes, counted=False) > 500
