# SPDX-License-Identifier: MIT
"""A collector's OTLP/HTTP side as a real server that answers by a script."""

from __future__ import annotations

import json
import socket
import ssl
import tempfile
import threading
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.otlp_json import with_base64_ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.proto.trace.v1.trace_pb2 import Span
    from typing_extensions import Self

    from renacer_otel.exporters.receiver import ServerTls

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


@dataclass(frozen=True)
class Reply:
    """One scripted answer. `raw`: these bytes in place of one, then the end of the connection.

    `delay`: seconds before it; `hang`: none; `drip`: seconds between its bytes; `close`: the
    connection ends after it; `chunked`: in pieces; `early`: before the request was read.
    """

    status: int = 200
    body: bytes = b""
    kind: str = PROTOBUF
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0
    hang: bool = False
    drip: float = 0.0
    close: bool = False
    chunked: bool = False
    early: bool = False
    raw: bytes | None = None


@dataclass(frozen=True)
class Request:
    """A request as it came; `at` in seconds of CLOCK_MONOTONIC, `connection` as its peer."""

    at: float
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: object

    def message(self) -> ExportTraceServiceRequest:
        """By the official classes."""
        body = self.body
        if self.headers.get("content-encoding") == "gzip":
            body = zlib.decompress(body, wbits=31)
        if self.headers["content-type"] == PROTOBUF:
            return ExportTraceServiceRequest.FromString(body)
        assert self.headers["content-type"] == JSON
        return ParseDict(with_base64_ids(json.loads(body)), ExportTraceServiceRequest())

    def spans(self) -> list[Span]:
        """All in it."""
        return [
            span
            for resource in self.message().resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class HttpCollector:
    """See the module's docstring. What the script does not say is 200. Context manager."""

    def __init__(
        self,
        script: Iterable[Reply] = (),
        tls: ServerTls | None = None,
        path: Path | None = None,
        port: int = 0,
    ) -> None:
        self.requests: list[Request] = []
        self.ending = threading.Event()
        self._script = list(script)
        self._lock = threading.Lock()
        self._server = _Server(self, path, port)
        if tls is not None:
            self._server.socket = _context(tls).wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        scheme = "https" if tls else "http"
        self.port = 0 if path else int(self._server.server_address[1])
        self.endpoint = f"unix://{path}" if path else f"{scheme}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.end_connections()

    @property
    def spans(self) -> list[Span]:
        """All that came, refused ones included."""
        return [span for request in self.requests for span in request.spans()]

    def next_reply(self) -> Reply:
        """What the script says now."""
        with self._lock:
            return self._script.pop(0) if self._script else Reply()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, collector: HttpCollector, path: Path | None, port: int) -> None:
        self.collector = collector
        self.living: set[socket.socket] = set()
        if path is not None:
            self.address_family = socket.AF_UNIX
            self.server_name, self.server_port = "localhost", 0
        address: Any = str(path) if path is not None else ("127.0.0.1", port)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_UNIX:
            self.socket.bind(self.server_address)
        else:
            super().server_bind()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or a handshake that fails, is what tests are about."""

    def end_connections(self) -> None:
        for living in list(self.living):
            with suppress(OSError):
                socket.socket.shutdown(living, socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    connection: socket.socket

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
        reply = collector.next_reply()
        body = b"" if reply.early else self.rfile.read(int(self.headers["content-length"]))
        headers = {key.lower(): value for key, value in self.headers.items()}
        assert len(headers) == len(self.headers.items())  # none comes twice
        collector.requests.append(
            Request(time.monotonic(), self.path, headers, body, self.connection)
        )
        if reply.hang:
            collector.ending.wait()
            self.close_connection = True
            return
        if reply.delay:
            collector.ending.wait(reply.delay)
        answer = reply.raw if reply.raw is not None else _written(reply)
        pieces = [answer[at : at + 1] for at in range(len(answer))] if reply.drip else [answer]
        for piece in pieces:
            self.wfile.write(piece)
            if reply.drip and collector.ending.wait(reply.drip):
                break
        self.close_connection = reply.close or reply.raw is not None or reply.early


def _written(reply: Reply) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} As-Scripted", *(": ".join(pair) for pair in reply.headers)]
    if reply.kind:
        lines.append(f"Content-Type: {reply.kind}")
    if reply.close:
        lines.append("Connection: close")
    body = reply.body
    if reply.chunked:
        lines.append("Transfer-Encoding: chunked")
        pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])
    else:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _context(tls: ServerTls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        key, chain = Path(folder, "key"), Path(folder, "chain")
        key.write_bytes(tls.key)
        chain.write_bytes(tls.certificate)
        context.load_cert_chain(chain, key)
    if tls.client_ca is not None:
        context.load_verify_locations(cadata=tls.client_ca.decode())
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def names(spans: Sequence[Span]) -> list[str]:
    """Their names, sorted."""
    return sorted(span.name for span in spans)
