# SPDX-License-Identifier: MIT
"""Records in Python: version 1 of event.h, from numbers and captured bytes."""

from __future__ import annotations

import struct

ENTER, EXIT, CALL, START, EXEC, END, SIGNAL, GROUP_STOP = range(1, 9)
CONTEXT, GAP = 9, 10
FAILED, INTERRUPTED, RESTARTED, TRUNCATED = 1, 2, 4, 16
PATH, STRING, BUFFER, ARGV, STRUCT, EXE = range(1, 7)
OBJECT, SPAN, CONTENT, PEAK = 13, 14, 18, 20
CUT, UNREAD, AT_EXIT = 1, 2, 4
NO_ARG = 0xFF

_HEADER = struct.Struct("<IBBHiiQQQiI6Qq")
_PIECE = struct.Struct("<BBHIQ")
HEADER_BYTES = _HEADER.size
_MASK = (1 << 64) - 1


def piece(kind: int, arg: int, data: bytes, total: int, flags: int = 0) -> bytes:
    """One captured thing, padded to 8 bytes."""
    return _PIECE.pack(kind, arg, flags, len(data), total) + data + bytes(-len(data) % 8)


def unpack_piece(data: bytes) -> tuple[int, int, int, bytes]:
    """(kind, argument, flags, bytes) of what piece() has packed."""
    kind, arg, flags, size, _ = _PIECE.unpack_from(data)
    return kind, arg, flags, data[_PIECE.size : _PIECE.size + size]


class Record:
    """One record, to be packed when all of it is known."""

    __slots__ = ("abi", "args", "flags", "kind", "nr", "pid", "pieces", "result", "seq", "t0",
                 "t1", "tid")  # fmt: skip

    def __init__(self, kind: int, tid: int, pid: int, now: int) -> None:
        self.kind, self.tid, self.pid = kind, tid, pid
        self.abi = self.flags = self.seq = self.nr = self.result = 0
        self.t0 = self.t1 = now
        self.args: tuple[int, ...] = ()
        self.pieces: list[bytes] = []

    def pack(self) -> bytes:
        """Its bytes."""
        body = b"".join(self.pieces)
        if any(one[2] & CUT for one in self.pieces):
            self.flags |= TRUNCATED
        args = [value & _MASK for value in self.args] + [0] * (6 - len(self.args))
        head = _HEADER.pack(
            HEADER_BYTES + len(body), self.kind, self.abi, self.flags, self.tid, self.pid,
            self.seq, self.t0, self.t1, self.nr, len(self.pieces), *args, self.result,
        )  # fmt: skip
        return head + body
