# SPDX-License-Identifier: MIT
"""Halves of requests: all spans, once, in order, with what they came in."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from renacer_otel.exporters import otlp_split
from renacer_otel.exporters.otlp_convert import converted
from renacer_otel.exporters.spool_format import JSON, PROTOBUF
from tests.scale import examples


def request_of(shape: list[list[list[int]]]) -> ExportTraceServiceRequest:
    """Resources of scopes of spans; each number is the length of a span's name."""
    number = 0
    resources = []
    for resource in shape:
        scopes = []
        for index, names in enumerate(resource):
            spans = []
            for length in names:
                number += 1
                spans.append(
                    Span(
                        name="n" * length,
                        trace_id=b"t" * 16,
                        span_id=number.to_bytes(8, "big"),
                        start_time_unix_nano=1 << 62,
                        kind=Span.SPAN_KIND_INTERNAL,
                    )
                )
            scope = InstrumentationScope(name=f"scope{index}")
            scopes.append(ScopeSpans(scope=scope, spans=spans, schema_url="u"))
        resources.append(ResourceSpans(scope_spans=scopes, schema_url="v"))
    return ExportTraceServiceRequest(resource_spans=resources)


def ids(request: bytes) -> list[int]:
    message = ExportTraceServiceRequest.FromString(request)
    return [
        int.from_bytes(span.span_id, "big")
        for resource in message.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


SHAPES = st.lists(
    st.lists(st.lists(st.integers(0, 300), max_size=5), max_size=3), min_size=1, max_size=3
)


@given(SHAPES, st.sampled_from([PROTOBUF, JSON]))
@settings(max_examples=examples(150))
def test_halves_are_the_whole(shape: list[list[list[int]]], encoding: int) -> None:
    message = request_of(shape)
    whole = message.SerializeToString()
    request = converted(whole, PROTOBUF, encoding)
    found = otlp_split.halves(request)
    if len(ids(whole)) < 2:
        assert found is None
        return
    assert found is not None
    parts = [converted(half.request, encoding, PROTOBUF) for half in found]
    assert [len(ids(part)) for part in parts] == [half.spans for half in found]
    assert all(half.spans for half in found)
    assert ids(parts[0]) + ids(parts[1]) == ids(whole)
    for part in parts:
        for resource in ExportTraceServiceRequest.FromString(part).resource_spans:
            assert resource.schema_url == "v"
            assert all(scope.schema_url == "u" and scope.spans for scope in resource.scope_spans)


def test_halves_are_cut_by_size() -> None:
    found = otlp_split.halves(request_of([[[10] * 10 + [1000]]]).SerializeToString())
    assert found is not None
    assert [half.spans for half in found] == [10, 1]


@given(st.binary(max_size=200))
@settings(max_examples=examples(300))
def test_rubbish_has_no_halves_that_are_not_sound(rubbish: bytes) -> None:
    found = otlp_split.halves(rubbish)
    if found is not None:
        assert all(half.spans for half in found)


@pytest.mark.parametrize("text", [b"{", b"{}", b'{"resourceSpans":3}', b"{" * 100_000])
def test_rubbish_in_json(text: bytes) -> None:
    assert otlp_split.halves(text) is None


@given(SHAPES)
@settings(max_examples=examples(60))
def test_conversion_there_and_back(shape: list[list[list[int]]]) -> None:
    whole = request_of(shape).SerializeToString()
    as_json = converted(whole, PROTOBUF, JSON)
    assert converted(as_json, JSON, PROTOBUF) == whole
    assert all(
        len(span["spanId"]) == 16 and span["kind"] == 1 and isinstance(span["kind"], int)
        for resource in json.loads(as_json).get("resourceSpans", [])
        for scope in resource.get("scopeSpans", [])
        for span in scope.get("spans", [])
    )


@pytest.mark.parametrize("data", [b"\xff" * 10, b"{", b'{"resourceSpans":1}'])
def test_what_cannot_be_converted(data: bytes) -> None:
    encoding, wanted = (JSON, PROTOBUF) if data[:1] == b"{" else (PROTOBUF, JSON)
    with pytest.raises(ValueError, match="no "):
        converted(data, encoding, wanted)


TOO_LARGE = [
    ("RESOURCE_EXHAUSTED", "grpc: received message larger than max (5000000 vs. 4194304)"),
    ("RESOURCE_EXHAUSTED", "CLIENT: Sent message larger than max (5000000 vs. 4194304)"),
    ("RESOURCE_EXHAUSTED", "gRPC message exceeds maximum size 4194304: 5000000"),
    ("RESOURCE_EXHAUSTED", "Received message exceeds the maximum configured message size."),
    ("OUT_OF_RANGE", "Error, decoded message length too large: found 5 bytes, the limit is: 4"),
    ("HTTP 413", "HTTP 413: the collector takes no request of this size"),
    ("HTTP 400", "HTTP 400: http: request body too large"),
]
NOT_TOO_LARGE = [
    ("RESOURCE_EXHAUSTED", "quota exceeded: the rate limit is 100 a second"),
    ("RESOURCE_EXHAUSTED", "too many requests"),
    ("OUT_OF_RANGE", "try later"),
    ("INVALID_ARGUMENT", "message too large"),
    ("HTTP 400", "HTTP 400: bad span"),
]


def test_which_failures_are_of_size() -> None:
    assert all(otlp_split.is_too_large(*each) for each in TOO_LARGE)
    assert not any(otlp_split.is_too_large(*each) for each in NOT_TOO_LARGE)
