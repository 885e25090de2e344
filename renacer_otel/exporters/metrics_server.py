# SPDX-License-Identifier: MIT
"""Answers GET and HEAD of a few pages: /metrics and /readyz, for Prometheus and the like.

One thread serves all connections without ever waiting for one of them. What a peer can do is
bounded: MAX_CONNECTIONS at a time (the one that has been silent the longest makes room for a new
one), MAX_HEAD bytes of a request, PATIENCE_S seconds for it and for taking the answer; no body is
read, every connection ends with its answer. A page is made when it is asked for, at most once in
`fresh_s`, so that asking often costs little.
"""

from __future__ import annotations

import errno
import re
import selectors
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.errors import ConfigError, OutputError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Self

MAX_CONNECTIONS = 64
MAX_HEAD = 8192
PATIENCE_S = 5.0
DEFAULT_PORT = 9464  # of OpenTelemetry's Prometheus exporters
_PAUSE_S = 0.1  # without descriptors for new connections
_REQUEST = rb"(GET|HEAD) ([!-~]{1,2048}) HTTP/1\.[01]"
_HOST = r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9._~-]{1,32})?\]"
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Page(NamedTuple):
    """An answer."""

    body: str
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200


def readiness(reason: Callable[[], str]) -> Callable[[], Page]:
    """The page /readyz: 200 if `reason` says nothing, else 503 with what it says."""

    def page() -> Page:
        why = reason()
        return Page(f"not ready: {one_line(why)}\n", status=503) if why else Page("ready\n")

    return page


def parse_address(text: str, name: str) -> tuple[str, int]:
    """HOST:PORT, :PORT or PORT; without a host, 127.0.0.1. Raises ConfigError."""
    host, _, port = text.rpartition(":")
    host = host or "127.0.0.1"
    if not re.fullmatch(_HOST, host) or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ConfigError(
            f"{name}: '{one_line(text, 60)}' is no address; write HOST:PORT, as"
            f" 127.0.0.1:{DEFAULT_PORT}"
        )
    return host.strip("[]"), int(port)


class _Connection:
    """A peer: what came of its request, what is left of the answer."""

    def __init__(self, peer: socket.socket) -> None:
        self.socket = peer
        self.until = time.monotonic() + PATIENCE_S
        self.head = b""
        self.answer: memoryview | None = None


class MetricsServer:
    """See the module's docstring. Use: open(), start(), close(). Port 0 = any free one.

    `pages`: what makes the answer for a path. They are called in the server's thread; one that
    raises is told to the peer as 500, without words.
    """

    def __init__(
        self,
        address: tuple[str, int],
        pages: Mapping[str, Callable[[], Page]],
        fresh_s: float = 0.25,
    ) -> None:
        self._address = address
        self._pages = pages
        self._fresh_s = fresh_s
        self._made: dict[str, tuple[float, Page]] = {}
        self._connections: dict[socket.socket, _Connection] = {}  # in the order they came
        self._selector: selectors.BaseSelector | None = None
        self._listener: socket.socket | None = None
        self._wake: tuple[socket.socket, socket.socket] | None = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._closed_until = 0.0  # no new connections before

    # --- life ---------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """That it listens on."""
        assert self._listener is not None  # opened
        return int(self._listener.getsockname()[1])

    def open(self) -> None:
        """Takes the address; nobody is answered before start(). Raises OutputError."""
        host, port = self._address
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            family, kind, protocol, _, address = found[0]
            listener = socket.socket(family, kind, protocol)
        except OSError as error:
            raise OutputError(f"cannot listen on {host}:{port}: {error.strerror}") from None
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            listener.bind(address)
            listener.listen(MAX_CONNECTIONS)
        except OSError as error:
            listener.close()
            hint = "; choose another port" if error.errno == errno.EADDRINUSE else ""
            raise OutputError(f"cannot listen on {host}:{port}: {error.strerror}{hint}") from None
        self._listener = listener

    def start(self) -> None:
        """Begins to answer. Raises RuntimeError where there can be no thread."""
        assert self._listener is not None  # opened
        self._wake = socket.socketpair()
        for end in self._wake:
            end.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake[0], selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, name="renacer-http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends all connections; idempotent."""
        self._ending.set()
        if self._wake is not None and self._thread is not None:
            with suppress(OSError):
                self._wake[1].send(b"x")
            self._thread.join()
            self._thread = None
        if self._selector is not None:
            self._selector.close()
            self._selector = None
        for end in (self._listener, *(self._wake or ())):
            if end is not None:
                end.close()
        self._listener = self._wake = None

    def __enter__(self) -> Self:
        self.open()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- the thread ---------------------------------------------------------------------------

    def _serve(self) -> None:
        assert self._selector is not None
        while not self._ending.is_set():
            for key, _ in self._selector.select(self._next_end()):
                if self._ending.is_set():
                    break
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.data, _Connection):
                    self._go_on(key.data)
            self._end_the_late()
        for connection in list(self._connections.values()):
            self._drop(connection)

    def _next_end(self) -> float | None:
        """Seconds until something is late; None = nothing can be."""
        ends = [connection.until for connection in self._connections.values()]
        if self._closed_until:
            ends.append(self._closed_until)
        return max(min(ends) - time.monotonic(), 0.0) if ends else None

    def _end_the_late(self) -> None:
        now = time.monotonic()
        for connection in [each for each in self._connections.values() if each.until <= now]:
            if connection.answer is None and connection.head:
                self._reply(connection, Page("too late\n", status=408), with_body=True)
            self._drop(connection)
        if self._closed_until and self._closed_until <= now:
            self._closed_until = 0.0
            assert self._selector is not None
            assert self._listener is not None
            self._selector.register(self._listener, selectors.EVENT_READ)

    def _accept(self) -> None:
        assert self._selector is not None
        assert self._listener is not None
        try:
            peer, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError:
            # No descriptors or no memory: whoever waits is looked at again, not all the time.
            self._selector.unregister(self._listener)
            self._closed_until = time.monotonic() + _PAUSE_S
            return
        peer.setblocking(False)
        while len(self._connections) >= MAX_CONNECTIONS:
            self._drop(next(iter(self._connections.values())))
        connection = _Connection(peer)
        self._connections[peer] = connection
        self._selector.register(peer, selectors.EVENT_READ, connection)

    def _drop(self, connection: _Connection) -> None:
        if self._connections.pop(connection.socket, None) is None:
            return
        assert self._selector is not None
        self._selector.unregister(connection.socket)
        connection.socket.close()

    def _go_on(self, connection: _Connection) -> None:
        if connection.socket not in self._connections:
            return  # dropped since the select
        try:
            if connection.answer is None:
                self._receive(connection)
            else:
                self._send(connection)
        except BlockingIOError:
            pass
        except OSError:
            self._drop(connection)

    def _receive(self, connection: _Connection) -> None:
        data = connection.socket.recv(MAX_HEAD)
        connection.head += data
        end = re.search(rb"\r?\n\r?\n", connection.head)
        if end is None and len(connection.head) <= MAX_HEAD:
            if not data:
                self._drop(connection)
            return
        if end is None or end.end() > MAX_HEAD:
            self._reply(connection, Page("the request is too long\n", status=431), with_body=True)
            return
        line = connection.head.split(b"\n", 1)[0].rstrip(b"\r")
        match = re.fullmatch(_REQUEST, line)
        if match is None:
            other = re.fullmatch(rb"(?!GET |HEAD )[A-Z]{3,16} [!-~]+ HTTP/1\.[01]", line)
            status = 405 if other else 400
            self._reply(connection, Page(f"{_REASONS[status]}\n", status=status), with_body=True)
            return
        path = match.group(2).split(b"?", 1)[0].decode("ascii")
        self._reply(connection, self._page(path), with_body=match.group(1) == b"GET")

    def _page(self, path: str) -> Page:
        make = self._pages.get(path)
        if make is None:
            return Page(f"there is {', '.join(sorted(self._pages))}\n", status=404)
        made = self._made.get(path)
        now = time.monotonic()
        if made is not None and now - made[0] < self._fresh_s:
            return made[1]
        try:
            page = make()
        except Exception:  # noqa: BLE001 (whatever it is: the next one is to be answered)
            return Page("this page cannot be made now\n", status=500)
        self._made[path] = (now, page)
        return page

    def _reply(self, connection: _Connection, page: Page, *, with_body: bool) -> None:
        body = page.body.encode("utf-8", "backslashreplace")
        head = (
            f"HTTP/1.1 {page.status} {_REASONS[page.status]}\r\n"
            f"Content-Type: {page.content_type}\r\n"
            f"Content-Length: {len(body)}\r\n"
            "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
            "Connection: close\r\n\r\n"
        ).encode("ascii")
        connection.answer = memoryview(head + body if with_body else head)
        connection.until = time.monotonic() + PATIENCE_S
        assert self._selector is not None
        self._selector.modify(connection.socket, selectors.EVENT_WRITE, connection)
        with suppress(OSError):  # what is left goes when it can
            self._send(connection)

    def _send(self, connection: _Connection) -> None:
        assert connection.answer is not None
        connection.answer = connection.answer[connection.socket.send(connection.answer) :]
        if not connection.answer:
            # What it has not asked for, and so was not read, must not make a reset of our answer.
            with suppress(OSError):
                connection.socket.shutdown(socket.SHUT_WR)
                while connection.socket.recv(MAX_HEAD):
                    pass
            self._drop(connection)
