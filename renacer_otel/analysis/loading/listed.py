# SPDX-License-Identifier: MIT
"""The calls of a listing (renacer-json) put together as columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from renacer_otel.analysis.loading.columns import Rows, Texts, no_details
from renacer_otel.spans import replay

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORM = "renacer-json"
START, EXIT = 4, 6  # RN_PROCESS_START, RN_EXIT
#: In the order of their ends. 0 or -1 where it is not told: pid, tid; duration, start (ns).
ROW = np.dtype(
    [
        ("nr", "<i4"),
        ("abi", "u1"),
        ("pid", "<i4"),
        ("tid", "<i4"),
        ("result", "<i8"),
        ("duration", "<i8"),
        ("start", "<i8"),
        ("flags", "<u2"),
        ("path", "<u4"),
        ("other_path", "<u4"),
        ("object_path", "<u4"),  # by which its descriptor's file was opened
        ("object", "<u8"),
        ("fd", "<i4"),
        ("args", "<u8", (6,)),
    ]
)


@dataclass
class Listing:
    """What was read. `unnamed`: calls whose names are not known; `makes_others`: a call started
    a thread or process; `programs`: names by pid; `untold`: of replay.UNKNOWN, so far."""

    rows: Rows = field(default_factory=lambda: Rows(ROW))
    texts: Texts = field(default_factory=Texts)
    total: int | None = None  # that its summary counts
    lost: int = 0
    exit_code: int | None = None
    unnamed: int = 0
    makes_others: bool = False
    command: list[str] = field(default_factory=list)
    start_unix_us: int = 0
    programs: dict[int, str] = field(default_factory=dict)
    untold: set[str] = field(default_factory=lambda: {"causes", "signals", "peers"})


def assembled(listing: Listing, *, details: bool) -> replay.Replay:
    """The columns of a listing."""
    rows = listing.rows.all()
    _judge(listing, rows)
    untold = listing.untold
    rows, calls = _in_order(rows, times="times" not in untold)
    owners = np.zeros(len(rows), [("pid", "<i4"), ("tid", "<i4")])
    owners["pid"], owners["tid"] = rows["pid"], rows["tid"]
    if len(rows) and not rows["pid"].all():
        owners["pid"] = rows["tid"][0]  # of whom it is not known: one process
    known, first, of_thread = np.unique(owners, return_index=True, return_inverse=True)
    calls["thread"] = of_thread.reshape(-1)
    # Processes are numbered by their first calls; the first is the command's.
    pids = list(dict.fromkeys(known["pid"][np.argsort(first)].tolist())) or [0]
    ordinals = {pid: number for number, pid in enumerate(pids, 1)}
    threads = np.zeros(max(len(known), 1), replay.THREAD)
    threads["ordinal"], threads["maker"] = 1, replay.NO_THREAD
    for name in ("pid", "tid"):
        threads[name][: len(known)] = known[name]
    threads["ordinal"][: len(known)] = [ordinals[pid] for pid in known["pid"].tolist()]
    owner = threads["ordinal"][calls["thread"]]
    by_owner = np.argsort(owner, kind="stable")
    bounds = np.searchsorted(owner[by_owner], np.arange(1, len(pids) + 2)).tolist()
    processes = {
        ordinal: _process(
            listing,
            calls[by_owner[bounds[ordinal - 1] : bounds[ordinal]]],
            len(calls),
            ordinal,
            pid,
        )
        for pid, ordinal in ordinals.items()
    }
    return replay.Replay(
        {
            "engine": FORM, "id_key": [0, 0], "lamport_seed": 0, "machine": "x86_64",
            "command": listing.command, "monotonic_anchor": 0,
            "realtime_anchor": listing.start_unix_us * 1000 or None,
        },
        calls,
        _events(calls, threads, processes[1]),
        np.zeros(0, replay.EDGE),
        threads,
        processes,
        complete=True,
        lost_events=0,
        lost_calls=listing.lost,
        missed=listing.rows.missed + listing.texts.missed,
        details=_details(listing, rows) if details else None,
        form=FORM,
        lacks=_lacks(listing),
        unknown=frozenset(untold),
    )  # fmt: skip


def _judge(listing: Listing, rows: NDArray[Any]) -> None:
    """What is not told, of UNKNOWN."""
    untold = listing.untold
    if not len(rows) or rows["start"].min() < 0:
        untold.add("times")
    if not len(rows) or rows["duration"].max() < 0:
        untold.add("durations")
    told = len(rows) and rows["pid"].all() and rows["tid"].all()
    if not told and (listing.makes_others or len(np.unique(rows["tid"])) > 1):
        untold.add("processes")
        # Whose descriptors they are is not known either.
        rows["object"] = rows["object_path"] = 0
    meant = (rows["fd"] >= 0) & (rows["flags"] & replay.FAILED == 0)
    if (meant & (rows["object"] == 0)).any():
        untold.add("objects")
    if listing.total != len(rows) or listing.unnamed:
        untold.add("calls")


def _in_order(rows: NDArray[Any], *, times: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    """The rows in the order of their ends, and CALL, without threads.

    Where it is not told when a call was, it follows the one before it at once.
    """
    spent = np.maximum(rows["duration"], 0)
    begin = np.cumsum(spent) - spent
    if times:
        begin = _after_each_other(rows, spent)
        order = np.argsort(begin + spent, kind="stable")
        rows, begin, spent = rows[order], begin[order], spent[order]
    calls = np.zeros(len(rows), replay.CALL)
    calls["t0"], calls["t1"] = begin, begin + spent
    for name in ("nr", "abi", "result", "flags"):
        calls[name] = rows[name]
    calls["incomplete"] = 1
    # Of one instant, a call is over before the next begins.
    row = np.concatenate([np.arange(len(rows))] * 2)
    is_exit = np.repeat([0, 1], len(rows))
    keys = [is_exit, row]
    if times:
        keys.append(np.concatenate([calls["t0"], calls["t1"]]))
    numbers = np.empty(2 * len(rows), np.uint64)
    numbers[np.lexsort(keys)] = np.arange(2, 2 * len(rows) + 2)
    calls["seq"], calls["end"] = numbers[: len(rows)], numbers[len(rows) :]
    calls["lamport_start"], calls["lamport_end"] = calls["seq"], calls["end"]
    calls["end"][rows["flags"] & replay.UNFINISHED != 0] = 0
    return rows, calls


def _after_each_other(rows: NDArray[Any], spent: NDArray[Any]) -> NDArray[Any]:
    """When calls began: in a thread, none before the one before it was over.

    They are told in microseconds: what began with the end of another may seem to come before it.
    """
    begin: NDArray[Any] = rows["start"].copy()
    order = np.argsort(rows["tid"], kind="stable")
    bounds = np.flatnonzero(np.diff(rows["tid"][order])) + 1
    for some in np.split(order, bounds):
        before = np.cumsum(spent[some]) - spent[some]
        begin[some] = np.maximum.accumulate(begin[some] - before) + before
    return begin


def _process(
    listing: Listing, mine: NDArray[Any], count: int, ordinal: int, pid: int
) -> replay.Process:
    """`mine`: its calls; `count`: of all calls."""
    status = None
    if ordinal == 1 and listing.exit_code is not None:
        status = (listing.exit_code & 0xFF) << 8
    last = 2 * count + 2
    return replay.Process(
        ordinal, pid, 0, listing.programs.get(pid, ""), status,
        int(mine["t0"].min()) if len(mine) else 0, int(mine["t1"].max(initial=0)),
        1 if ordinal == 1 else int(mine["seq"].min()),
        last if ordinal == 1 else int(max(mine["end"].max(), mine["seq"].max())),
        len(mine), int(np.count_nonzero(mine["flags"] & replay.FAILED)),
    )  # fmt: skip


def _events(calls: NDArray[Any], threads: NDArray[Any], command: replay.Process) -> NDArray[Any]:
    """The start of the command, and its end if that is told."""
    events = np.zeros(2 if command.wait_status is not None else 1, replay.EVENT)
    of_command = threads["ordinal"] == 1
    events["thread"] = np.argmax(of_command & (threads["tid"] == command.pid))
    events["kind"], events["seq"], events["t"] = START, 1, command.t_start
    if command.wait_status is not None:
        last = int(calls["t1"].max(initial=0))
        events[1] = (2 * len(calls) + 2, last, command.wait_status, events["thread"][0], 0, EXIT, 1)
    return events


def _details(listing: Listing, rows: NDArray[Any]) -> replay.Details:
    found = no_details(len(rows))
    for name in ("args", "fd", "other_path", "object"):
        found[name] = rows[name]
    found["path"] = np.where(rows["path"] != 0, rows["path"], rows["object_path"])
    return listing.texts.details(found)


def _lacks(listing: Listing) -> list[str]:
    """In words."""
    said = {
        "processes": "which process or thread made a call (there are several)",
        "times": "when calls were made",
        "durations": "how long calls took",
        "arguments": "all arguments of calls",
        "paths": "paths other than openat's",
        "objects": "which open file each call is about",
        "peers": "addresses of connections",
        "causes": "what caused what",
        "signals": "signals",
    }
    found = [words for what, words in said.items() if what in listing.untold]
    if listing.unnamed:
        found.append(f"which calls {listing.unnamed:,} are, whose names are not known")
    if listing.total is None:
        found.append("whether these are all calls (it has no summary)")
    elif "calls" in listing.untold and not listing.unnamed:
        found.append("all calls: its summary counts others")
    return found
