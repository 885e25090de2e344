# SPDX-License-Identifier: MIT
"""The bytes of a spool: a segment is a head and records; nothing here opens or writes a file.

Little-endian. A segment's head: magic, version, CRC of both. A record's head:

    8  magic, which occurs in no UTF-8 text
    4  state: zeros = to be sent, "DONE" = settled; outside of all checksums, written in place
    4  CRC of the rest of the head
    1  version  1  encoding  2  zero
    4  length of the payload  4  spans in it  4  CRC of the payload  8  number in the segment

CRCs are those of zlib. So a byte that flips is found wherever it is, one in the state can only
lead to a record being sent again, and where a head is damaged the next record is found by its
magic and its own CRC.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Read = Callable[[int, int], bytes]  # offset, bytes -> as many as there are

VERSION = 1
PROTOBUF, JSON = 1, 2  # encodings of an ExportTraceServiceRequest

SEGMENT_MAGIC = b"\xf5rnseg\xf6\n"
RECORD_MAGIC = b"\xf5rnrec\xf6\n"
PENDING, DONE = bytes(4), b"DONE"
STATE_AT = 8  # in a record's head
# What a sender would take, and a margin: a longer one is damaged.
MAX_PAYLOAD = 65 << 20

_SEGMENT = struct.Struct("<8sII")
_RECORD = struct.Struct("<8s4sI")
_CHECKED = struct.Struct("<BBHIIIQ")
SEGMENT_HEAD = _SEGMENT.size
RECORD_HEAD = _RECORD.size + _CHECKED.size
_WINDOW = 1 << 20

CUT = "cut short"
ZEROS = "zeros"
DAMAGED = "damaged"
NEWER = "written by a newer version"


class Record(NamedTuple):
    """A record whose head is sound; whether the payload is, only payload_is_sound() tells."""

    offset: int
    done: bool
    encoding: int
    length: int
    spans: int
    checksum: int
    number: int

    @property
    def payload(self) -> int:
        """Where the payload begins."""
        return self.offset + RECORD_HEAD

    @property
    def end(self) -> int:
        """Where the next record begins."""
        return self.offset + RECORD_HEAD + self.length


class Bad(NamedTuple):
    """Bytes that are no record. `spans`: known if a sound head says so, else 0."""

    offset: int
    end: int
    reason: str  # CUT, ZEROS, DAMAGED or NEWER
    spans: int = 0


def segment_head() -> bytes:
    """What each segment begins with."""
    front = struct.pack("<8sI", SEGMENT_MAGIC, VERSION)
    return front + struct.pack("<I", zlib.crc32(front))


def record_head(payload: bytes, spans: int, encoding: int, number: int) -> bytes:
    """What stands before a payload."""
    checked = _CHECKED.pack(
        VERSION, encoding, 0, len(payload), spans, zlib.crc32(payload), number & (1 << 64) - 1
    )
    return _RECORD.pack(RECORD_MAGIC, PENDING, zlib.crc32(checked)) + checked


def payload_is_sound(record: Record, payload: bytes) -> bool:
    """Whether these are the bytes that were written."""
    return len(payload) == record.length and zlib.crc32(payload) == record.checksum


def is_newer(read: Read) -> bool:
    """Whether a segment says, soundly, that a newer version has written it."""
    version = _segment_version(read)
    return version is not None and version > VERSION


def _segment_version(read: Read) -> int | None:
    data = read(0, SEGMENT_HEAD)
    if len(data) < SEGMENT_HEAD:
        return None
    magic, version, checksum = _SEGMENT.unpack(data)
    if magic != SEGMENT_MAGIC or zlib.crc32(data[:12]) != checksum:
        return None
    return int(version)


def scan(read: Read, size: int, start: int = 0) -> Iterator[Record | Bad]:
    """What a segment of `size` bytes holds from offset `start` on, in order."""
    at = start
    if at == 0 and _segment_version(read) == VERSION:
        at = SEGMENT_HEAD
    while at < size:
        found = _parse(read(at, min(RECORD_HEAD, size - at)), at)
        if isinstance(found, Record) and found.end <= size:
            yield found
            at = found.end
        elif isinstance(found, Record):
            yield Bad(at, size, CUT, found.spans)
            return
        elif isinstance(found, Bad) and found.end <= size:
            yield found
            at = found.end
        else:
            end, blank = _next_record(read, at + 1, size)
            head = read(at, min(len(RECORD_MAGIC), size - at))
            reason = ZEROS if blank and not any(head) else DAMAGED
            if end == size and size - at < RECORD_HEAD and RECORD_MAGIC.startswith(head):
                reason = CUT
            yield Bad(at, end, reason)
            at = end


def _parse(head: bytes, at: int) -> Record | Bad | None:
    """A record, a sound one of a newer version as Bad, or None."""
    if len(head) < RECORD_HEAD or not head.startswith(RECORD_MAGIC):
        return None
    _, state, checksum = _RECORD.unpack_from(head)
    checked = head[_RECORD.size :]
    if zlib.crc32(checked) != checksum:
        return None
    version, encoding, _, length, spans, payload_checksum, number = _CHECKED.unpack(checked)
    if length > MAX_PAYLOAD:
        return None
    if version != VERSION or encoding not in (PROTOBUF, JSON):
        return Bad(at, at + RECORD_HEAD + length, NEWER, spans)
    return Record(at, state == DONE, encoding, length, spans, payload_checksum, number)


def _next_record(read: Read, at: int, size: int) -> tuple[int, bool]:
    """(where the next sound head is, else `size`; whether all bytes up to there are zero)."""
    blank = True
    overlap = len(RECORD_MAGIC) - 1
    while at < size:
        window = read(at, min(_WINDOW, size - at))
        if not window:
            break
        found = window.find(RECORD_MAGIC)
        while found >= 0:
            head = read(at + found, min(RECORD_HEAD, size - at - found))
            if _parse(head, at + found) is not None:
                return at + found, blank and not any(window[:found])
            blank = False
            found = window.find(RECORD_MAGIC, found + 1)
        blank = blank and not any(window)
        at += max(len(window) - overlap, 1) if at + len(window) < size else len(window)
    return size, blank
