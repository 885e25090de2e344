# SPDX-License-Identifier: MIT
"""The TRACE file, version 1: records as they came, framed, checksummed, compressed.

    file   = magic (8 bytes) version (u32) zero (u32) frame…
    frame  = "RFRM" type (u16) codec (u16) stored (u32) raw (u32) first_seq (u64)
             crc of the content (u32) crc of these 28 bytes (u32) content (stored bytes)

All numbers are little-endian. Types: 1 metadata (JSON, the first frame), 2 records (event.h), 3
end (JSON, the last frame; a file without one was cut short). Codec 0 is none, 1 is zstd. CRCs
are CRC-32 (zlib's). Frames are padded to nothing; a reader refuses more than MAX_RAW bytes, of
records more than MAX_RECORDS (a writer makes frames of 1 MiB and one record, at most 256 KiB).
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

MAGIC = b"RNCRTRC\x01"
VERSION = 1
FILE_HEADER = struct.Struct("<8sII")
FRAME_MAGIC = b"RFRM"
_FRAME_BODY = struct.Struct("<4sHHIIQI")
FRAME_HEADER_SIZE = _FRAME_BODY.size + 4

METADATA = 1
RECORDS = 2
END = 3
TYPES = (METADATA, RECORDS, END)

CODEC_NONE = 0
CODEC_ZSTD = 1

MAX_RAW = 64 << 20
MAX_RECORDS = 16 << 20


class FrameHeader(NamedTuple):
    """A frame's head; sizes in bytes."""

    type: int
    codec: int
    stored: int
    raw: int
    first_seq: int
    crc: int


def pack_header(header: FrameHeader) -> bytes:
    """The 32 bytes of a head."""
    body = _FRAME_BODY.pack(
        FRAME_MAGIC,
        header.type,
        header.codec,
        header.stored,
        header.raw,
        header.first_seq,
        header.crc,
    )
    return body + struct.pack("<I", zlib.crc32(body))


def unpack_header(data: bytes) -> FrameHeader | None:
    """The head in 32 bytes; None = these are not a frame's head."""
    body = data[: _FRAME_BODY.size]
    if len(data) != FRAME_HEADER_SIZE or zlib.crc32(body) != struct.unpack("<I", data[28:])[0]:
        return None
    magic, kind, codec, stored, raw, first_seq, crc = _FRAME_BODY.unpack(body)
    if magic != FRAME_MAGIC or kind not in TYPES or codec not in (CODEC_NONE, CODEC_ZSTD):
        return None
    if raw > (MAX_RECORDS if kind == RECORDS else MAX_RAW) or stored > MAX_RAW:
        return None
    return FrameHeader(kind, codec, stored, raw, first_seq, crc)
