# SPDX-License-Identifier: MIT
"""OTLP over gRPC and over HTTP, each with its sender and its scripted server, under the same names:
what holds for both is tested once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from renacer_otel.exporters.envelope import OtlpEnvelope
from renacer_otel.exporters.otlp_grpc import OtlpGrpcSender
from renacer_otel.exporters.otlp_http import OtlpHttpSender
from renacer_otel.exporters.otlp_settings import OtlpFlags, OtlpSettings, resolve
from renacer_otel.exporters.receiver import Receiver
from renacer_otel.exporters.receiver import Reply as GrpcReply
from tests.exporters.conftest import PATIENCE, block_of
from tests.exporters.http_server import HttpCollector
from tests.exporters.http_server import Reply as HttpReply

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from renacer_otel.exporters.otlp_sender import OtlpSender, SenderCounters
    from renacer_otel.exporters.receiver import ServerTls


class Side(ABC):
    """A protocol. `retryable`, `final`: its codes, as they are counted; `late`: what our own time
    limit is called, `nobody`: a port that nobody listens on."""

    protocol: str
    retryable: Sequence[str]
    final: Sequence[str]
    late: str
    nobody: str
    waits: Sequence[str]  # ways to say how long to wait

    def __repr__(self) -> str:
        return self.protocol

    def settings(self, endpoint: str, /, ca: str | None = None, **variables: str) -> OtlpSettings:
        """By flag and OTEL_EXPORTER_OTLP_*."""
        flags = OtlpFlags(endpoint=endpoint, protocol=self.protocol, certificate=ca)
        named = {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in variables.items()}
        choice = resolve(flags, named)
        assert choice.settings is not None
        assert choice.warnings == ()
        return choice.settings

    def sender(
        self, endpoint: str, in_flight: int = 4, ca: str | None = None, **variables: str
    ) -> OtlpSender:
        return self.sender_of(self.settings(endpoint, ca, **variables), in_flight)

    def deliver(
        self, *script: Any, spans: int = 5, close: float = PATIENCE, **variables: str
    ) -> tuple[SenderCounters, Any]:
        """Sends one block to a server with a script; returns what both counted."""
        with self.listening(script) as server:
            sender = self.sender_of(self.settings(server.endpoint, **variables))
            assert sender.submit(block_of(spans), spans)
            return sender.close(close), server

    @abstractmethod
    def sender_of(self, settings: OtlpSettings, in_flight: int = 4) -> OtlpSender: ...

    @abstractmethod
    def listening(
        self, script: Iterable[Any] = (), tls: ServerTls | None = None, port: int = 0
    ) -> Any:
        """A server that answers by a script, then takes all. A context manager with `endpoint` and
        `port`."""

    @abstractmethod
    def refuse(self, code: str, message: str = "", wait: float | None = None, way: str = "") -> Any:
        """An answer with a code; `wait`: that asks to wait so many seconds."""

    @abstractmethod
    def partial(self, rejected: int, message: str) -> Any:
        """Taken, but for some spans."""

    @abstractmethod
    def garbage(self, body: bytes) -> Any:
        """Taken, with a body that is none."""

    @abstractmethod
    def hang(self) -> Any:
        """Taken, and never answered."""

    @abstractmethod
    def times(self, server: Any) -> list[float]:
        """When requests came, by CLOCK_MONOTONIC."""

    @abstractmethod
    def ids(self, server: Any) -> list[int]:
        """Of the spans that came, in order of their ids; of HTTP those of refused requests, too."""

    @abstractmethod
    def header(self, server: Any, name: str) -> list[str]:
        """Of each request."""

    @abstractmethod
    def resources(self, server: Any) -> set[tuple[str, str]]:
        """Of all spans: value of the resource's first attribute, name of the scope."""


class Grpc(Side):
    protocol = "grpc"
    retryable = "CANCELLED DEADLINE_EXCEEDED ABORTED OUT_OF_RANGE UNAVAILABLE DATA_LOSS".split()
    final = (
        "UNKNOWN INVALID_ARGUMENT NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED UNAUTHENTICATED"
        " FAILED_PRECONDITION UNIMPLEMENTED INTERNAL RESOURCE_EXHAUSTED"
    ).split()
    late = "DEADLINE_EXCEEDED"
    nobody = "UNAVAILABLE"
    waits = ("status", "retryinfo")

    def sender_of(self, settings: OtlpSettings, in_flight: int = 4) -> OtlpSender:
        return OtlpGrpcSender(settings, OtlpEnvelope({"service.name": "s"}), in_flight)

    def listening(
        self, script: Iterable[Any] = (), tls: ServerTls | None = None, port: int = 0
    ) -> Receiver:
        return Receiver(script=list(script), tls=tls, port=port)

    def refuse(self, code: str, message: str = "", wait: float | None = None, way: str = "") -> Any:
        return GrpcReply(code, message, retry_after=wait, retry_in=way or "status")

    def partial(self, rejected: int, message: str) -> Any:
        return GrpcReply(rejected=rejected, message=message)

    def garbage(self, body: bytes) -> Any:
        return GrpcReply(body=body)

    def hang(self) -> Any:
        return GrpcReply(hang=True, keep=True)

    def times(self, server: Receiver) -> list[float]:
        return [call.at for call in server.calls]

    def ids(self, server: Receiver) -> list[int]:
        return sorted(int.from_bytes(item.span.span_id, "big") for item in server.spans)

    def header(self, server: Receiver, name: str) -> list[str]:
        return [str(dict(call.metadata)[name]) for call in server.calls]

    def resources(self, server: Receiver) -> set[tuple[str, str]]:
        return {
            (item.resource.attributes[0].value.string_value, item.scope.name)
            for item in server.spans
        }


class Http(Side):
    protocol = "http/protobuf"
    retryable = tuple(f"HTTP {status}" for status in (429, 502, 503, 504))
    final = tuple(
        f"HTTP {status}"
        for status in (301, 307, 308, 400, 401, 403, 404, 405, 408, 415, 500, 501, 505)
    )
    late = "timeout"
    nobody = "no connection"
    waits = ("seconds", "date")

    def sender_of(self, settings: OtlpSettings, in_flight: int = 4) -> OtlpSender:
        return OtlpHttpSender(settings, OtlpEnvelope({"service.name": "s"}), in_flight)

    def listening(
        self, script: Iterable[Any] = (), tls: ServerTls | None = None, port: int = 0
    ) -> HttpCollector:
        return HttpCollector(script, tls, port=port)

    def refuse(self, code: str, message: str = "", wait: float | None = None, way: str = "") -> Any:
        import time
        from email.utils import formatdate

        now, headers = time.time(), []
        if wait is not None and way == "date":
            headers = [("Retry-After", formatdate(now + wait)), ("Date", formatdate(now))]
        elif wait is not None:
            headers = [("Retry-After", str(int(wait)))]
        status = int(code.removeprefix("HTTP "))
        return HttpReply(status, message.encode(), "text/plain", tuple(headers))

    def partial(self, rejected: int, message: str) -> Any:
        partial = ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
        return HttpReply(
            body=ExportTraceServiceResponse(partial_success=partial).SerializeToString()
        )

    def garbage(self, body: bytes) -> Any:
        return HttpReply(body=body)

    def hang(self) -> Any:
        return HttpReply(hang=True)

    def times(self, server: HttpCollector) -> list[float]:
        return [request.at for request in server.requests]

    def ids(self, server: HttpCollector) -> list[int]:
        return sorted(int.from_bytes(span.span_id, "big") for span in server.spans)

    def header(self, server: HttpCollector, name: str) -> list[str]:
        return [request.headers[name] for request in server.requests]

    def resources(self, server: HttpCollector) -> set[tuple[str, str]]:
        return {
            (
                resource.resource.attributes[0].value.string_value,
                resource.scope_spans[0].scope.name,
            )
            for request in server.requests
            for resource in request.message().resource_spans
        }


SIDES = [Grpc(), Http()]
RETRYABLE = [(side, code) for side in SIDES for code in side.retryable]
FINAL = [(side, code) for side in SIDES for code in side.final]
WAITS = [(side, way) for side in SIDES for way in side.waits]
