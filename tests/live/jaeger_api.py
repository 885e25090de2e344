# SPDX-License-Identifier: MIT
"""Reads traces back from Jaeger's query API.

`read_trace()` uses /api/v3, which answers in OTLP/JSON: every field of a span as it was
stored, in ns (only schema URLs are lost). `read_page()` uses /api/traces, which is what
Jaeger's page shows: times in µs, and what OTLP keeps in fields of its own turned into
tags (JAEGER_TAGS).
"""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from typing import Any

from tests.live.backend import http_get

AttributeValue = str | int | float | bool | bytes | list[Any] | dict[str, Any] | None

#: Tags that Jaeger's page API makes of OTLP fields: span.kind of the kind, otel.scope.* of
#: the scope, otel.status_code, otel.status_description and error of the status,
#: w3c.tracestate of the trace state.
JAEGER_TAGS = frozenset(
    {
        "error",
        "otel.scope.name",
        "otel.scope.version",
        "otel.status_code",
        "otel.status_description",
        "span.kind",
        "w3c.tracestate",
    }
)


@dataclass(frozen=True)
class ReadLink:
    """A link of a span; ids in hex."""

    trace_id: str
    span_id: str
    attributes: dict[str, AttributeValue]
    flags: int


@dataclass(frozen=True)
class ReadSpan:
    """A span as Jaeger stored it; ids in hex, parent_id "" for a root, times in Unix ns."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: int
    flags: int
    trace_state: str
    start: int
    end: int
    status: int
    status_message: str
    attributes: dict[str, AttributeValue]
    links: tuple[ReadLink, ...]
    events: int
    scope: tuple[str, str]
    resource: dict[str, AttributeValue] = field(compare=False)


def _value(any_value: dict[str, Any]) -> AttributeValue:
    if not any_value:
        return None
    ((kind, value),) = any_value.items()
    if kind == "intValue":
        return int(value)
    if kind == "arrayValue":
        return [_value(item) for item in value.get("values", [])]
    if kind == "kvlistValue":
        return _attributes(value.get("values", []))
    assert kind in {"stringValue", "boolValue", "doubleValue", "bytesValue"}, kind
    assert isinstance(value, str | bool | float | int)
    return value


def _attributes(pairs: list[dict[str, Any]]) -> dict[str, AttributeValue]:
    result = {pair["key"]: _value(pair.get("value", {})) for pair in pairs}
    assert len(result) == len(pairs), f"an attribute twice: {pairs}"
    return result


def _span(
    span: dict[str, Any], scope: tuple[str, str], resource: dict[str, AttributeValue]
) -> ReadSpan:
    status = span.get("status", {})
    return ReadSpan(
        trace_id=span["traceId"],
        span_id=span["spanId"],
        parent_id=span.get("parentSpanId", ""),
        name=span["name"],
        kind=span.get("kind", 0),
        flags=span.get("flags", 0),
        trace_state=span.get("traceState", ""),
        start=int(span["startTimeUnixNano"]),
        end=int(span["endTimeUnixNano"]),
        status=status.get("code", 0),
        status_message=status.get("message", ""),
        attributes=_attributes(span.get("attributes", [])),
        links=tuple(
            ReadLink(
                link["traceId"],
                link["spanId"],
                _attributes(link.get("attributes", [])),
                link.get("flags", 0),
            )
            for link in span.get("links", [])
        ),
        events=len(span.get("events", [])),
        scope=scope,
        resource=resource,
    )


def spans_of(traces: dict[str, Any]) -> list[ReadSpan]:
    """The spans of an OTLP/JSON object with `resourceSpans`."""
    spans = []
    for resource_spans in traces.get("resourceSpans", []):
        resource = _attributes(resource_spans.get("resource", {}).get("attributes", []))
        for scope_spans in resource_spans.get("scopeSpans", []):
            scope = scope_spans.get("scope", {})
            key = (scope.get("name", ""), scope.get("version", ""))
            spans += [_span(span, key, resource) for span in scope_spans.get("spans", [])]
    return spans


def read_trace(query_port: int, trace_id: str) -> list[ReadSpan]:
    """All spans of a trace as stored, in no particular order; [] if Jaeger knows none.

    Raises AssertionError for any other answer.
    """
    status, body = http_get(query_port, f"/api/v3/traces/{trace_id}?raw_traces=true")
    if status == http.client.NOT_FOUND:
        return []
    assert status == http.client.OK, body
    return spans_of(json.loads(body)["result"])


def read_page(query_port: int, trace_id: str) -> dict[str, Any]:
    """The trace as Jaeger's page gets it, with the warnings that the page would show.

    Raises AssertionError if there is no such trace.
    """
    status, body = http_get(query_port, f"/api/traces/{trace_id}")
    assert status == http.client.OK, body
    (trace,) = json.loads(body)["data"]
    assert isinstance(trace, dict)
    return trace


def services(query_port: int) -> set[str]:
    """Names of the services that Jaeger has seen."""
    status, body = http_get(query_port, "/api/services")
    assert status == http.client.OK, body
    return set(json.loads(body)["data"] or [])
