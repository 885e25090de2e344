# SPDX-License-Identifier: MIT
"""TRACE files made up for tests: from records, and frame by frame where the writer would not."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import zstandard

from renacer_otel.ring import trace_format as form
from renacer_otel.ring.trace_writer import TraceWriter

METADATA: dict[str, Any] = {"event_version": 1, "command": ["true", "\udcff\n\x00"]}
_HEAD = struct.Struct("<IBBHiiQQQiI6Qq")
_PIECE = struct.Struct("<BBHIQ")


def piece(kind: int, data: bytes, arg: int = 0, flags: int = 0, total: int | None = None) -> bytes:
    """One piece, padded."""
    head = _PIECE.pack(kind, arg, flags, len(data), len(data) if total is None else total)
    return head + data + bytes(-len(data) % 8)


def record(
    seq: int,
    *pieces: bytes,
    kind: int = 3,
    tid: int = 7,
    pid: int = 7,
    nr: int = 257,
    args: tuple[int, ...] = (1, 2, 3, 4, 5, 2**64 - 1),
    result: int = -2,
) -> bytes:
    """One record of event.h: by struct, not by the code that is tested."""
    body = b"".join(pieces)
    head = _HEAD.pack(
        _HEAD.size + len(body),
        kind,
        1,
        1,
        tid,
        pid,
        seq,
        1000 * seq,
        1000 * seq + 5,
        nr,
        len(pieces),
        *args,
        result,
    )
    return head + body


def block(first: int, count: int) -> bytes:
    """Records of calls with a path each, two events apart."""
    return b"".join(
        record(first + 2 * i, piece(1, b"/p/%d" % i, arg=1), result=i) for i in range(count)
    )


def write(
    path: Path,
    blocks: list[bytes],
    end: dict[str, Any] | None = None,
    metadata: dict[str, Any] = METADATA,
) -> bytes:
    """By the writer itself, one frame a block; `end` None = without its last frame."""
    with path.open("wb") as file:
        writer = TraceWriter(file.write, metadata)
        for raw in blocks:
            (seq,) = struct.unpack_from("<Q", raw, 16) if raw else (0,)
            writer.records(raw, seq)
        if end is not None:
            writer.end(end)
    return path.read_bytes()


def frame(kind: int, stored: bytes, raw: int | None = None, codec: int = 0, seq: int = 1) -> bytes:
    """A frame whose checksums are right, whatever else it says."""
    size = len(stored) if raw is None else raw
    head = form.FrameHeader(kind, codec, len(stored), size, seq, zlib.crc32(stored))
    return form.pack_header(head) + stored


def packed(raw: bytes, seq: int = 1) -> bytes:
    """A frame of records, compressed."""
    return frame(form.RECORDS, zstandard.compress(raw), len(raw), form.CODEC_ZSTD, seq)


def head(metadata: dict[str, Any] | None = None) -> bytes:
    """What a file begins with."""
    text = json.dumps(METADATA if metadata is None else metadata).encode()
    return form.FILE_HEADER.pack(form.MAGIC, form.VERSION, 0) + frame(form.METADATA, text)


def end(totals: str = "{}") -> bytes:
    """What a whole file ends with."""
    return frame(form.END, totals.encode())
