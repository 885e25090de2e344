# SPDX-License-Identifier: MIT
"""What spans must say, written down a second time: slowly, plainly, and in Python."""

from __future__ import annotations

import base64
import json
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

    from tests.encode.core import Core

Value: TypeAlias = "bool | int | float | str | list[str]"

INT64_MAX = (1 << 63) - 1
MORE = "…"


def tokens(data: bytes) -> Iterable[tuple[int, str]]:
    """Each well-formed code point or stray byte: bytes it takes, text it becomes."""
    for char in data.decode("utf-8", errors="surrogateescape"):
        if "\udc80" <= char <= "\udcff":
            yield 1, f"\\x{ord(char) - 0xDC00:02x}"
        elif unicodedata.category(char) == "Cc":
            for byte in char.encode():
                yield 1, f"\\x{byte:02x}"
        elif char == "\\":
            yield 1, "\\\\"
        else:
            yield len(char.encode()), char


def escape(data: bytes) -> str:
    """The whole of ``data`` as rn_utf8_escape() must write it."""
    return "".join(text for _, text in tokens(data))


def unescape(text: str) -> bytes:
    """The way back."""
    out = bytearray()
    rest = iter(text)
    for char in rest:
        if char != "\\":
            out += char.encode()
            continue
        kind = next(rest)
        if kind == "\\":
            out += b"\\"
        else:
            assert kind == "x"
            out.append(int(next(rest) + next(rest), 16))
    return bytes(out)


def signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def count(value: int) -> int:
    return min(value, INT64_MAX)


def creation_time(unix_ns: int) -> str:
    seconds, ns = divmod(unix_ns, 10**9)
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"


def value_of(any_value: AnyValue) -> Value:
    kind = any_value.WhichOneof("value")
    assert kind is not None
    value: Any = getattr(any_value, kind)
    if kind == "array_value":
        return [str(value_of(item)) for item in value.values]
    assert isinstance(value, {"int_value": int, "string_value": str}.get(kind, (bool, float)))
    return cast("Value", value)


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Value]:
    """As a dictionary; a key that stands there twice is an error."""
    result: dict[str, Value] = {}
    for pair in pairs:
        assert pair.key not in result, f"{pair.key} twice"
        result[pair.key] = value_of(pair.value)
    return result


def typed(values: Mapping[str, Value]) -> dict[str, tuple[type, Value]]:
    """So that True and 1 differ."""
    return {key: (type(value), value) for key, value in values.items()}


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), keys
    return dict(pairs)


def _check_json_rules(node: Any, key: str = "") -> Any:
    """Holds OTLP/JSON's own rules and turns hex ids into proto3 JSON's base64."""
    if isinstance(node, dict):
        assert all(name.isalnum() and name[0].islower() for name in node)
        return {name: _check_json_rules(child, name) for name, child in node.items()}
    if isinstance(node, list):
        return [_check_json_rules(child, key) for child in node]
    if key in ("traceId", "spanId", "parentSpanId"):
        assert len(node) == (32 if key == "traceId" else 16)
        assert node == node.lower()
        return base64.b64encode(bytes.fromhex(node)).decode()
    if key in ("intValue", "startTimeUnixNano", "endTimeUnixNano", "timeUnixNano"):
        assert isinstance(node, str), f"64-bit {key} must be a decimal string"
    if key in ("kind", "code", "flags"):
        assert isinstance(node, int)
    return node


def parse_json(text: bytes) -> Span:
    """An OTLP/JSON span as the official message."""
    assert not any(byte < 0x20 or byte == 0x7F for byte in text), "control bytes in JSON"
    node = json.loads(text.decode("utf-8"), object_pairs_hook=_no_twins)
    return json_format.ParseDict(_check_json_rules(node), Span())


def encode(core: Core, kind: str, trace: Any, thing: Any) -> Span:
    """Encodes in both forms and holds that they are well formed and say the same."""
    wire = core.encode(f"otlp_{kind}", trace, thing)
    scope = ScopeSpans.FromString(wire)
    assert len(scope.spans) == 1
    assert not scope.HasField("scope")
    assert scope.SerializeToString(deterministic=True) == wire, "not the canonical bytes"
    span = scope.spans[0]
    assert parse_json(core.encode(f"json_{kind}", trace, thing)) == span
    assert span.kind == Span.SPAN_KIND_INTERNAL
    assert span.flags & 0x100
    assert not span.flags & ~0x3FF
    assert span.end_time_unix_nano >= span.start_time_unix_nano
    assert trace.limits or span.dropped_attributes_count == 0
    return span
