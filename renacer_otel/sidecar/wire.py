# SPDX-License-Identifier: MIT
"""Frames of the sidecar's protocol (proto/sidecar.proto), as the tracer writes and reads them.

The tracer does not import protobuf: that would cost its start more than all else that it does for
the sidecar. The few messages that it needs are written and read here; the sidecar has the official
classes, and tests hold the two against each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1
HEAD = 4  # bytes of a frame's length
MAX_FRAME = 262_144  # bytes behind it

# Fields of Frame.
HELLO, REGISTER, ACCEPTED, REFUSED, END, ENDED, GOODBYE = range(1, 8)

# A number, text, bytes, or several of a kind. Zero, "", b"" and False are not written.
Value = int | str | bytes | list[int] | list[bytes]
Fields = dict[int, list["int | bytes"]]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_U64 = (1 << 64) - 1


class WireError(Exception):
    """A frame that is none; the reason."""


def _varint(value: int) -> bytes:
    out = bytearray()
    value &= _U64  # as int64 has negative ones
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | _BYTES) + _varint(len(data)) + data


def message(fields: Mapping[int, Value]) -> bytes:
    """A message with these fields, by number."""
    parts: list[bytes] = []
    for number, value in fields.items():
        if isinstance(value, list):
            parts += [_field(number, one) for one in value]
        elif value:
            parts.append(_field(number, value))
    return b"".join(parts)


def frame(kind: int, fields: Mapping[int, Value]) -> bytes:
    """A Frame whose field `kind` is a message of these fields, with its length in front.

    Raises WireError where that is too long.
    """
    body = _field(kind, message(fields))
    if len(body) > MAX_FRAME:
        raise WireError(f"a frame of {len(body)} bytes is over {MAX_FRAME}")
    return len(body).to_bytes(HEAD, "big") + body


def length_of(head: bytes | bytearray) -> int:
    """The length that a frame's first bytes say. Raises WireError for one that no frame has."""
    length = int.from_bytes(head[:HEAD], "big")
    if not 1 <= length <= MAX_FRAME:
        raise WireError(f"a frame of {length} bytes; there are 1 to {MAX_FRAME}")
    return length


def _take_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _U64, at
    raise WireError("a number without an end")


def read(data: bytes) -> Fields:
    """The fields of a message: numbers and bytes. Raises WireError."""
    found: Fields = {}
    at = 0
    while at < len(data):
        tag, at = _take_varint(data, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _take_varint(data, at)
            found.setdefault(tag >> 3, []).append(value)
            continue
        if kind == _BYTES:
            size, at = _take_varint(data, at)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise WireError("a field of an unknown kind")
        if at + size > len(data):
            raise WireError("a message that is cut short")
        found.setdefault(tag >> 3, []).append(data[at : at + size])
        at += size
    return found


def opened(body: bytes) -> tuple[int, Fields]:
    """Which message a Frame holds, and its fields. Raises WireError."""
    outer = read(body)
    if len(outer) != 1:
        raise WireError(f"a frame with {len(outer)} messages")
    kind, values = outer.popitem()
    last = values[-1]
    if not isinstance(last, bytes):
        raise WireError("a frame without a message")
    return kind, read(last)


def number(fields: Fields, key: int) -> int:
    """A number of a message; 0 = not there."""
    value = fields.get(key, [0])[-1]
    return value if isinstance(value, int) else 0


def text(fields: Fields, key: int) -> str:
    """A text of a message; "" = not there."""
    value = fields.get(key, [b""])[-1]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
