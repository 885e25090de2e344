# SPDX-License-Identifier: MIT
"""Calls counted by the core: of a run, or of the records of a TRACE file.

Python objects here are one a row (a call's number within a group), never one a call.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from renacer_otel.engine import native
from renacer_otel.engine.launch import COUNT_BY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from renacer_otel.engine.launch import NativeRun

#: No bucket's middle is farther from a duration in it than this part of the duration.
BUCKET_ERROR = 1 / 256

#: As RN_ABI_*.
ABIS = ("unknown", "x86_64", "i386", "x32", "aarch64", "arm")
_AT_ONCE = 4096


class Group(NamedTuple):
    """Whom or what calls are counted for. `ordinal` 0 = no process or thread.

    `tid` 0 = a whole process. `name`: of the process, the path, the peer; "" = none or unknown.
    """

    ordinal: int
    pid: int
    tid: int
    name: str


class Row(NamedTuple):
    """Calls of one number in one group; times in ns, of those that returned."""

    group: int
    nr: int
    abi: str
    name: str
    calls: int  # that returned
    errors: int  # of these
    unfinished: int  # that did not return; not in calls
    time: int
    shortest: int
    longest: int
    sampled: int  # durations in buckets; fewer than calls: there was no room for more


@dataclass
class Counts:
    """All that was counted.

    `wall`: times are from entry to exit; else the system CPU time of the calls. `buckets` has for
    a row's index (duration in ns, how often) pairs, durations within BUCKET_ERROR; only with
    `wall`. The first group is for what found no room in another.
    """

    by: str
    wall: bool
    groups: list[Group]
    rows: list[Row]
    buckets: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    missed: int = 0  # calls that could not be counted for want of memory
    lost_calls: int = 0  # that were lost before they could be counted
    lost_events: int = 0


def of_run(run: NativeRun, by: str, *, wall: bool) -> Counts:
    """What the core counted of a run that is done and was asked to count."""
    counts = _read(run.counted(), by, wall=wall)
    stats = run.stats()
    counts.lost_calls, counts.lost_events = stats.lost_calls, stats.lost_events
    return counts


def of_records(chunks: Iterable[bytes], by: str, *, wall: bool) -> Counts:
    """Counts records: bytes of whole ones, in order.

    Raises MemoryError, and ValueError for what is no record.
    """
    ffi, lib = native.load()
    counted = lib.rn_counted_new(COUNT_BY.index(by), wall)
    if counted == ffi.NULL:
        raise MemoryError
    try:
        native.feed(lib.rn_counted_feed, counted, chunks)
        lib.rn_counted_finish(counted)
        return _read(counted, by, wall=wall)
    finally:
        lib.rn_counted_free(counted)


def _read(counted: Any, by: str, *, wall: bool) -> Counts:
    text = native.ffi.string
    groups = [
        Group(int(raw.ordinal), int(raw.pid), int(raw.tid), os.fsdecode(text(raw.name)))
        for raw in _all("group", counted)
    ]
    names = {group.ordinal: group.name for group in groups if not group.tid}
    groups = [group._replace(name=names.get(group.ordinal, "")) if group.tid else group
              for group in groups]  # fmt: skip
    counts = Counts(by, wall, groups, [_row(raw) for raw in _all("row", counted)])
    for raw in _all("bucket", counted):
        counts.buckets.setdefault(int(raw.row), []).append((int(raw.value), int(raw.count)))
    counts.missed = int(native.lib.rn_counted_missed(counted))
    return counts


def _all(what: str, counted: Any) -> Iterator[Any]:
    ffi = native.ffi
    room = ffi.new(f"rn_counted_{what}[]", _AT_ONCE)
    at = ffi.new("uint64_t *")
    take = getattr(native.lib, f"rn_counted_{what}s")
    while count := int(take(counted, at, room, _AT_ONCE)):
        yield from (room[i] for i in range(count))


def _row(raw: Any) -> Row:
    nr, abi = int(raw.nr), int(raw.abi)
    return Row(
        group=int(raw.group),
        nr=nr,
        abi=ABIS[abi],
        name=_name(abi, nr),
        calls=int(raw.calls),
        errors=int(raw.errors),
        unfinished=int(raw.unfinished),
        time=int(raw.time),
        shortest=int(raw.shortest),
        longest=int(raw.longest),
        sampled=int(raw.sampled),
    )


def _name(abi: int, nr: int) -> str:
    if nr == native.lib.RN_COUNTED_OTHER_NR:
        return "syscall_other"
    name = native.lib.rn_table_name(abi, nr)
    if name == native.ffi.NULL:
        return f"syscall_{nr & 0xFFFFFFFF:#x}"
    return str(native.ffi.string(name).decode())
