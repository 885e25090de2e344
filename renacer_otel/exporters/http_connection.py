# SPDX-License-Identifier: MIT
"""A connection of HTTP/1.1 of which every request ends by a given time.

The time limits of http.client are of each read: a peer that sends a byte a second would hold it
for ever. Its reader of answers is used here, over a socket that knows when all must be over.
"""

from __future__ import annotations

import http.client
import io
import os
import select
import socket
import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from renacer_otel.exporters.http_rules import Answer
from renacer_otel.exporters.otlp_endpoint import UNIX
from renacer_otel.exporters.otlp_sender import MAX_RESPONSE_BYTES

if TYPE_CHECKING:
    import ssl

    from typing_extensions import Buffer

_PIECE = 1 << 16


class _Reader(io.RawIOBase):
    """What comes from a connection, in time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        return self._connection.receive(buffer)


class Connection:
    """To one server; connects at the first request, and again where the server has closed.

    One thread uses it; any other may kill() it: what is under way fails then, and whatever is
    tried later.
    """

    def __init__(self, target: str, context: ssl.SSLContext | None) -> None:
        self._target = target
        self._context = context
        self._socket: socket.socket | None = None
        self._killed = False
        self._until: float | None = None  # CLOCK_MONOTONIC seconds
        self._came = False  # some of the answer
        self._reset = False  # and then no more

    # --- life ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Ends it; the next request makes a new one."""
        ended, self._socket = self._socket, None
        if ended is not None:
            ended.close()

    def kill(self) -> None:
        """From another thread: ends what is under way, and forbids more."""
        self._killed = True
        living = self._socket
        if living is not None:
            with suppress(OSError):
                # Not SSLSocket's own: that one would go on in plain text.
                socket.socket.shutdown(living, socket.SHUT_RDWR)

    def _use(self, made: socket.socket) -> None:
        """From here on kill() finds it."""
        self._socket = made
        if self._killed:
            raise ConnectionAbortedError("the sender was closed")

    def _left(self, share: int = 1) -> float | None:
        if self._until is None:
            return None
        left = (self._until - time.monotonic()) / share
        if left <= 0:
            raise TimeoutError
        return left

    def _connect(self) -> None:
        if self._target.startswith(UNIX):
            made = socket.socket(socket.AF_UNIX)
            self._use(made)
            made.settimeout(self._left())
            made.connect(os.fsencode(self._target.removeprefix(UNIX)))
            return
        host, _, port = self._target.rpartition(":")
        host = host.strip("[]").replace("%25", "%")
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
        for tried, (family, kind, protocol, _, address) in enumerate(found):
            made = socket.socket(family, kind, protocol)
            self._use(made)
            try:
                # One address that swallows all leaves time for the others.
                made.settimeout(self._left(len(found) - tried))
                made.connect(address)
                break
            except OSError:
                self.close()
                if self._killed or tried == len(found) - 1:
                    raise
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is not None:
            secured = self._context.wrap_socket(
                made, server_hostname=host.partition("%")[0], do_handshake_on_connect=False
            )
            self._use(secured)
            secured.settimeout(self._left())
            secured.do_handshake()

    def _is_stale(self) -> bool:
        """Whether the server has closed it, or says something that nobody asked for."""
        if self._socket is None:
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    # --- a request ----------------------------------------------------------------------------

    def post(self, request: bytes, until: float | None) -> Answer:
        """Sends a request, head included, and reads the answer, by `until` (CLOCK_MONOTONIC).

        Raises OSError or http.client.HTTPException where there is no answer; the connection is
        closed then, and wherever the answer says so or is not whole.
        """
        self._until = until
        self._came = self._reset = False
        if self._is_stale():
            self.close()
        try:
            if self._socket is None:
                self._connect()
            broken = self._send(request)
            response = self._answer(broken)
            body, too_long = self._body(response)
        except BaseException:
            self.close()
            raise
        if body is None or broken or response.will_close:
            self.close()
        return Answer(response.status, cast("Any", response.headers), body, too_long)

    def _send(self, request: bytes) -> OSError | None:
        """None, or why it could not all be sent: there may be an answer that says more."""
        rest = memoryview(request)
        assert self._socket is not None  # connected
        while rest:
            self._socket.settimeout(self._left())
            try:
                rest = rest[self._socket.send(rest[:_PIECE]) :]
            except (BrokenPipeError, ConnectionResetError) as error:
                return error
        return None

    def receive(self, buffer: Buffer) -> int:
        """Some bytes of the answer; 0 = no more will come.

        A server that refuses before it has read all resets the connection behind its answer
        (RFC 9112 section 9.6): what came before is read all the same.
        """
        if self._socket is None:
            return 0
        self._socket.settimeout(self._left())
        try:
            size = self._socket.recv_into(buffer)
        except ConnectionResetError:
            if not self._came:
                raise
            self._reset = True
            return 0
        self._came = True
        return size

    def makefile(self, *_: object) -> io.BufferedReader:
        """As HTTPResponse wants it of a socket."""
        return io.BufferedReader(_Reader(self))

    def _answer(self, broken: OSError | None) -> http.client.HTTPResponse:
        response = http.client.HTTPResponse(cast("socket.socket", self), method="POST")
        try:
            response.begin()
        except (OSError, http.client.HTTPException) as error:
            response.close()
            raise broken or error from None
        return response

    def _body(self, response: http.client.HTTPResponse) -> tuple[bytes | None, bool]:
        """(the body, whether it is too long to be read); None = it is not there as a whole."""
        pieces, size = [], 0
        try:
            while piece := response.read(_PIECE):
                pieces.append(piece)
                size += len(piece)
                if size > MAX_RESPONSE_BYTES:
                    return None, True
        except (OSError, http.client.HTTPException, ValueError):
            return None, False
        finally:
            response.close()
        # A refusal that a reset ends where no length was given says what there is to say.
        cut = response.length or (self._reset and response.status < HTTPStatus.BAD_REQUEST)
        return (None, False) if cut else (b"".join(pieces), False)
