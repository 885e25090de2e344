# SPDX-License-Identifier: MIT
"""TRACE files: written, read back, cut short, refused; columns against the bytes they stand for."""

from __future__ import annotations

import errno
import io
import os
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from renacer_otel.errors import TraceNotFound, TraceUnreadable
from renacer_otel.ring import trace_file
from tests.ring import traces
from tests.ring.traces import METADATA, block, piece, record


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "t"
    first = record(1, kind=4, nr=0) + record(2, piece(1, b"/a"), piece(3, b"12345678", 2, 4, 99))
    second = record(4, piece(2, b"", 1, 2), args=(2**63, 0, 0, 0, 0, 7), result=-(2**63))
    traces.write(path, [first, second], {"calls": 2})
    trace = trace_file.read(path)
    assert trace.metadata == METADATA
    assert trace.end == {"calls": 2}
    assert trace.complete
    events = trace.events
    assert events.dtype == trace_file.EVENT
    assert events["kind"].tolist() == [4, 3, 3]
    assert events["seq"].tolist() == [1, 2, 4]
    assert events["t1"].tolist() == [1005, 2005, 4005]
    assert events["pieces"].tolist() == [0, 2, 1]
    assert events["args"][1].tolist() == [1, 2, 3, 4, 5, 2**64 - 1]
    assert events["args"][2][0] == 2**63
    assert events["result"].tolist() == [-2, -2, -(2**63)]
    assert trace.pieces(0) == []
    assert trace.pieces(1) == [
        trace_file.Piece(1, 0, 0, 2, b"/a"),
        trace_file.Piece(3, 2, 4, 99, b"12345678"),
    ]
    assert trace.pieces(2) == [trace_file.Piece(2, 1, 2, 0, b"")]


def test_columns_are_the_records(tmp_path: Path) -> None:
    """Row by row the very bytes of each record's head, over several frames of odd sizes."""
    sizes = [1, 300, 2, 57]
    blocks, seq = [], 1
    for size in sizes:
        blocks.append(block(seq, size))
        seq += 2 * size
    path = tmp_path / "t"
    traces.write(path, blocks, {})
    trace = trace_file.read(path)
    heads, row = b"", 0
    for raw, size in zip(blocks, sizes, strict=True):
        at = 0
        for i in range(size):
            length = int.from_bytes(raw[at : at + 4], "little")
            heads += raw[at : at + 104]
            assert trace.pieces(row)[0].data == b"/p/%d" % i
            at += length
            row += 1
        assert at == len(raw)
    assert trace.events.tobytes() == heads
    assert trace.events["result"].sum() == sum(n * (n - 1) // 2 for n in sizes)


def test_rows_count_from_the_end_too(tmp_path: Path) -> None:
    path = tmp_path / "t"
    traces.write(path, [block(1, 3), block(7, 2)], {})
    trace = trace_file.read(path)
    for row in range(5):
        assert trace.pieces(row - 5) == trace.pieces(row)
    for row in (5, -6, 1 << 40):
        with pytest.raises(IndexError):
            trace.pieces(row)


def test_no_records(tmp_path: Path) -> None:
    path = tmp_path / "t"
    for blocks in ([], [b""], [b"", block(1, 1), b""]):
        traces.write(path, blocks, {})
        trace = trace_file.read(path)
        assert trace.complete
        assert len(trace.events) == sum(len(raw) > 0 for raw in blocks)
        if len(trace.events):
            assert trace.pieces(0)[0].data == b"/p/0"


def test_cut_at_every_byte(tmp_path: Path) -> None:
    """What is whole before the cut is read, exactly; complete is told of the whole file alone."""
    path = tmp_path / "t"
    blocks = [block(1, 2), block(5, 3)]
    whole = traces.write(path, blocks, {"calls": 5})
    sizes = [len(traces.write(path, blocks[:n])) for n in range(3)]
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        if cut < sizes[0]:
            with pytest.raises(TraceUnreadable) as caught:
                trace_file.read(path)
            assert "\n" not in caught.value.message
            continue
        trace = trace_file.read(path)
        assert not trace.complete
        assert trace.end is None
        expected = [0, 2, 5][(cut >= sizes[1]) + (cut >= sizes[2])]
        assert trace.events["seq"].tolist() == [1, 3, 5, 7, 9][:expected], cut
    path.write_bytes(whole)
    assert trace_file.read(path).complete


def test_what_is_no_trace_file(tmp_path: Path) -> None:
    with pytest.raises(TraceNotFound, match="no such TRACE file"):
        trace_file.read(tmp_path / "absent")
    with pytest.raises(TraceUnreadable, match="directory"):
        trace_file.read(tmp_path)
    with pytest.raises(TraceUnreadable, match="not a path"):
        trace_file.read("a\0b")
    path = tmp_path / "t"
    for content in (b"", b"\x7fELF", b"RNCRTRC", bytes(4096), os.urandom(64), b"x" * 16):
        path.write_bytes(content)
        with pytest.raises(TraceUnreadable, match="not a TRACE file"):
            trace_file.read(path)
    with pytest.raises(TraceUnreadable, match="not a TRACE file"):
        trace_file.read("/dev/null")


def test_hostile_name_is_told_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a\nb\x1b[2J"
    path.write_bytes(b"no")
    with pytest.raises(TraceUnreadable) as caught:
        trace_file.read(path)
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("at", "value"), [(7, 2), (8, 2), (11, 1)], ids=["magic", "version", "high byte"]
)
def test_newer_version(tmp_path: Path, at: int, value: int) -> None:
    path = tmp_path / "t"
    content = bytearray(traces.write(path, [block(1, 1)], {}))
    content[at] = value
    path.write_bytes(content)
    with pytest.raises(TraceUnreadable, match="newer renacer-otel"):
        trace_file.read(path)


@pytest.mark.parametrize("version", [2, 0, None, "1", [1]])
def test_records_of_another_version(tmp_path: Path, version: object) -> None:
    path = tmp_path / "t"
    path.write_bytes(traces.head({"event_version": version}) + traces.end())
    with pytest.raises(TraceUnreadable, match="another version"):
        trace_file.read(path)


def test_long_command_line(tmp_path: Path) -> None:
    """What the kernel lets a command be given (6 MiB at most) can be read back."""
    path = tmp_path / "t"
    metadata = {"event_version": 1, "command": ["x", "\udcff" * (6 << 20)]}
    traces.write(path, [], {}, metadata)
    assert trace_file.read(path).metadata == metadata


def test_from_a_pipe(tmp_path: Path) -> None:
    """`<(…)` and /dev/stdin: nothing to seek in, and reads come in pieces."""
    content = traces.write(tmp_path / "t", [block(1, 20000), block(40001, 2)], {"calls": 2})
    reading, writing = os.pipe()

    def feed() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(content)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        trace = trace_file.read(f"/dev/fd/{reading}")
    finally:
        os.close(reading)
        thread.join()
    assert trace.complete
    assert len(trace.events) == 20002


class FailingDisk(io.BytesIO):
    """Reads well until the byte number `bad` is wanted."""

    bad = 1 << 62

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0 or self.tell() + size > self.bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().read(size)


def test_failing_disk_is_told(tmp_path: Path) -> None:
    """An error while reading is one line too, not a stack of calls."""
    content = traces.write(tmp_path / "t", [block(1, 1)], {})
    for bad in (0, 20, 60, len(traces.write(tmp_path / "t", [])), len(content) - 1):
        disk = FailingDisk(content)
        disk.bad = bad
        with pytest.raises(TraceUnreadable, match=r"^name: Input/output error$"):
            list(trace_file.TraceReader(disk, "name"))


def test_frames_come_one_by_one(tmp_path: Path) -> None:
    """Reading takes memory for a frame or two, not for the file."""
    path = tmp_path / "t"
    raw = block(1, 8000)
    count = 40
    blocks = [block(1 + 16000 * n, 8000) for n in range(count)]
    traces.write(path, blocks, {})
    del blocks
    tracemalloc.start()
    try:
        with trace_file.open_trace(path) as reader:
            rows = sum(len(frame.events) for frame in reader)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rows == 8000 * count
    assert reader.complete
    # Two frames of bytes, their aligned copy, the columns and the index that gathers them.
    assert peak < 8 * len(raw) < count * len(raw) / 4


def test_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_bytes(b"no")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(TraceUnreadable):
        trace_file.read(path)
    traces.write(path, [block(1, 1)], {})
    trace_file.read(path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_docs_record_of_event_h() -> None:
    assert np.dtype(trace_file.EVENT).itemsize == len(record(1))
