# SPDX-License-Identifier: MIT
"""The back ends themselves, with hand-made spans: what is sent is what is read back.

Without these, a difference that a test of renacer-otel finds could be the back end's own.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.live.jaeger_api import JAEGER_TAGS, ReadLink, ReadSpan, read_page, read_trace, services
from tests.live.otlp_client import send_grpc, send_http

if TYPE_CHECKING:
    from tests.live.backend import Collector, Jaeger

pytestmark = pytest.mark.live

SCHEMA = "https://opentelemetry.io/schemas/1.37.0"


def _attribute(key: str, value: Any) -> KeyValue:
    if isinstance(value, bool):
        return KeyValue(key=key, value=AnyValue(bool_value=value))
    if isinstance(value, int):
        return KeyValue(key=key, value=AnyValue(int_value=value))
    if isinstance(value, float):
        return KeyValue(key=key, value=AnyValue(double_value=value))
    if isinstance(value, list):
        values = [_attribute("", item).value for item in value]
        return KeyValue(key=key, value=AnyValue(array_value=ArrayValue(values=values)))
    return KeyValue(key=key, value=AnyValue(string_value=value))


ROOT_ATTRIBUTES = {"renacer.run.id": "r1", "ok": True, "share": 0.25, "argv": ["git", "status"]}
CHILD_ATTRIBUTES = {
    "syscall.name": "openat",
    "syscall.result": -(2**63),
    "syscall.args.flags": 2**63 - 1,
    "file.path": "/tmp/\u00e4 \\x1b<script>",
    "error.type": "EACCES",
}


def _request(service: str, spans: list[Span]) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.append(_attribute("service.name", service))
    scope_spans = resource_spans.scope_spans.add(schema_url=SCHEMA)
    scope_spans.scope.name = "renacer_otel"
    scope_spans.scope.version = "0"
    scope_spans.spans.extend(spans)
    return request


def _pair(trace_id: bytes) -> list[Span]:
    """A root and a child that use every field that renacer-otel writes."""
    now = time.time_ns()
    root = Span(
        trace_id=trace_id,
        span_id=bytes.fromhex("00000000000000a1"),
        name="renacer-otel run",
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=now,
        end_time_unix_nano=now + 1_000_001,
        flags=0x103,
        trace_state="renacer=000000000000002a",
        attributes=[_attribute(key, value) for key, value in ROOT_ATTRIBUTES.items()],
    )
    child = Span(
        trace_id=trace_id,
        span_id=bytes.fromhex("fedcba9876543210"),
        parent_span_id=root.span_id,
        name="openat",
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=now + 7,
        end_time_unix_nano=now + 8,
        flags=0x101,
        status=Status(code=Status.STATUS_CODE_ERROR, message="EACCES"),
        attributes=[_attribute(key, value) for key, value in CHILD_ATTRIBUTES.items()],
    )
    link = child.links.add(trace_id=trace_id, span_id=root.span_id, flags=0x101)
    link.attributes.append(_attribute("renacer.edge", "fork"))
    return [root, child]


def _check_accepted(answer: ExportTraceServiceResponse) -> None:
    """Go's receivers set partial_success in every answer; only its content tells."""
    assert answer.partial_success.rejected_spans == 0
    assert answer.partial_success.error_message == ""


def _check_pair(spans: list[ReadSpan], sent: list[Span], service: str) -> None:
    assert len(spans) == 2
    by_id = {span.span_id: span for span in spans}
    root = by_id["00000000000000a1"]
    child = by_id["fedcba9876543210"]
    for span, message in ((root, sent[0]), (child, sent[1])):
        assert span.trace_id == message.trace_id.hex()
        assert span.parent_id == message.parent_span_id.hex()
        assert span.name == message.name
        assert span.kind == Span.SPAN_KIND_INTERNAL
        assert span.start == message.start_time_unix_nano
        assert span.end == message.end_time_unix_nano
        assert span.flags == message.flags
        assert span.trace_state == message.trace_state
        assert span.status == message.status.code
        assert span.status_message == message.status.message
        assert span.events == 0
        assert span.scope == ("renacer_otel", "0")
        assert span.resource == {"service.name": service}
    assert root.attributes == ROOT_ATTRIBUTES
    assert child.attributes == CHILD_ATTRIBUTES
    assert root.links == ()
    assert child.links == (ReadLink(root.trace_id, root.span_id, {"renacer.edge": "fork"}, 0x101),)


def test_jaeger_keeps_every_field(jaeger: Jaeger) -> None:
    trace_id = secrets.token_bytes(16)
    sent = _pair(trace_id)
    (answer,) = send_grpc(jaeger.otlp_port, [_request("direct", sent)])
    _check_accepted(answer)
    _check_pair(read_trace(jaeger.query_port, trace_id.hex()), sent, "direct")
    assert "direct" in services(jaeger.query_port)


def test_what_the_page_adds_is_known(jaeger: Jaeger) -> None:
    trace_id = secrets.token_bytes(16)
    send_grpc(jaeger.otlp_port, [_request("page", _pair(trace_id))])
    page = read_page(jaeger.query_port, trace_id.hex())
    assert not page["warnings"]
    added = set()
    for span, attributes in zip(
        sorted(page["spans"], key=lambda span: str(span["spanID"])),
        (ROOT_ATTRIBUTES, CHILD_ATTRIBUTES),
        strict=True,
    ):
        assert not span["warnings"]
        tags = {tag["key"] for tag in span["tags"]}
        assert attributes.keys() <= tags
        added |= tags - attributes.keys()
    assert added == JAEGER_TAGS


def test_the_collector_passes_every_field_on(jaeger: Jaeger, collector: Collector) -> None:
    by_grpc, by_http = secrets.token_bytes(16), secrets.token_bytes(16)
    grpc_pair, http_pair = _pair(by_grpc), _pair(by_http)
    (answer,) = send_grpc(collector.otlp_port, [_request("by grpc", grpc_pair)])
    _check_accepted(answer)
    send_http(collector.otlp_http_port, _request("by http", http_pair))
    collector.stop()
    _check_pair(read_trace(jaeger.query_port, by_grpc.hex()), grpc_pair, "by grpc")
    _check_pair(read_trace(jaeger.query_port, by_http.hex()), http_pair, "by http")


def test_the_collector_splits_and_joins_batches_without_loss(
    jaeger: Jaeger, collector: Collector
) -> None:
    """Small batches, some of 3.5 MiB, the greatest that renacer-otel sends, and one of 7 MiB.

    Jaeger takes 4 MiB a message, so the collector must split what is or becomes greater.
    """
    trace_id = secrets.token_bytes(16)
    now = time.time_ns()
    filler = _attribute("filler", "x" * 400)
    spans = [
        Span(
            trace_id=trace_id,
            span_id=number.to_bytes(8, "big"),
            name="write",
            kind=Span.SPAN_KIND_INTERNAL,
            start_time_unix_nano=now + number,
            end_time_unix_nano=now + number + 1,
            attributes=[filler],
        )
        for number in range(1, 29_001)
    ]
    requests = []
    rest = spans
    for size in (7_500, 10, 4_000, 1, 16_000, 1_000, 489):
        requests.append(_request("batches", rest[:size]))
        rest = rest[size:]
    assert not rest
    assert 3.2 * 2**20 < requests[0].ByteSize() < 3.5 * 2**20
    assert 7.0 * 2**20 < requests[4].ByteSize() < 8.0 * 2**20
    send_grpc(collector.otlp_port, requests)
    collector.stop()
    read = read_trace(jaeger.query_port, trace_id.hex())
    assert sorted(span.span_id for span in read) == [span.span_id.hex() for span in spans]
