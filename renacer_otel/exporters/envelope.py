# SPDX-License-Identifier: MIT
"""What stands around a block of encoded spans to make it an OTLP request.

The core hands out blocks: in protobuf a run of `spans` entries (field 2 of ScopeSpans, tags
included), in JSON a run of comma-separated span objects. Resource and scope are the same for
the whole run, so they are serialised once by the official classes, and a request is three
joined pieces: a block is never parsed or copied twice.

    ExportTraceServiceRequest  1: ResourceSpans  1: Resource
                                                 2: ScopeSpans  1: InstrumentationScope
                                                                2: <block>
                                                                3: schema_url
                                                 3: schema_url

Field numbers: opentelemetry-proto, trace/v1/trace.proto and
collector/trace/v1/trace_service.proto.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from renacer_otel._version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage

    from renacer_otel.spans.resource import AttributeValue

SCOPE_NAME = "renacer_otel"

# The conventions that the spans' attributes follow where conventions exist.
SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"


def varint(value: int) -> bytes:
    """Base-128 varint of a non-negative integer (protobuf encoding)."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, payload: bytes) -> bytes:
    """A length-delimited field; nothing at all where the payload is empty."""
    if not payload:
        return b""
    return bytes((number << 3 | 2,)) + varint(len(payload)) + payload


def _any_value(value: object) -> AnyValue:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue

    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, str):
        # A protobuf string is UTF-8; undecodable bytes of the environment come as surrogates.
        return AnyValue(string_value=value.encode("utf-8", "backslashreplace").decode("utf-8"))
    if isinstance(value, int):
        if -(1 << 63) <= value < 1 << 63:
            return AnyValue(int_value=value)
        return AnyValue(string_value=str(value))
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, Sequence):
        return AnyValue(array_value=ArrayValue(values=[_any_value(item) for item in value]))
    raise TypeError(f"{type(value).__name__} is not an attribute value")


def key_values(attributes: Mapping[str, AttributeValue]) -> list[KeyValue]:
    """Attributes as the official KeyValue messages, ordered by key."""
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

    return [KeyValue(key=key, value=_any_value(attributes[key])) for key in sorted(attributes)]


def resource_message(attributes: Mapping[str, AttributeValue]) -> ResourceMessage:
    """Resource attributes as the official message."""
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage

    return ResourceMessage(attributes=key_values(attributes))


class OtlpEnvelope:
    """Wraps protobuf blocks into ExportTraceServiceRequest bytes.

    `attributes` are those of the resource (`Resource.attributes` of the SDK). Stateless after
    construction, hence usable from any thread.
    """

    def __init__(
        self,
        attributes: Mapping[str, AttributeValue],
        resource_schema_url: str = SCHEMA_URL,
        scope_version: str = __version__,
    ) -> None:
        from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope

        scope = InstrumentationScope(name=SCOPE_NAME, version=scope_version)
        resource = resource_message(attributes)
        self._resource = field(1, resource.SerializeToString(deterministic=True))
        self._scope = field(1, scope.SerializeToString(deterministic=True))
        self._scope_end = field(3, SCHEMA_URL.encode())
        self._resource_end = field(3, resource_schema_url.encode())
        self._tail = self._scope_end + self._resource_end

    def wrap(self, block: bytes | memoryview) -> bytes:
        """Returns the request that carries `block`; the block is copied once, here."""
        size = block.nbytes if isinstance(block, memoryview) else len(block)
        inner = len(self._scope) + size + len(self._scope_end)
        inner_head = b"\x12" + varint(inner)
        outer = len(self._resource) + len(inner_head) + inner + len(self._resource_end)
        return b"".join(
            (b"\x0a", varint(outer), self._resource, inner_head, self._scope, block, self._tail)
        )


class JsonEnvelope:
    """Wraps JSON blocks into OTLP/JSON lines, the collector's file form."""

    def __init__(
        self,
        attributes: Mapping[str, AttributeValue],
        resource_schema_url: str = SCHEMA_URL,
        scope_version: str = __version__,
    ) -> None:
        from google.protobuf.json_format import MessageToDict

        # proto3 JSON as OTLP wants it: camelCase keys, 64-bit integers as strings. Neither
        # message holds an enum or a trace id, which are where OTLP/JSON differs.
        resource = MessageToDict(resource_message(attributes))
        scope = {"name": SCOPE_NAME, "version": scope_version}
        head = (
            f'{{"resourceSpans":[{{"resource":{_compact(resource)},'
            f'"scopeSpans":[{{"scope":{_compact(scope)},"spans":['
        )
        tail = f'],"schemaUrl":{_compact(SCHEMA_URL)}}}]'
        if resource_schema_url:
            tail += f',"schemaUrl":{_compact(resource_schema_url)}'
        self._head = head.encode("utf-8")
        self._tail = (tail + "}]}\n").encode("utf-8")

    def wrap(self, block: bytes | memoryview) -> bytes:
        """Returns one line, newline included, that carries `block`."""
        return b"".join((self._head, block, self._tail))


def _compact(value: object) -> str:
    # ASCII only: readers that split lines at U+2028 still see one line.
    return json.dumps(value, separators=(",", ":"))
