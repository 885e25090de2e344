# SPDX-License-Identifier: MIT
"""The bridge to the SDK's exporters: spans as the SDK would have made them, failures counted."""

from __future__ import annotations

import importlib.util
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from renacer_otel.errors import ConfigError
from renacer_otel.exporters import sdk_settings
from renacer_otel.exporters.envelope import SCHEMA_URL, OtlpEnvelope
from renacer_otel.exporters.otlp_settings import OtlpFlags, resolve
from renacer_otel.exporters.sdk_exporter import readable_spans
from renacer_otel.exporters.senders import make_sender
from tests.exporters.conftest import PATIENCE, block_of, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from renacer_otel.exporters.otlp_sender import OtlpSender


class Kept(SpanExporter):
    """Keeps what it gets; `answer` is what it says, or raises."""

    spans: ClassVar[list[ReadableSpan]] = []
    answer: ClassVar[Any] = SpanExportResult.SUCCESS
    ended: ClassVar[int] = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        Kept.spans += spans
        if isinstance(Kept.answer, Exception):
            raise Kept.answer
        result: SpanExportResult = Kept.answer
        return result

    def shutdown(self) -> None:
        Kept.ended += 1


class Broken(Kept):
    def __init__(self) -> None:
        raise OSError("no such\nplace")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> type[Kept]:
    """Installs exporters "kept" and "broken"."""
    points = [
        EntryPoint(name, f"{__name__}:{name.title()}", sdk_settings.EXPORTERS)
        for name in ("kept", "broken")
    ]
    classes = {"kept": Kept, "broken": Broken}
    monkeypatch.setattr(EntryPoint, "load", lambda self: classes[self.name])
    monkeypatch.setattr(
        "importlib.metadata.entry_points",
        lambda group, name=None: [each for each in points if name in (None, each.name)],
    )
    monkeypatch.setattr(Kept, "spans", [])
    monkeypatch.setattr(Kept, "answer", SpanExportResult.SUCCESS)
    monkeypatch.setattr(Kept, "ended", 0)
    return Kept


def sender_of(name: str) -> OtlpSender:
    settings = resolve(OtlpFlags(exporter=name), {}).settings
    assert settings is not None
    return make_sender(settings, {"service.name": "s"})


def test_all_spans_come_and_the_exporter_is_ended(kept: type[Kept]) -> None:
    sender = sender_of("kept")
    for number in range(10):
        assert sender.submit(memoryview(block_of(20, 1 + 20 * number)), 20)
    counters = sender.close(PATIENCE)
    assert (counters.sent, counters.rejected, counters.lost, counters.batches) == (200, 0, 0, 10)
    ids = [span.get_span_context().span_id for span in kept.spans]  # type: ignore[union-attr]
    assert ids == list(range(1, 201))  # one at a time, in order
    until(lambda: kept.ended == 1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (SpanExportResult.FAILURE, "the exporter kept says that it failed"),
        (ValueError("not\x1b here"), r"the exporter kept failed: ValueError: not\x1b here"),
    ],
)
def test_what_it_refuses_is_rejected_and_not_given_again(
    kept: type[Kept], monkeypatch: pytest.MonkeyPatch, answer: Any, words: str
) -> None:
    monkeypatch.setattr(Kept, "answer", answer)
    sender = sender_of("kept")
    sender.submit(block_of(5), 5)
    counters = sender.close(PATIENCE)
    assert (counters.sent, counters.rejected, counters.retries) == (0, 5, 0)
    assert (counters.rejected_reasons, counters.last_error) == ({"exporter failed": 5}, words)
    assert len(kept.spans) == 5


def test_one_that_cannot_be_made_says_why(kept: type[Kept]) -> None:
    del kept
    with pytest.raises(OSError, match="no such"):
        sender_of("broken").open()


def test_an_unknown_name_is_one_line_with_those_that_are_there() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(OtlpFlags(exporter="smoke\x1bsignals"), {})
    message = str(caught.value)
    assert message.startswith(
        r"--exporter: there is no exporter 'smoke\x1bsignals'; installed are "
    )
    assert "console" in message
    assert message.isprintable()
    for flags in (
        OtlpFlags(exporter="console", endpoint="http://h:1"),
        OtlpFlags(exporter="console", protocol="grpc"),
    ):
        with pytest.raises(ConfigError, match="give one of them"):
            resolve(flags, {})
    assert resolve(OtlpFlags(exporter="none"), {}).settings is None
    settings = resolve(OtlpFlags(exporter="otlp"), {}).settings
    assert settings is not None
    assert (settings.target, settings.exporter) == ("localhost:4317", "")


def test_without_the_sdk_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"is not installed; install renacer-otel\[sdk\]"):
        resolve(OtlpFlags(exporter="console"), {})


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def test_a_span_is_what_it_was() -> None:
    argv = AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="ls")]))
    values = {
        "text": AnyValue(string_value="ä"),
        "int": AnyValue(int_value=-(1 << 63)),
        "true": AnyValue(bool_value=True),
        "double": AnyValue(double_value=0.5),
        "argv": argv,
    }
    event = Span.Event(time_unix_nano=7, name="renacer.lost", dropped_attributes_count=2)
    event.attributes.append(text("a", "b"))
    link = Span.Link(trace_id=b"\2" * 16, span_id=b"\3" * 8, flags=0x101)
    link.attributes.append(text("renacer.edge", "fork"))
    span = Span(
        trace_id=b"\1" * 16,
        span_id=b"\4" * 8,
        parent_span_id=b"\5" * 8,
        trace_state="renacer=000000000000002a,o=p",
        name="openat",
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=1_700_000_000_000_000_001,
        end_time_unix_nano=1_700_000_000_000_000_003,
        flags=0x303,
        status=Status(code=Status.STATUS_CODE_ERROR),
        attributes=[KeyValue(key=key, value=value) for key, value in values.items()],
        dropped_attributes_count=3,
        events=[event],
        dropped_events_count=4,
        links=[link],
        dropped_links_count=5,
    )
    block = ScopeSpans(spans=[span]).SerializeToString()
    request = OtlpEnvelope({"service.name": "s"}).wrap(block)
    (made,) = readable_spans(ExportTraceServiceRequest.FromString(request))
    # The way back, by the SDK's own encoder of OTLP.
    encoder = pytest.importorskip(
        "opentelemetry.exporter.otlp.proto.common.trace_encoder",
        reason="needs opentelemetry-exporter-otlp-proto-common",
    )
    again = encoder.encode_spans([made])
    (of_resource,) = again.resource_spans
    (of_scope,) = of_resource.scope_spans
    assert of_resource.resource.attributes[0] == text("service.name", "s")
    assert of_resource.schema_url == of_scope.schema_url == SCHEMA_URL
    assert of_scope.scope.name == "renacer_otel"
    found = of_scope.spans[0]
    found.links[0].flags = link.flags  # told in other bits by other versions
    assert found.flags & 0x200  # the parent is remote; it has no room for the others
    found.flags = span.flags
    assert found == span
