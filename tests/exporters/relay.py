# SPDX-License-Identifier: MIT
"""A TCP relay before a collector, which makes the network fail as networks do."""

from __future__ import annotations

import select
import socket
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.exporters.conftest import PATIENCE

if TYPE_CHECKING:
    from typing_extensions import Self

# HTTP/2: an empty SETTINGS, then GOAWAY: no stream was looked at, ENHANCE_YOUR_CALM.
GOAWAY = b"\0\0\0\x04\0\0\0\0\0" + b"\0\0\x08\x07\0\0\0\0\0" + struct.pack(">II", 0, 0xB)
_LOOK_S = 0.02


def reset(connection: socket.socket) -> None:
    """Ends a connection by RST."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class _Pair:
    """A connection and ours to the server. Once `lost`, what comes is read and goes nowhere;
    `ending`: how its own thread is to end it: "reset" or "goodbye"."""

    def __init__(self, client: socket.socket, server: socket.socket | None) -> None:
        self.client, self.server = client, server
        self.lost = server is None
        self.ending = ""
        self.ended = threading.Event()

    def close(self) -> None:
        for end in (self.client, self.server):
            if end is not None:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """By the thread that reads from the client."""
        if self.ending == "reset":
            reset(self.client)
        self.close()
        self.ended.set()


class Relay:
    """To a port of this machine, from another one. Context manager.

    begin(fault) to end(): "refused": nobody listens; "reset": RST in the middle of what comes;
    "goodbye": connections end, new ones after `farewell`; "hang": accepted, not read, never
    answered; "half-open": what comes is lost without a word. Connections that "hang" or are
    "half-open" stay so for ever: it is new ones that work again.
    """

    def __init__(self, target: int) -> None:
        self.accepted = 0
        self.carried = 0  # bytes from clients
        self.farewell = b""
        self._target = target
        self._fault = ""
        self._pairs: list[_Pair] = []
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for pair in self._pairs:
            pair.ending = pair.ending or "goodbye"
            pair.close()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        for pair in self._pairs:
            for end in (pair.client, pair.server):
                if end is not None:
                    end.close()
        if self._listener is not None:
            self._listener.close()

    def begin(self, fault: str) -> None:
        """From now on."""
        with self._lock:
            self._fault = fault
            if fault == "refused" and self._listener is not None:
                self._listener.close()
                self._listener = None
            for pair in self._pairs:
                if fault in ("hang", "half-open"):
                    pair.lost = True
                else:
                    pair.ending = "reset" if fault == "reset" else "goodbye"
        for pair in self._pairs:
            if pair.ending:
                assert pair.ended.wait(PATIENCE)

    def end(self) -> None:
        """New connections work again."""
        with self._lock:
            self._fault = ""
            if self._listener is None:
                self._listener = socket.create_server(("127.0.0.1", self.port))

    def _accept(self) -> None:
        while not self._ended.is_set():
            listener = self._listener
            if listener is None:
                self._ended.wait(_LOOK_S)
                continue
            with suppress(OSError, ValueError):
                if select.select([listener], [], [], _LOOK_S)[0]:
                    self._take(listener.accept()[0])

    def _take(self, client: socket.socket) -> None:
        self.accepted += 1
        with self._lock:
            fault = self._fault
            if fault == "refused":
                reset(client)
                return
            server = None if fault else socket.create_connection(("127.0.0.1", self._target))
            pair = _Pair(client, server)
            self._pairs.append(pair)
            if fault == "hang":
                return
            directions = (
                [(client, server)] if server is None else [(client, server), (server, client)]
            )
            for source, sink in directions:
                thread = threading.Thread(target=self._carry, args=(pair, source, sink, fault))
                self._threads.append(thread)
                thread.start()

    def _carry(
        self, pair: _Pair, source: socket.socket, sink: socket.socket | None, fault: str
    ) -> None:
        with suppress(OSError, ValueError):
            if fault == "goodbye":
                source.sendall(self.farewell)
                pair.ending = fault
            while not pair.ending:
                if not select.select([source], [], [], _LOOK_S)[0]:
                    continue
                data = source.recv(65536)
                if source is pair.client:
                    self.carried += len(data)
                if fault == "reset":
                    pair.ending = fault
                elif sink is not None and not pair.lost:
                    if not data:
                        sink.shutdown(socket.SHUT_WR)
                    sink.sendall(data)
                if not data:
                    break
        if source is pair.client:
            pair.end()
