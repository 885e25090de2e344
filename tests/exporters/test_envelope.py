# SPDX-License-Identifier: MIT
"""What is wrapped around a block is what the official classes would have written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from renacer_otel._version import __version__
from renacer_otel.exporters.attributes import json_key_values, key_values, varint
from renacer_otel.exporters.envelope import (
    SCHEMA_URL,
    JsonEnvelope,
    OtlpEnvelope,
    resource_message,
)

if TYPE_CHECKING:
    from renacer_otel.spans.resource import AttributeValue

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
attribute_values: st.SearchStrategy[AttributeValue] = st.one_of(
    text,
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(allow_nan=False),
    st.lists(text, max_size=3),
    st.lists(st.integers(-9, 9), max_size=3),
)
attribute_maps = st.dictionaries(text, attribute_values, max_size=5)


def block_of(names: list[str]) -> bytes:
    """What the core hands out: `spans` entries only."""
    spans = [Span(name=name, trace_id=b"t" * 16, span_id=b"s" * 8) for name in names]
    return ScopeSpans(spans=spans).SerializeToString()


def official(attributes: dict[str, AttributeValue]) -> Resource:
    """As the classes' own constructors make it."""

    def value(of: object) -> AnyValue:
        if isinstance(of, list):
            return AnyValue(array_value=ArrayValue(values=[value(item) for item in of]))
        kinds = {str: "string", bool: "bool", int: "int", float: "double"}
        return AnyValue(**{f"{kinds[type(of)]}_value": of})  # type: ignore[arg-type]

    return Resource(
        attributes=[KeyValue(key=key, value=value(attributes[key])) for key in sorted(attributes)]
    )


@given(attribute_maps)
def test_attributes_are_those_of_the_official_classes(
    attributes: dict[str, AttributeValue],
) -> None:
    expected = official(attributes)
    assert key_values(attributes) == expected.SerializeToString(deterministic=True)
    assert {"attributes": json_key_values(attributes)} == {
        "attributes": [],
        **MessageToDict(expected),
    }


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_what_is_no_number_in_json(value: float) -> None:
    made = {"attributes": json_key_values({"k": value})}
    assert made == MessageToDict(official({"k": value}))


@given(attribute_maps, st.lists(text, max_size=5), st.sampled_from(["", SCHEMA_URL, "x" * 200]))
def test_a_request_decodes_to_resource_scope_and_the_blocks_spans(
    attributes: dict[str, AttributeValue], names: list[str], schema_url: str
) -> None:
    wrapped = OtlpEnvelope(attributes, schema_url).wrap(block_of(names))
    request = ExportTraceServiceRequest.FromString(wrapped)
    (resource_spans,) = request.resource_spans
    (scope_spans,) = resource_spans.scope_spans
    assert resource_spans.resource == resource_message(attributes)
    assert resource_spans.schema_url == schema_url
    assert (scope_spans.scope.name, scope_spans.scope.version) == ("renacer_otel", __version__)
    assert scope_spans.schema_url == SCHEMA_URL
    assert [span.name for span in scope_spans.spans] == names
    # Byte for byte: nothing that a re-serialisation would drop or write in another way.
    assert request.SerializeToString(deterministic=True) == wrapped


@pytest.mark.parametrize("spans", [3, 700, 90_000])
def test_length_prefixes_of_every_size(spans: int) -> None:
    block = block_of(["n" * 100] * spans)
    wrapped = OtlpEnvelope({"service.name": "s"}).wrap(memoryview(block))
    request = ExportTraceServiceRequest.FromString(wrapped)
    assert len(request.resource_spans[0].scope_spans[0].spans) == spans


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (1 << 32, "8080808010")],
)
def test_varints(value: int, encoded: str) -> None:
    assert varint(value).hex() == encoded


@given(attribute_maps)
def test_a_json_line_is_one_line_with_the_same_resource(
    attributes: dict[str, AttributeValue],
) -> None:
    line = JsonEnvelope(attributes).wrap(b'{"name":"a"},{"name":"b"}')
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    (resource_spans,) = json.loads(line)["resourceSpans"]
    (scope_spans,) = resource_spans["scopeSpans"]
    assert [span["name"] for span in scope_spans["spans"]] == ["a", "b"]
    assert scope_spans["scope"] == {"name": "renacer_otel", "version": __version__}
    assert resource_spans["schemaUrl"] == scope_spans["schemaUrl"] == SCHEMA_URL
    assert set(resource_spans) == {"resource", "scopeSpans", "schemaUrl"}
    found = resource_spans["resource"].get("attributes", [])
    assert [pair.get("key", "") for pair in found] == sorted(attributes)


def test_json_integers_are_strings_and_lists_are_values() -> None:
    line = JsonEnvelope({"i": 1 << 60, "l": ["a"], "s": "\u2028\n", "b": True}).wrap(b"")
    attributes = json.loads(line)["resourceSpans"][0]["resource"]["attributes"]
    assert attributes == [
        {"key": "b", "value": {"boolValue": True}},
        {"key": "i", "value": {"intValue": str(1 << 60)}},
        {"key": "l", "value": {"arrayValue": {"values": [{"stringValue": "a"}]}}},
        {"key": "s", "value": {"stringValue": "\u2028\n"}},
    ]
    assert len(line.decode().splitlines()) == 1


def test_what_utf8_cannot_carry_is_escaped() -> None:
    (pair,) = resource_message({"k": "a\udcffb"}).attributes
    assert pair.value.string_value == "a\\udcffb"
    (pair,) = resource_message({"k": 1 << 70}).attributes
    assert pair.value.string_value == str(1 << 70)
    with pytest.raises(TypeError, match="not an attribute"):
        resource_message({"k": object()})  # type: ignore[dict-item]
