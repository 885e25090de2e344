# SPDX-License-Identifier: MIT
"""What stands around a block of encoded spans to make it an OTLP request.

The core hands out blocks: in protobuf a run of `spans` entries (field 2 of ScopeSpans, tags
included), in JSON a run of comma-separated span objects. Resource and scope are the same for
the whole run, so they are serialised once, and a request is three
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
from typing import TYPE_CHECKING

from renacer_otel._version import __version__
from renacer_otel.exporters.attributes import field, json_key_values, key_values, varint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage

    from renacer_otel.spans.resource import AttributeValue

SCOPE_NAME = "renacer_otel"

# The conventions that the spans' attributes follow where conventions exist.
SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"


def resource_message(attributes: Mapping[str, AttributeValue]) -> ResourceMessage:
    """Resource attributes as the official message."""
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage

    return ResourceMessage.FromString(key_values(attributes))


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
        scope = field(1, SCOPE_NAME.encode()) + field(2, scope_version.encode())
        self._resource = field(1, key_values(attributes))
        self._scope = field(1, scope)
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
        resource = {"attributes": json_key_values(attributes)} if attributes else {}
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
