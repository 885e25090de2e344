# SPDX-License-Identifier: MIT
"""Protobuf messages, walked and not parsed: where their fields are.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Field(NamedTuple):
    """A field: from its tag on it is data[begin:end], its content data[start:end]."""

    tag: int  # number << 3 | wire type
    begin: int
    start: int
    end: int

    def holds(self, number: int) -> bool:
        """Whether it is the length-delimited field of that number."""
        return self.tag == number << 3 | _BYTES


def each_field(data: bytes, at: int, end: int) -> Iterator[Field]:
    """The fields of the message data[at:end]. Raises ValueError where it is none."""
    while at < end:
        begin = at
        tag, at = read_varint(data, at, end)
        wire, start = tag & 7, at
        if wire == _BYTES:
            size, start = read_varint(data, at, end)
            at = start + size
        elif wire == _VARINT:
            _, at = read_varint(data, at, end)
        elif wire in (_FIXED64, _FIXED32):
            at += 8 if wire == _FIXED64 else 4
        else:
            raise ValueError("bad wire type")
        if at > end:
            raise ValueError("a field goes beyond its message")
        yield Field(tag, begin, start, at)


def bodies(data: bytes, at: int, end: int, number: int) -> Iterator[tuple[int, int]]:
    """(start, end) of each length-delimited field `number` of the message data[at:end].

    Raises ValueError where it is none.
    """
    for field in each_field(data, at, end):
        if field.holds(number):
            yield field.start, field.end


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A number, and where what is behind it begins. Raises ValueError."""
    value = shift = 0
    while at < end and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("bad varint")
