# SPDX-License-Identifier: MIT
"""The failure rules of OTLP/gRPC, apart from any connection; backoff and partial success of all.

Source: opentelemetry-proto, docs/specification.md, "Failures" and "OTLP/gRPC Throttling".
Status codes are plain names ("UNAVAILABLE"), so nothing here needs grpc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

RETRYABLE = frozenset(
    {"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"}
)

# RESOURCE_EXHAUSTED is retryable only if the server says when.
THROTTLED = "RESOURCE_EXHAUSTED"

STATUS_TRAILER = "grpc-status-details-bin"  # google.rpc.Status
RETRY_INFO_TRAILER = "google.rpc.retryinfo-bin"  # google.rpc.RetryInfo

FIRST_BACKOFF_S = 0.1
MAX_BACKOFF_S = 5.0
# A server may ask for any wait; one that asks for days does not get them.
MAX_RETRY_INFO_S = 60.0


def retry_delay(trailers: Iterable[tuple[str, str | bytes]]) -> float | None:
    """Seconds of RetryInfo in a call's trailers; None = no (readable) RetryInfo.

    Negative delays count as 0, long ones as MAX_RETRY_INFO_S.
    """
    for key, value in trailers:
        if key not in (STATUS_TRAILER, RETRY_INFO_TRAILER) or not isinstance(value, bytes):
            continue
        delay = _from_status(value) if key == STATUS_TRAILER else _from_retry_info(value)
        if delay is not None:
            return min(max(delay, 0.0), MAX_RETRY_INFO_S)
    return None


def _from_retry_info(data: bytes) -> float | None:
    from google.protobuf.message import DecodeError
    from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]

    try:
        info = RetryInfo.FromString(data)
    except DecodeError:
        return None
    return float(info.retry_delay.seconds) + float(info.retry_delay.nanos) / 1e9


def _from_status(data: bytes) -> float | None:
    from google.protobuf.message import DecodeError
    from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

    try:
        status = Status.FromString(data)
    except DecodeError:
        return None
    for detail in status.details:
        if detail.type_url.rpartition("/")[2] == "google.rpc.RetryInfo":
            return _from_retry_info(detail.value)
    return None


_NO_GRPC = (
    "this is not a gRPC port; OTLP/gRPC is on 4317 by default,"
    " and OTLP/HTTP needs --otlp-protocol http/protobuf"
)

# What grpc says in its own words -> what it means and what to do. First match wins.
_MEANINGS = (
    ("Connection refused", "connection refused: no collector listens there"),
    ("errors resolving", "the host name cannot be resolved"),
    ("certificate has expired", "the collector's certificate has expired"),
    (
        "CERTIFICATE_VERIFY_FAILED",
        (
            "the collector's certificate is not trusted;"
            " name its authority by OTEL_EXPORTER_OTLP_CERTIFICATE"
        ),
    ),
    ("Hostname Verification", "the collector's certificate is for another host name"),
    ("WRONG_VERSION_NUMBER", "the collector does not speak TLS there; try http://"),
    ("missing selected ALPN", _NO_GRPC),
    ("TSI_DATA_CORRUPTED", "the collector ended the handshake; it may want a client certificate"),
    ("Failed parsing HTTP/2", _NO_GRPC),
    ("http1.x server", _NO_GRPC),
    (
        "Socket closed",
        (
            "the connection was closed at once; the collector may want TLS (https://)"
            " or a client certificate"
        ),
    ),
)
_HINTS = {
    "UNIMPLEMENTED": "is this the collector's OTLP/gRPC port?",
    "UNAUTHENTICATED": "check OTEL_EXPORTER_OTLP_HEADERS",
    "PERMISSION_DENIED": "check OTEL_EXPORTER_OTLP_HEADERS",
}


def explain(code: str, details: str) -> str:
    """A failed call in words that say what to do, where they are known.

    `details` is the peer's or grpc's text, any length; the caller makes it printable.
    """
    if code == "UNAVAILABLE":
        for sign, meaning in _MEANINGS:
            if sign in details:
                return f"{code}: {meaning}"
    parts = [code, *filter(None, (_HINTS.get(code), details[:400]))]
    return ": ".join(parts)


@dataclass(frozen=True)
class PartialSuccess:
    """What a server said in an answer with status OK."""

    rejected: int = 0
    message: str = ""


def parse_response(data: bytes, spans: int) -> PartialSuccess | None:
    """Reads ExportTraceServiceResponse; None = not one. `rejected` is kept within 0…spans."""
    if not data:
        return PartialSuccess()
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTraceServiceResponse,
    )

    try:
        partial = ExportTraceServiceResponse.FromString(data).partial_success
    except DecodeError:
        return None
    return PartialSuccess(min(max(partial.rejected_spans, 0), spans), partial.error_message)


class Backoff:
    """Exponential backoff with full jitter, for one request."""

    def __init__(self, uniform: Callable[[float, float], float] | None = None) -> None:
        if uniform is None:
            import random  # not with the module: it costs some ms of start-up

            uniform = random.uniform
        self._uniform = uniform
        self._ceiling = FIRST_BACKOFF_S

    def next(self, asked: float | None = None) -> float:
        """Seconds to wait now. `asked` is the server's RetryInfo: at least that long, and what
        follows backs off from there."""
        delay = self._uniform(0.0, self._ceiling)
        if asked is not None:
            delay += asked
        self._ceiling = max(min(self._ceiling * 2, MAX_BACKOFF_S), asked or 0.0)
        return delay
