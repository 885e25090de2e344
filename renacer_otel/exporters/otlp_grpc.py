# SPDX-License-Identifier: MIT
"""Sends finished blocks to an OTLP/gRPC collector.

The request bytes are ready (see envelope), so a generic unary call without serialisers carries
them. grpc is imported by `open()`, not by this module.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from renacer_otel.exporters import otlp_retry
from renacer_otel.exporters.otlp_sender import (
    MAX_REQUEST_BYTES,
    MAX_RESPONSE_BYTES,
    USER_AGENT,
    Failure,
    Job,
    OtlpSender,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    import grpc

    from renacer_otel.exporters.otlp_settings import OtlpSettings

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
METRICS_METHOD = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"


class OtlpGrpcSender(OtlpSender):
    """Delivers blocks to one collector by gRPC; see OtlpSender."""

    method = METHOD
    _channel: grpc.Channel | None = None
    _call: grpc.UnaryUnaryMultiCallable[bytes, bytes] | None = None

    def _start(self) -> None:
        load_grpc()
        self._channel = _make_channel(self._settings)
        self._call = self._channel.unary_unary(
            self.method, request_serializer=None, response_deserializer=None
        )

    def _stop(self) -> Callable[[], object]:
        assert self._channel is not None  # started
        stop = self._channel.close
        self._channel = self._call = None
        return stop

    def _attempt(self, job: Job, timeout: float | None) -> Failure | otlp_retry.PartialSuccess:
        import grpc

        call = self._call
        if call is None:
            return _failure("CANCELLED", "the sender was closed")
        try:
            answer = call(job.request, timeout=timeout, metadata=self._settings.headers or None)
        except ValueError:
            if not self._cancelled:
                raise
            return _failure("CANCELLED", "the sender was closed")  # a closed channel says so
        except grpc.RpcError as error:
            trailers = [(item.key, item.value) for item in error.trailing_metadata() or ()]
            return _failure(
                error.code().name, error.details() or "", otlp_retry.retry_delay(trailers)
            )
        partial = otlp_retry.parse_response(answer, job.spans)
        return partial or otlp_retry.PartialSuccess(0, "the collector's answer is unreadable")


def _failure(code: str, details: str, retry_after: float | None = None) -> Failure:
    return Failure(
        code,
        otlp_retry.explain(code, details),
        retryable=code in otlp_retry.RETRYABLE
        or (code == otlp_retry.THROTTLED and retry_after is not None),
        retry_after=retry_after,
        timed_out=code == "DEADLINE_EXCEEDED",
    )


@contextmanager
def _quiet_grpc() -> Iterator[None]:
    """Keeps grpc's own log off the user's stderr, unless the user asked for it.

    grpc reads the variable when it starts; ours is gone again afterwards, so that nothing we
    start inherits it.
    """
    if "GRPC_VERBOSITY" in os.environ:
        yield
        return
    os.environ["GRPC_VERBOSITY"] = "NONE"
    try:
        yield
    finally:
        del os.environ["GRPC_VERBOSITY"]


def load_grpc() -> ModuleType:
    """Imports grpc, silenced (see _quiet_grpc)."""
    with _quiet_grpc():
        import grpc
    return grpc


def _make_channel(settings: OtlpSettings) -> grpc.Channel:
    import grpc

    host = settings.target.rpartition(":")[0]
    options: list[tuple[str, int | str]] = [
        ("grpc.primary_user_agent", USER_AGENT),
        ("grpc.max_send_message_length", MAX_REQUEST_BYTES),
        ("grpc.max_receive_message_length", MAX_RESPONSE_BYTES),
        ("grpc.use_local_subchannel_pool", 1),
        # Retries are ours to do and to count.
        ("grpc.enable_retries", 0),
        ("grpc.service_config_disable_resolution", 1),
        # Find a collector that comes back soon after it is back.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 2_000),
        ("grpc.max_reconnect_backoff_ms", 5_000),
        # Servers refuse pings more often than every five minutes by default.
        ("grpc.keepalive_time_ms", 300_000),
        ("grpc.keepalive_timeout_ms", 20_000),
    ]
    if host in ("localhost", "[::1]") or host.startswith("127."):
        options.append(("grpc.enable_http_proxy", 0))
    compression = grpc.Compression.Gzip if settings.gzip else grpc.Compression.NoCompression
    if not settings.secure:
        return grpc.insecure_channel(settings.target, options, compression)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=settings.ca_pem,
        private_key=settings.client_key_pem,
        certificate_chain=settings.client_certificate_pem,
    )
    return grpc.secure_channel(settings.target, credentials, options, compression)
