# SPDX-License-Identifier: MIT
"""Attributes as OTLP has them, in protobuf and in JSON, without the classes of either.

The official ones give the same bytes (tests/exporters/test_envelope.py), and importing them is
half of what the start of a short run costs
(docs/decisions/0158-a-short-run-imports-no-protobuf.md).

    KeyValue    1: key  2: AnyValue
    AnyValue    1: string  2: bool  3: int  4: double  5: ArrayValue
    ArrayValue  1: AnyValue, repeated

Field numbers: opentelemetry-proto, common/v1/common.proto. JSON: the proto3 mapping, with 64-bit
integers as strings.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from renacer_otel.spans.resource import AttributeValue

_MIN, _END = -(1 << 63), 1 << 63
_U64 = (1 << 64) - 1


def varint(value: int) -> bytes:
    """Base-128 varint of a non-negative integer (protobuf encoding)."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def whole_field(number: int, payload: bytes) -> bytes:
    """A length-delimited field, also of an empty payload."""
    return bytes((number << 3 | 2,)) + varint(len(payload)) + payload


def field(number: int, payload: bytes) -> bytes:
    """A length-delimited field; nothing at all where the payload is empty."""
    return whole_field(number, payload) if payload else b""


def _settled(value: object) -> str | bool | int | float | Sequence[Any]:
    """The value as it can be said. Raises TypeError for what is none of an attribute."""
    if isinstance(value, str):
        # A protobuf string is UTF-8; undecodable bytes of the environment come as surrogates.
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, int) and not _MIN <= value < _END:
        return str(value)
    if isinstance(value, (bool, int, float, Sequence)):
        return value
    raise TypeError(f"{type(value).__name__} is not an attribute value")


def _any_value(value: object) -> bytes:
    value = _settled(value)
    if isinstance(value, bool):
        return b"\x10" + bytes((value,))
    if isinstance(value, str):
        return whole_field(1, value.encode("utf-8"))
    if isinstance(value, int):
        return b"\x18" + varint(value & _U64)
    if isinstance(value, float):
        return b"\x21" + struct.pack("<d", value)
    return whole_field(5, b"".join(whole_field(1, _any_value(item)) for item in value))


def key_values(attributes: Mapping[str, AttributeValue]) -> bytes:
    """Repeated KeyValue as field 1 of what holds them (Resource), ordered by key.

    Raises TypeError for a value that is none of an attribute.
    """
    return b"".join(
        whole_field(1, field(1, key.encode("utf-8")) + whole_field(2, _any_value(attributes[key])))
        for key in sorted(attributes)
    )


def _json_value(value: object) -> dict[str, Any]:
    value = _settled(value)
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        if math.isfinite(value):
            return {"doubleValue": value}
        return {"doubleValue": "NaN" if math.isnan(value) else f"{'-' * (value < 0)}Infinity"}
    return {"arrayValue": {"values": [_json_value(item) for item in value]} if value else {}}


def json_key_values(attributes: Mapping[str, AttributeValue]) -> list[dict[str, Any]]:
    """The same for json.dumps()."""
    return [
        {**({"key": key} if key else {}), "value": _json_value(attributes[key])}
        for key in sorted(attributes)
    ]
