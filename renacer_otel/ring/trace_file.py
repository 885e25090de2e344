# SPDX-License-Identifier: MIT
"""Reads a TRACE file as NumPy columns: no Python object a record.

`open_trace()` gives frames one by one, in bounded memory; `read()` gives all of them at once.
"""

from __future__ import annotations

import os
import stat
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from renacer_otel.engine import native
from renacer_otel.errors import TraceNotFound, TraceUnreadable, one_line
from renacer_otel.ring import strict_json
from renacer_otel.ring import trace_format as form

if TYPE_CHECKING:
    from io import BufferedReader

    from numpy.typing import NDArray
    from typing_extensions import Self

#: struct rn_event of event.h, version 1: 104 bytes.
EVENT = np.dtype(
    [
        ("size", "<u4"),
        ("kind", "u1"),
        ("abi", "u1"),
        ("flags", "<u2"),
        ("tid", "<i4"),
        ("pid", "<i4"),
        ("seq", "<u8"),
        ("t0", "<u8"),
        ("t1", "<u8"),
        ("nr", "<i4"),
        ("pieces", "<u4"),
        ("args", "<u8", (6,)),
        ("result", "<i8"),
    ]
)
_PIECE = np.dtype(
    [("type", "u1"), ("arg", "u1"), ("flags", "<u2"), ("len", "<u4"), ("total", "<u8")]
)
assert EVENT.itemsize == 104
assert _PIECE.itemsize == 16
_WORDS = EVENT.itemsize // 8
_SMALLEST = EVENT.itemsize
#: A description: what execve() takes (6 MiB), each byte escaped as \\udcXX. Packed, it could be a
#: bomb (parsed, JSON takes some twenty times its size), so that much only as it stands in the file.
_MAX_JSON = 40 << 20
_MAX_PACKED_JSON = 1 << 20
_MAX_JSON_VALUES = 1 << 20  # an argument takes 10 bytes at least of what execve() takes
_MAX_JSON_CHARACTERS = 16 << 20
_LOOKED_AT_ONCE = 1 << 20
EVENT_VERSION = 1


@dataclass(frozen=True)
class Piece:
    """Captured data of a record: see enum rn_piece_type in event.h.

    `total` is the whole length of what was captured (bytes; strings for an argv).
    """

    type: int
    arg: int
    flags: int
    total: int
    data: bytes


@dataclass
class Frame:
    """Records of one frame: `events` is an array of dtype EVENT, one row a record."""

    events: NDArray[Any]
    _raw: bytes
    _offsets: NDArray[np.uint64]
    words: NDArray[np.uint64]  # all records with their pieces, where the core can read them

    @property
    def records(self) -> bytes:
        """All records with their pieces, as they were written."""
        return self._raw

    def pieces(self, row: int) -> list[Piece]:
        """The pieces of record `row`."""
        at = int(self._offsets[row]) + EVENT.itemsize
        found = []
        for _ in range(int(self.events["pieces"][row])):
            kind, arg, flags, length, total = np.frombuffer(self._raw, _PIECE, 1, at)[0].tolist()
            at += _PIECE.itemsize
            found.append(Piece(kind, arg, flags, total, self._raw[at : at + length]))
            at += (length + 7) & ~7
        return found


@dataclass
class Trace:
    """A whole TRACE file. `end` is None and `complete` False if the file was cut short."""

    metadata: dict[str, Any]
    events: NDArray[Any]
    end: dict[str, Any] | None
    complete: bool
    _frames: list[Frame] = field(default_factory=list, repr=False)
    _starts: list[int] = field(default_factory=list, repr=False)

    def pieces(self, row: int) -> list[Piece]:
        """The pieces of record `row` of `events`, from the end if negative. Raises IndexError."""
        row = range(len(self.events))[row]
        frame = bisect_right(self._starts, row) - 1
        return self._frames[frame].pieces(row - self._starts[frame])


class TraceReader:
    """Frames of an open file, in order. `end` and `complete` are set after the last.

    A context manager: it closes the file. `name`: the file's, one printable line.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._at = 0  # counted here: a pipe cannot tell
        self._seq = 0  # of the last record so far
        self.name = one_line(name, 120)
        self.end: dict[str, Any] | None = None
        self.complete = False
        head = self._read(form.FILE_HEADER.size)
        if len(head) != form.FILE_HEADER.size or head[:7] != form.MAGIC[:7]:
            raise TraceUnreadable(f"{self.name}: not a TRACE file; make one with --format record")
        magic, version, zero = form.FILE_HEADER.unpack(head)
        if magic != form.MAGIC or version != form.VERSION:
            raise TraceUnreadable(
                f"{self.name}: of TRACE version {magic[7]}.{version}, this program reads"
                f" {form.MAGIC[7]}.{form.VERSION}; use a newer renacer-otel"
            )
        if zero:
            raise self._damaged("its head has been changed")
        self.metadata = self._metadata()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _damaged(self, what: str) -> TraceUnreadable:
        return TraceUnreadable(f"{self.name}: damaged: {what}; capture it again")

    def _read(self, size: int) -> bytes:
        try:
            data = self._file.read(size)
        except OSError as error:
            raise TraceUnreadable(f"{self.name}: {error.strerror or error}") from error
        self._at += len(data)
        return data

    def _next(self) -> tuple[form.FrameHeader, bytes] | None:
        at = self._at
        head = self._read(form.FRAME_HEADER_SIZE)
        if len(head) < form.FRAME_HEADER_SIZE:
            return None
        header = form.unpack_header(head)
        if header is None:
            raise self._damaged(f"no frame at byte {at}")
        stored = self._read(header.stored)
        if len(stored) < header.stored:
            return None
        if zlib.crc32(stored) != header.crc:
            raise self._damaged(f"checksum of the frame at byte {at}")
        return header, self._unpack(header, stored, at)

    def _unpack(self, header: form.FrameHeader, stored: bytes, at: int) -> bytes:
        if header.codec == form.CODEC_NONE:
            raw = stored
        else:
            import zstandard

            try:
                # Bounded by what the frame says of itself, whatever zstd's own head claims.
                if zstandard.frame_content_size(stored) != header.raw:
                    raise self._damaged(f"size of the frame at byte {at}")
                raw = zstandard.ZstdDecompressor().decompress(
                    stored, max_output_size=header.raw, allow_extra_data=False
                )
            except zstandard.ZstdError as error:
                raise self._damaged(f"content of the frame at byte {at}") from error
        if len(raw) != header.raw:
            raise self._damaged(f"size of the frame at byte {at}")
        return raw

    def _json(self, header: form.FrameHeader, raw: bytes) -> dict[str, Any]:
        if len(raw) > (_MAX_JSON if header.codec == form.CODEC_NONE else _MAX_PACKED_JSON):
            raise self._damaged("its description is too long")
        if len(raw) > _MAX_PACKED_JSON and _is_heavy(raw):
            raise self._damaged("its description says too much")
        try:
            value = strict_json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise self._damaged("its description is no JSON") from error
        if not isinstance(value, dict):
            raise self._damaged("its description is no JSON object")
        return value

    def _metadata(self) -> dict[str, Any]:
        found = self._next()
        if found is None:
            raise self._damaged("it ends before its description")
        header, raw = found
        if header.type != form.METADATA:
            raise self._damaged("its first frame is not its description")
        metadata = self._json(header, raw)
        if metadata.get("event_version") != EVENT_VERSION:
            raise TraceUnreadable(
                f"{self.name}: holds records of another version; use a newer renacer-otel"
            )
        return metadata

    def __iter__(self) -> Iterator[Frame]:
        while (found := self._next()) is not None:
            header, raw = found
            if header.type == form.END:
                self.end = self._json(header, raw)
                self.complete = True
                if self._read(1):
                    raise self._damaged("something stands behind its end")
                return
            if header.type != form.RECORDS:
                raise self._damaged("two descriptions")
            frame = self._frame(raw)
            self._check_order(header, frame)
            yield frame

    def _check_order(self, header: form.FrameHeader, frame: Frame) -> None:
        """Frames that change places, or come twice, are each sound by themselves."""
        seq = frame.events["seq"]
        if not len(seq):
            return
        if int(seq[0]) != header.first_seq or header.first_seq <= self._seq:
            raise self._damaged("its frames are not in order")
        if (seq[1:] <= seq[:-1]).any():  # few bytes, packed, could be as many records as one likes
            raise self._damaged("its records are not in order")
        self._seq = int(seq[-1])

    def _frame(self, raw: bytes) -> Frame:
        words = np.frombuffer(raw, "<u8", len(raw) // 8) if len(raw) >= 8 else np.empty(0, "<u8")
        if not words.flags.aligned:  # as a bytes object's memory need not be
            words = words.copy()
        capacity = len(raw) // _SMALLEST + 1
        offsets = np.empty(capacity, np.uint64)
        used = native.ffi.new("uint64_t *")
        count = native.lib.rn_index_records(
            native.ffi.from_buffer(words),
            words.nbytes,
            native.ffi.cast("uint64_t *", native.ffi.from_buffer(offsets)),
            capacity,
            used,
        )
        if int(used[0]) != len(raw):
            raise self._damaged("a record that no tracer writes")
        offsets = offsets[: int(count)]
        starts = (offsets // 8).astype(np.intp)
        rows = np.empty(0, "<u8")
        if count:
            rows = np.lib.stride_tricks.sliding_window_view(words, _WORDS)[starts]
        return Frame(rows.reshape(-1).view(EVENT), raw, offsets, words)


def _is_heavy(raw: bytes) -> bool:
    """Whether JSON would take more memory than a command line in JSON of that length."""
    if not raw.isascii() or len(raw) - 5 * raw.count(b"\\u") > _MAX_JSON_CHARACTERS:
        return True
    text = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    quotes, values = np.uint8(0), 0
    for at in range(0, len(text), _LOOKED_AT_ONCE):
        part = np.frombuffer(text, np.uint8, min(_LOOKED_AT_ONCE, len(text) - at), at)
        before = np.cumsum(part == ord('"'), dtype=np.uint8) + quotes
        outside = part[before % 2 == 0]
        values += sum(int(np.count_nonzero(outside == ord(mark))) for mark in ",[{")
        quotes = before[-1]
    return values > _MAX_JSON_VALUES


def open_file(path: str | os.PathLike[str], what: str = "TRACE file") -> BufferedReader:
    """Opens what may be a trace: a file, or a pipe that was handed over (`<(…)`, /dev/stdin).

    `what`: its name in errors.

    Never waits: a FIFO without a writer, a device, a folder are refused. Raises TraceNotFound,
    TraceUnreadable.
    """
    name = os.fspath(path)
    shown = one_line(name, 120)
    try:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise TraceNotFound(f"{shown}: no such {what}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise TraceUnreadable(f"{shown}: {reason}") from error
    try:
        found = _what_it_is(fd)
        if found:
            raise TraceUnreadable(f"{shown}: not a {what}, but {found}")
        os.set_blocking(fd, True)
        return open(fd, "rb")
    except BaseException:
        os.close(fd)
        raise


def _what_it_is(fd: int) -> str:
    """What a descriptor is that is neither a file nor a pipe without a name; "" = it is one."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return ""
    if stat.S_ISFIFO(mode):
        nameless = os.readlink(f"/proc/self/fd/{fd}").startswith("pipe:[")
        return "" if nameless else "a FIFO"
    return "a directory" if stat.S_ISDIR(mode) else "a device or socket"


def open_trace(path: str | os.PathLike[str]) -> TraceReader:
    """Opens a TRACE file. Raises TraceNotFound, TraceUnreadable. Use it in a `with`."""
    return read_from(open_file(path), os.fspath(path))


def read_from(file: BinaryIO, name: str) -> TraceReader:
    """The TRACE file at the position of an open one, which is closed with it."""
    try:
        return TraceReader(file, name)
    except BaseException:
        file.close()
        raise


def read(path: str | os.PathLike[str]) -> Trace:
    """Reads a whole TRACE file into memory: 104 bytes a record, and its captured data.

    Raises TraceNotFound, and TraceUnreadable for damage and other versions. A file that was cut
    short (its tracer was killed) gives what is whole of it, with `complete` False.
    """
    with open_trace(path) as reader:
        frames = list(reader)
    starts = [0]
    for frame in frames[:-1]:
        starts.append(starts[-1] + len(frame.events))
    events = np.concatenate([frame.events for frame in frames]) if frames else np.empty(0, EVENT)
    return Trace(reader.metadata, events, reader.end, reader.complete, frames, starts)
