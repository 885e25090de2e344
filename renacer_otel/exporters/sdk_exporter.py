# SPDX-License-Identifier: MIT
"""A bridge to exporters of OpenTelemetry's Python SDK, whoever wrote them.

An exporter is found by the name of its entry point (group opentelemetry_traces_exporter) and gets
ReadableSpans, made of the requests that our own senders would send: decoded by the official
classes, which costs many times what sending them does (docs/benchmarks.md). It is called by one
thread, as the SDK calls it; what it refuses is not given to it again, as the SDK does not.

The SDK and the exporter are imported by `open()`, not by this module.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from renacer_otel.exporters.otlp_retry import PartialSuccess
from renacer_otel.exporters.otlp_sender import Envelope, Failure, Job, OtlpSender
from renacer_otel.exporters.sdk_settings import EXPORTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.trace.v1 import trace_pb2
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext

    from renacer_otel.exporters.otlp_settings import OtlpSettings

_IS_REMOTE = 0x200  # of Span.flags: the parent is


class SdkSender(OtlpSender):
    """Gives blocks to one exporter; see OtlpSender. The envelope makes requests in protobuf."""

    _exporter: SpanExporter | None = None

    def __init__(self, settings: OtlpSettings, envelope: Envelope) -> None:
        super().__init__(settings, envelope, in_flight=1)

    def _start(self) -> None:
        self._exporter = load(self._settings.exporter)

    def _stop(self) -> Callable[[], object]:
        assert self._exporter is not None  # started
        return self._exporter.shutdown

    def _attempt(self, job: Job, timeout: float | None) -> Failure | PartialSuccess:
        del timeout  # of the exporter's own settings
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )
        from opentelemetry.sdk.trace.export import SpanExportResult

        assert self._exporter is not None  # started
        name = self._settings.exporter
        spans = readable_spans(ExportTraceServiceRequest.FromString(job.request))
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 (anybody's code)
            said = f"{type(error).__name__}: {error}"
            return Failure("exporter failed", f"the exporter {name} failed: {said}", False)
        if result is SpanExportResult.SUCCESS:
            return PartialSuccess()
        return Failure("exporter failed", f"the exporter {name} says that it failed", False)


def load(name: str) -> SpanExporter:
    """Makes the exporter of that name. Raises what its making raises; LookupError: there is none.

    That of the console writes to standard error: the command's output is the command's.
    """
    from importlib.metadata import entry_points

    from renacer_otel.exporters.otlp_grpc import quiet_grpc

    for found in entry_points(group=EXPORTERS, name=name):
        with quiet_grpc():  # which it may import
            kind: Any = found.load()
        made: SpanExporter = kind(out=sys.stderr) if name == "console" else kind()
        return made
    raise LookupError(f"there is no exporter {name}")


# --- spans ------------------------------------------------------------------------------------


def readable_spans(request: ExportTraceServiceRequest) -> list[ReadableSpan]:
    """The spans of a request as the SDK's exporters take them."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    made = []
    for of_resource in request.resource_spans:
        resource = Resource(_attributes(of_resource.resource.attributes), of_resource.schema_url)
        for of_scope in of_resource.scope_spans:
            name, version = of_scope.scope.name, of_scope.scope.version
            scope = InstrumentationScope(name, version, of_scope.schema_url)
            made += [_readable(span, resource, scope) for span in of_scope.spans]
    return made


def _readable(
    span: trace_pb2.Span, resource: Resource, scope: InstrumentationScope
) -> ReadableSpan:
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.trace import Link, SpanKind
    from opentelemetry.trace.status import Status, StatusCode

    flags = span.flags & 0xFF
    parent = None
    if span.parent_span_id:
        is_remote = bool(span.flags & _IS_REMOTE)
        parent = _context(span.trace_id, span.parent_span_id, flags, span.trace_state, is_remote)
    return ReadableSpan(
        name=span.name,
        context=_context(span.trace_id, span.span_id, flags, span.trace_state),
        parent=parent,
        resource=resource,
        attributes=_bounded(span.attributes, span.dropped_attributes_count),
        events=_list(
            (
                Event(
                    event.name,
                    _bounded(event.attributes, event.dropped_attributes_count),
                    event.time_unix_nano,
                )
                for event in span.events
            ),
            span.dropped_events_count,
        ),
        links=_list(
            (
                Link(
                    _context(link.trace_id, link.span_id, link.flags & 0xFF, link.trace_state),
                    _bounded(link.attributes, link.dropped_attributes_count),
                )
                for link in span.links
            ),
            span.dropped_links_count,
        ),
        kind=SpanKind(max(span.kind - 1, 0)),  # OTLP's 0 is "not said"
        status=Status(StatusCode(span.status.code), span.status.message or None),
        start_time=span.start_time_unix_nano,
        end_time=span.end_time_unix_nano,
        instrumentation_scope=scope,
    )


def _context(
    trace_id: bytes, span_id: bytes, flags: int, trace_state: str, is_remote: bool = False
) -> SpanContext:
    from opentelemetry.trace import SpanContext, TraceFlags, TraceState

    state = TraceState.from_header([trace_state]) if trace_state else None
    return SpanContext(
        int.from_bytes(trace_id, "big"),
        int.from_bytes(span_id, "big"),
        is_remote,
        TraceFlags(flags),
        state,
    )


def _bounded(pairs: Iterable[KeyValue], dropped: int) -> Mapping[str, Any]:
    """Attributes with how many are missing."""
    from opentelemetry.attributes import BoundedAttributes

    bounded = BoundedAttributes(attributes=_attributes(pairs), immutable=False)
    bounded.dropped = dropped
    return bounded


def _list(items: Iterable[Any], dropped: int) -> Any:
    """Events or links with how many are missing."""
    from opentelemetry.sdk.util import BoundedList

    bounded: Any = BoundedList(None)
    bounded.extend(list(items))
    bounded.dropped = dropped
    return bounded


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(_value(item) for item in value.array_value.values)
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value) for pair in value.kvlist_value.values}
    return getattr(value, kind) if kind else None
