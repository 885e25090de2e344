# SPDX-License-Identifier: MIT
"""grpc.health.v1: whether a sidecar is ready, for whoever asks by gRPC (Kubernetes and the like).

By the package grpcio-health-checking, which comes with the extra `sidecar`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from renacer_otel.errors import OutputError, UsageError, one_line
from renacer_otel.exporters.otlp_grpc import load_grpc

if TYPE_CHECKING:
    import grpc
    from typing_extensions import Self

#: The service that is asked about; "" is the whole server, which is as ready.
SERVICE = "renacer_otel.sidecar"

_WORKERS = 2
# A Watch keeps its worker for as long as it lasts.
_MAX_CALLS = 64
_MAX_REQUEST = 4096
_GRACE_S = 0.5


class HealthServer:
    """Serves the health service on `address`: "127.0.0.1:4318" (port 0 = any free one), or
    "unix:/path". Not ready until it is told. Use: start(), set_ready(), stop()."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._server: grpc.Server | None = None
        self._port = 0

    @property
    def port(self) -> int:
        """That it listens on; 0 for a Unix socket."""
        return self._port

    def start(self) -> None:
        """Raises UsageError where the package is missing, OutputError where it cannot listen."""
        grpc = load_grpc()
        try:
            from grpc_health.v1 import health, health_pb2, health_pb2_grpc
        except ImportError:
            raise UsageError(
                "the health service needs a package: pip install 'renacer-otel[sidecar]'"
            ) from None
        self._states = health_pb2.HealthCheckResponse
        self._servicer = health.HealthServicer(
            experimental_non_blocking=True,
            experimental_thread_pool=ThreadPoolExecutor(_WORKERS),
        )
        server = grpc.server(
            ThreadPoolExecutor(_WORKERS),
            maximum_concurrent_rpcs=_MAX_CALLS,
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", _MAX_REQUEST),
                ("grpc.max_metadata_size", _MAX_REQUEST),
            ],
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)
        try:
            self._port = int(server.add_insecure_port(self._address))
        except RuntimeError:
            self._port = -1
        if self._port < 0 or (self._port == 0 and not self._address.startswith("unix:")):
            server.stop(None)
            raise OutputError(
                f"cannot listen on {one_line(self._address, 80)} for the health service:"
                " is the address taken?"
            )
        if self._address.startswith("unix:"):
            self._port = 0
        self.set_ready(False)
        server.start()
        self._server = server

    def set_ready(self, ready: bool) -> None:
        """SERVING or NOT_SERVING from now on; those that watch are told."""
        state = self._states.SERVING if ready else self._states.NOT_SERVING
        for service in ("", SERVICE):
            self._servicer.set(service, state)

    def stop(self) -> None:
        """Tells NOT_SERVING, ends what is under way, and listens no more. Idempotent."""
        server, self._server = self._server, None
        if server is None:
            return
        self._servicer.enter_graceful_shutdown()
        server.stop(_GRACE_S).wait(2 * _GRACE_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
