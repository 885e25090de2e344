# SPDX-License-Identifier: MIT
"""TRACE files damaged, or made to harm: told in one line, never believed, never a crash."""

from __future__ import annotations

import struct
import tempfile
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from renacer_otel.errors import TraceUnreadable
from renacer_otel.ring import trace_file
from renacer_otel.ring import trace_format as form
from tests.ring import traces
from tests.ring.traces import block, end, frame, head, packed, piece, record
from tests.scale import examples

BLOCKS = [block(1, 3), block(7, 2), block(11, 4)]
ROWS = b"".join(raw[at : at + 104] for raw in BLOCKS for at in range(0, len(raw), 128))


def whole() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return traces.write(Path(folder, "t"), BLOCKS, {"calls": 9})


WHOLE = whole()
FRAMES = [0, *(at for at in range(len(WHOLE)) if WHOLE.startswith(b"RFRM", at)), len(WHOLE)]


def read(content: bytes) -> trace_file.Trace:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        return trace_file.read(file.name)


def refused(content: bytes, match: str = r"[a-z]") -> None:
    with pytest.raises(TraceUnreadable, match=match) as caught:
        read(content)
    assert caught.value.message.isprintable()


def test_sample_is_whole() -> None:
    trace = read(WHOLE)
    assert trace.complete
    assert trace.events.tobytes() == ROWS
    assert len(FRAMES) == 1 + 5 + 1


def test_every_byte_damaged() -> None:
    """A changed byte is always noticed: no byte of the file is without a check."""
    for at in range(len(WHOLE)):
        for change in (0x01, 0x80, 0xFF):
            damaged = bytearray(WHOLE)
            damaged[at] ^= change
            refused(bytes(damaged))


@given(
    changes=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=6),
    cut=st.one_of(st.none(), st.integers(0, len(WHOLE))),
    tail=st.binary(max_size=64),
)
@settings(max_examples=examples(400))
def test_damage(changes: list[tuple[int, int]], cut: int | None, tail: bytes) -> None:
    """Refused; or what was read is the true beginning, and `complete` only where it is all."""
    damaged = bytearray(WHOLE)
    for at, value in changes:
        damaged[at] = value
    content = bytes(damaged[:cut]) + tail
    try:
        trace = read(content)
    except TraceUnreadable:
        refused(content)
        return
    assert ROWS.startswith(trace.events.tobytes())
    assert trace.metadata == traces.METADATA
    assert trace.complete == (content == WHOLE)


@given(order=st.permutations(range(2, 5)), copies=st.integers(1, 2))
@settings(max_examples=30)
def test_frames_in_another_order(order: list[int], copies: int) -> None:
    parts = [WHOLE[a:b] for a, b in pairwise(FRAMES)]
    content = b"".join(parts[:2] + [parts[i] for i in order for _ in range(copies)] + parts[5:])
    if content == WHOLE:
        assert read(content).complete
    else:
        refused(content, "order")


def test_order_of_frames() -> None:
    records = packed(record(1))
    refused(head()[: form.FILE_HEADER.size] + records + end(), "description")
    refused(head() + head()[form.FILE_HEADER.size :] + end(), "two descriptions")
    refused(head() + end() + end(), "behind its end")
    refused(head() + end() + b"\0", "behind its end")
    assert read(head() + records + end()).complete


def test_number_of_the_first_event_lies() -> None:
    refused(head() + packed(record(5), seq=4) + end(), "order")
    assert read(head() + packed(record(5), seq=5) + end()).complete


@pytest.mark.parametrize(
    "raw",
    [
        record(1)[:-1],
        record(1) + b"\0",
        record(1) + bytes(8),
        record(1)[:-8],
        struct.pack("<I", 0) + record(1)[4:],
        struct.pack("<I", 2**32 - 8) + record(1)[4:],
        record(1, kind=0),
        record(1, kind=11),
        record(1, piece(1, b"abc")[:-8] + bytes(0)),
        record(1, piece(1, b"abc")) + record(2, b"\xff" * 16),
    ],
    ids=lambda raw: f"{len(raw)} bytes",
)
def test_records_that_no_tracer_writes(raw: bytes) -> None:
    refused(head() + packed(raw) + end(), "no tracer writes")


def bomb(claimed: int, real: int) -> bytes:
    """A frame of zeros that says it is `claimed` bytes long and is `real` ones."""
    return frame(form.RECORDS, zstandard.compress(bytes(real)), claimed, form.CODEC_ZSTD)


@pytest.mark.parametrize(
    "content",
    [
        bomb(104, 32 << 20),  # says little, is much
        bomb(form.MAX_RAW, 104),  # says much, is little
        frame(form.RECORDS, b"", form.MAX_RAW, form.CODEC_ZSTD),
        frame(form.RECORDS, bytes(104), form.MAX_RAW),
        frame(form.RECORDS, record(1), 208),  # a sound record, of half the size it says
        frame(form.RECORDS, b"\x28\xb5\x2f\xfd", 104, form.CODEC_ZSTD),
        # zstd's own head claims 2^63 bytes, or does not say how many.
        frame(form.RECORDS, b"\x28\xb5\x2f\xfd\xe0" + b"\xff" * 7 + b"\x7f", 104, form.CODEC_ZSTD),
        frame(
            form.RECORDS,
            zstandard.ZstdCompressor(write_content_size=False).compress(record(1)),
            104,
            form.CODEC_ZSTD,
        ),
        # Something that nobody reads behind the compressed data.
        frame(form.RECORDS, zstandard.compress(record(1)) + b"more", 104, form.CODEC_ZSTD),
        frame(form.RECORDS, zstandard.compress(record(1)) * 2, 104, form.CODEC_ZSTD),
    ],
)
def test_bombs(content: bytes) -> None:
    tracemalloc.start()
    try:
        refused(head() + content + end(), "damaged")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 70 << 20


@pytest.mark.parametrize(("stored", "raw"), [(form.MAX_RAW + 1, 1), (1, form.MAX_RAW + 1)])
def test_frames_longer_than_any(stored: int, raw: int) -> None:
    header = form.pack_header(form.FrameHeader(form.RECORDS, 1, stored, raw, 1, 0))
    refused(head() + header + bytes(100), "no frame")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "1", "null", '"x"', "[" * 100000, "1" * 5000, "{" + '"a":' * 30000, "\xff"],
    ids=lambda text: f"{text[:5]} {len(text)}",
)
def test_descriptions_that_are_none(text: str) -> None:
    data = text.encode("latin-1")
    begin = form.FILE_HEADER.pack(form.MAGIC, form.VERSION, 0)
    refused(begin + frame(form.METADATA, data) + end(), "JSON")
    refused(head() + frame(form.END, data), "JSON")


def test_descriptions_that_are_too_long() -> None:
    """One that is short in the file and long in memory is refused before it is parsed."""
    text = b'{"a":[' + b"[]," * (1 << 20) + b"[]]}"
    begin = form.FILE_HEADER.pack(form.MAGIC, form.VERSION, 0)
    bomb_of_json = frame(form.METADATA, zstandard.compress(text), len(text), form.CODEC_ZSTD)
    assert len(bomb_of_json) < 2000
    refused(begin + bomb_of_json + end(), "too long")
    refused(begin + frame(form.METADATA, bytes(41 << 20)) + end(), "too long")
