# SPDX-License-Identifier: MIT
"""The bytes of a segment: what is sound is found, before and behind whatever is not."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renacer_otel.exporters import spool_format as form
from tests.scale import FULL, examples

PAYLOADS = [b"first" * 3, b"", b"\x00\xffsecond" * 5, form.RECORD_MAGIC + b"third"]


def segment_of(payloads: list[bytes]) -> bytes:
    pieces = [form.segment_head()]
    for index, payload in enumerate(payloads):
        pieces += [form.record_head(payload, index + 1, form.PROTOBUF, index), payload]
    return b"".join(pieces)


def reader(data: bytes) -> form.Read:
    return lambda offset, length: data[offset : offset + length]


def sound(data: bytes) -> list[bytes]:
    """The payloads that a reader gets."""
    found = []
    for item in form.scan(reader(data), len(data)):
        if isinstance(item, form.Record):
            payload = data[item.payload : item.end]
            if form.payload_is_sound(item, payload):
                found.append(payload)
    return found


def bad(data: bytes) -> list[form.Bad]:
    return [item for item in form.scan(reader(data), len(data)) if isinstance(item, form.Bad)]


WHOLE = segment_of(PAYLOADS)


def test_what_is_written_is_read() -> None:
    found = list(form.scan(reader(WHOLE), len(WHOLE)))
    assert [type(item) for item in found] == [form.Record] * 4
    assert sound(WHOLE) == PAYLOADS
    assert [item.spans for item in found] == [1, 2, 3, 4]


@given(st.lists(st.binary(max_size=200), max_size=8))
@settings(max_examples=examples(150))
def test_any_payloads(payloads: list[bytes]) -> None:
    data = segment_of(payloads)
    assert sound(data) == payloads
    assert not bad(data)


def test_each_byte_flipped() -> None:
    """One record at most is lost, and never one of others; none is invented."""
    for at in range(len(WHOLE)):
        for mask in (0x01, 0x80, 0xFF) if FULL else (0xFF,):
            data = bytearray(WHOLE)
            data[at] ^= mask
            found = sound(bytes(data))
            assert len(found) >= len(PAYLOADS) - 1, at
            rest = iter(PAYLOADS)
            assert all(payload in rest for payload in found), at  # in order, none twice


def test_each_cut() -> None:
    """What is whole before the cut is found, and what is cut is told."""
    ends = [form.SEGMENT_HEAD]
    for payload in PAYLOADS:
        ends.append(ends[-1] + form.RECORD_HEAD + len(payload))
    for size in range(len(WHOLE)):
        data = WHOLE[:size]
        assert sound(data) == PAYLOADS[: sum(end <= size for end in ends[1:])], size
        assert bool(bad(data)) == (size not in (0, *ends)), size
        if bad(data) and size > ends[0]:
            assert bad(data)[-1].end == size


@pytest.mark.parametrize("zeros", [1, 39, 40, 4096, 3 << 20])
def test_zeros_behind(zeros: int) -> None:
    data = WHOLE + bytes(zeros)
    assert sound(data) == PAYLOADS
    assert bad(data) == [form.Bad(len(WHOLE), len(data), form.ZEROS)]


def test_zeros_in_place_of_a_tail() -> None:
    data = WHOLE[:-20] + bytes(20)
    assert sound(data) == PAYLOADS[:3]


@given(st.binary(max_size=300), st.integers(0, len(WHOLE)))
@settings(max_examples=examples(300))
def test_rubbish_in_between(rubbish: bytes, at: int) -> None:
    data = WHOLE[:at] + rubbish + WHOLE[at:]
    found = sound(data)
    assert len(found) >= len(PAYLOADS) - 1
    assert all(payload in PAYLOADS for payload in found)


@given(st.binary(max_size=2000))
@settings(max_examples=examples(300))
def test_rubbish_alone(rubbish: bytes) -> None:
    """All of it is accounted for, in order."""
    at = 0
    for item in form.scan(reader(rubbish), len(rubbish)):
        start = item.offset
        assert start == at
        at = item.end
    assert at == len(rubbish)


def test_magic_again_and_again() -> None:
    """A file of nothing but beginnings is no trap."""
    data = form.RECORD_MAGIC * 20_000
    assert not sound(data)
    assert sum(item.end - item.offset for item in bad(data)) == len(data)


def test_a_settled_record_says_so() -> None:
    data = bytearray(WHOLE)
    at = form.SEGMENT_HEAD + form.STATE_AT
    data[at : at + 4] = form.DONE
    records = list(form.scan(reader(bytes(data)), len(data)))
    assert [isinstance(item, form.Record) and item.done for item in records] == [
        True,
        False,
        False,
        False,
    ]


def newer_record(payload: bytes) -> bytes:
    checked = struct.pack("<BBHIIIQ", 2, 1, 0, len(payload), 7, zlib.crc32(payload), 0)
    return struct.pack("<8s4sI", form.RECORD_MAGIC, bytes(4), zlib.crc32(checked)) + checked


def test_a_record_of_a_newer_version_is_passed_over() -> None:
    newer = newer_record(b"x" * 50) + b"x" * 50
    data = segment_of(PAYLOADS[:1]) + newer + segment_of(PAYLOADS[1:])[form.SEGMENT_HEAD :]
    assert sound(data) == PAYLOADS
    (found,) = bad(data)
    assert (found.reason, found.spans, found.end - found.offset) == (form.NEWER, 7, len(newer))


def test_a_segment_of_a_newer_version_is_known() -> None:
    front = struct.pack("<8sI", form.SEGMENT_MAGIC, 2)
    head = front + struct.pack("<I", zlib.crc32(front))
    assert form.is_newer(reader(head))
    assert not form.is_newer(reader(form.segment_head()))
    assert not form.is_newer(reader(head[:-1]))
    assert not form.is_newer(reader(head[:-1] + b"\0"))


def test_another_byte_order_is_damage() -> None:
    payload = b"payload"
    checked = struct.pack(">BBHIIIQ", 1, 1, 0, len(payload), 1, zlib.crc32(payload), 0)
    head = struct.pack(">8s4sI", form.RECORD_MAGIC, bytes(4), zlib.crc32(checked)) + checked
    data = form.segment_head() + head + payload + segment_of(PAYLOADS)[form.SEGMENT_HEAD :]
    assert sound(data) == PAYLOADS
    assert len(bad(data)) == 1


def test_a_length_beyond_all_bounds_is_damage() -> None:
    checked = struct.pack("<BBHIIIQ", 1, 1, 0, (1 << 32) - 1, 1, 0, 0)
    head = struct.pack("<8s4sI", form.RECORD_MAGIC, bytes(4), zlib.crc32(checked)) + checked
    data = form.segment_head() + head + segment_of(PAYLOADS)[form.SEGMENT_HEAD :]
    assert sound(data) == PAYLOADS
