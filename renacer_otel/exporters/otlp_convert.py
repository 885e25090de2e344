# SPDX-License-Identifier: MIT
"""A request in the other encoding: for spans that were spooled for one protocol and go by another.

By the official classes, some tens of µs a span; spans that go as they were spooled never come
here. OTLP/JSON is proto3 JSON with ids in hex and enums as numbers.
"""

from __future__ import annotations

import base64
from typing import Any

from renacer_otel.exporters.spool_format import JSON, PROTOBUF

_IDS = ("traceId", "spanId", "parentSpanId")


def converted(request: bytes, encoding: int, wanted: int) -> bytes:
    """`encoding` and `wanted` are PROTOBUF or JSON. Raises ValueError where it is no request."""
    if encoding == wanted:
        return request
    return _to_json(request) if wanted == JSON else _to_protobuf(request)


def encoding_of(protocol: str) -> int:
    """What a protocol's requests are encoded in."""
    return JSON if protocol == "http/json" else PROTOBUF


def _to_json(request: bytes) -> bytes:
    import json

    from google.protobuf.json_format import MessageToDict
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTraceServiceRequest,
    )

    try:
        message = ExportTraceServiceRequest.FromString(request)
    except DecodeError:
        raise ValueError("no ExportTraceServiceRequest") from None
    # The keyword has another name in later versions of protobuf; enums are numbers in both.
    document = _with_ids(MessageToDict(message, use_integers_for_enums=True), _hex)
    return json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"


def _to_protobuf(request: bytes) -> bytes:
    import json

    from google.protobuf.json_format import ParseDict, ParseError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTraceServiceRequest,
    )

    try:
        document = _with_ids(json.loads(request), _base64)
        message = ParseDict(document, ExportTraceServiceRequest(), ignore_unknown_fields=True)
    except (ParseError, ValueError, RecursionError, AttributeError, TypeError) as error:
        raise ValueError(f"no OTLP/JSON: {error}") from None
    return message.SerializeToString()


def _hex(text: str) -> str:
    return base64.b64decode(text).hex()


def _base64(text: str) -> str:
    return base64.b64encode(bytes.fromhex(text)).decode("ascii")


def _with_ids(value: Any, change: Any) -> Any:
    if isinstance(value, list):
        return [_with_ids(item, change) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: change(item) if key in _IDS and isinstance(item, str) else _with_ids(item, change)
        for key, item in value.items()
    }
