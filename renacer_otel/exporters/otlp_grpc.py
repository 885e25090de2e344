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


class _Wire:
    """A channel, which is one connection or none, and how many calls are under way on it."""

    def __init__(self, settings: OtlpSettings, method: str) -> None:
        self.channel = _make_channel(settings)
        self.call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(
            method, request_serializer=None, response_deserializer=None
        )
        self.users = 0


class OtlpGrpcSender(OtlpSender):
    """Delivers blocks to one collector by gRPC; see OtlpSender."""

    method = METHOD
    _wire: _Wire | None = None  # the one that new calls go by

    def _start(self) -> None:
        load_grpc()
        self._wire = _Wire(self._settings, self.method)
        self._wires = {self._wire}

    def _stop(self) -> Callable[[], object]:
        wires, self._wires = self._wires, set()
        self._wire = None

        def stop() -> None:
            for wire in wires:
                wire.channel.close()

        return stop

    def _enter(self) -> _Wire | None:
        with self._changed:
            if self._wire is not None:
                self._wire.users += 1
            return self._wire

    def _leave(self, wire: _Wire, *, renew: bool) -> None:
        """A call has ended; with `renew` the next ones go by a new connection.

        One on which no answer comes may be dead without a word, and gRPC notices that after
        minutes. It is closed once nobody waits on it any more.
        """
        with self._changed:
            wire.users -= 1
            if renew and self._wire is wire:
                self._wire = _Wire(self._settings, self.method)
                self._wires.add(self._wire)
            done = not wire.users and self._wire is not wire and wire in self._wires
            if done:
                self._wires.remove(wire)
        if done:
            wire.channel.close()

    def _attempt(self, job: Job, timeout: float | None) -> Failure | otlp_retry.PartialSuccess:
        wire = self._enter()
        if wire is None:
            return _failure("CANCELLED", "the sender was closed")
        verdict: Failure | otlp_retry.PartialSuccess | None = None
        try:
            verdict = self._ask(wire, job, timeout)
        finally:
            self._leave(wire, renew=isinstance(verdict, Failure) and verdict.timed_out)
        return verdict

    def _ask(
        self, wire: _Wire, job: Job, timeout: float | None
    ) -> Failure | otlp_retry.PartialSuccess:
        import grpc

        try:
            answer = wire.call(
                job.request, timeout=timeout, metadata=self._settings.headers or None
            )
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
def quiet_grpc() -> Iterator[None]:
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
    """Imports grpc, silenced (see quiet_grpc), and without its part in forks: a query's process
    is one, has closed what gRPC has open, and would be aborted for it."""
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    with quiet_grpc():
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
