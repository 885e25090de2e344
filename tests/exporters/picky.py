# SPDX-License-Identifier: MIT
"""An OTLP/HTTP collector that decides by what is in a request."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    # An HTTP status; None = the connection is closed without an answer.
    Decide = Callable[[bytes], int | None]


class Picky:
    """Counts the spans of what it answers with 200. Context manager; `port` 0 = any."""

    def __init__(self, decide: Decide = lambda body: 200, port: int = 0) -> None:
        self.decide = decide
        self.lock = threading.Lock()
        self.ids: list[int] = []  # of the spans that were taken
        self.sizes: list[int] = []  # of all requests
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.collector = self
        self.port = int(self._server.server_address[1])
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for living in list(self._server.living):
            with suppress(OSError):
                living.shutdown(socket.SHUT_RDWR)

    def take(self, body: bytes) -> None:
        message = ExportTraceServiceRequest.FromString(body)
        with self.lock:
            self.ids += [
                int.from_bytes(span.span_id, "big")
                for resource in message.resource_spans
                for scope in resource.scope_spans
                for span in scope.spans
            ]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    collector: Picky

    def __init__(self, *words: Any) -> None:
        self.living: set[socket.socket] = set()
        super().__init__(*words)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        self.server.living.add(self.request)
        super().setup()

    def finish(self) -> None:
        self.server.living.discard(self.request)
        super().finish()

    def log_message(self, *args: object) -> None:
        """Not into the tests' output."""

    def do_POST(self) -> None:
        collector = self.server.collector
        body = self.rfile.read(int(self.headers["content-length"]))
        with collector.lock:
            collector.sizes.append(len(body))
        status = collector.decide(body)
        if status is None:
            self.close_connection = True
            return
        if status == 200:
            collector.take(body)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
