# SPDX-License-Identifier: MIT
"""A TRACE file of many calls, made of records: four processes that open, map, read and close files.

usage: made_trace.py FILE CALLS
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from renacer_otel.ring.trace_file import EVENT
from renacer_otel.ring.trace_writer import TraceWriter

PROCESSES = 4
FILES = 2000
_PATH_BYTES = 32
_PIECE = np.dtype(
    [("type", "u1"), ("arg", "u1"), ("flags", "<u2"), ("len", "<u4"), ("total", "<u8")]
)
_WITH_PATH = EVENT.itemsize + _PIECE.itemsize + _PATH_BYTES
_CALL, _START, _EXIT = 3, 4, 6
_X86_64 = 1
_CYCLES = 4000  # of calls in a frame

# One cycle of a process: number, arguments, result. Numbers of x86_64.
_CYCLE: tuple[tuple[int, tuple[int, ...], int], ...] = (
    (257, ((1 << 64) - 100, 0x7F0000000000, 0x80000), 3),  # openat, with a path
    (5, (3, 0x7F0000001000), 0),  # fstat
    (9, (0, 65536, 3, 0x22, (1 << 64) - 1, 0), 0x7F1000000000),  # mmap, anonymous
    (0, (3, 0x7F1000000000, 65536), 65536),  # read
    (0, (3, 0x7F1000000000, 65536), 4096),
    (0, (3, 0x7F1000000000, 65536), 0),
    (11, (0x7F1000000000, 65536), 0),  # munmap
    (3, (3,), 0),  # close
)
_CYCLE_BYTES = _WITH_PATH + (len(_CYCLE) - 1) * EVENT.itemsize


def _other(kind: int, process: int, seq: int, time: int, **more: Any) -> bytes:
    event = np.zeros(1, EVENT)
    event["size"], event["kind"], event["seq"] = EVENT.itemsize, kind, seq
    event["tid"] = event["pid"] = 1000 + process
    event["t0"] = event["t1"] = time
    event["args"][0, 0] = process + 1
    for name, value in more.items():
        event[name] = value
    return event.tobytes()


def _cycles(first: int, seq: int, time: int) -> bytes:
    """_CYCLES of them from number `first` on."""
    number = np.arange(first, first + _CYCLES)
    out = np.zeros((_CYCLES, _CYCLE_BYTES), np.uint8)
    at = 0
    for place, (nr, args, result) in enumerate(_CYCLE):
        rows = np.zeros(_CYCLES, EVENT)
        rows["size"] = EVENT.itemsize if place else _WITH_PATH
        rows["kind"], rows["abi"], rows["nr"], rows["result"] = _CALL, _X86_64, nr, result
        rows["tid"] = rows["pid"] = 1000 + number % PROCESSES
        rows["seq"] = seq + 2 * (np.arange(_CYCLES) * len(_CYCLE) + place)
        rows["t0"] = time + 1000 * (np.arange(_CYCLES) * len(_CYCLE) + place)
        rows["t1"] = rows["t0"] + 700
        rows["args"][:, : len(args)] = np.array(args, np.uint64)
        rows["pieces"] = 0 if place else 1
        out[:, at : at + EVENT.itemsize] = rows.view(np.uint8).reshape(_CYCLES, -1)
        at += EVENT.itemsize
        if not place:
            piece = np.zeros(1, _PIECE)
            piece["type"], piece["arg"] = 1, 1
            piece["len"] = piece["total"] = _PATH_BYTES
            out[:, at : at + _PIECE.itemsize] = piece.view(np.uint8)
            at += _PIECE.itemsize
            paths = b"".join(b"/usr/share/files/of/%012d" % (n % FILES) for n in number.tolist())
            text = np.frombuffer(paths, np.uint8).reshape(_CYCLES, -1)
            out[:, at : at + text.shape[1]] = text
            out[:, at + text.shape[1] : at + _PATH_BYTES] = ord("_")
            at += _PATH_BYTES
    return out.tobytes()


def write(path: str, calls: int) -> int:
    """Writes it; returns how many calls are in it, at least so many."""
    metadata = {
        "event_version": 1, "command": ["made"], "id_key": [1, 2], "lamport_seed": 0,
        "realtime_anchor": 10**18, "monotonic_anchor": 0, "engine": "made", "machine": "x86_64",
    }  # fmt: skip
    seq, time, made = 1, 1000, 0
    with open(path, "wb") as file:
        writer = TraceWriter(file.write, metadata)
        starts = b""
        for process in range(PROCESSES):
            starts += _other(_START, process, seq, time)
            seq += 1
        writer.records(starts, 1)
        while made < calls:
            writer.records(_cycles(made // len(_CYCLE), seq, time), seq)
            made += _CYCLES * len(_CYCLE)
            seq += 2 * _CYCLES * len(_CYCLE)
            time += 1000 * _CYCLES * len(_CYCLE)
        ends, first = b"", seq
        for process in range(PROCESSES):
            ends += _other(_EXIT, process, seq, time)
            seq += 1
        words = np.frombuffer(ends, EVENT).copy()
        words["args"][:, 1], words["args"][:, 2] = 0, 1
        writer.records(words.tobytes(), first)
        writer.end({"calls": made, "added_ns": 0, "wall_ns": time})
    return made


if __name__ == "__main__":
    print(write(sys.argv[1], int(sys.argv[2])))
