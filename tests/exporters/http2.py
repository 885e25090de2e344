# SPDX-License-Identifier: MIT
"""HTTP/2 by hand, for peers that do what no library would: frames, headers without compression, and
flow control.

Source: RFC 9113 (frames, flow control), RFC 7541 (literal header fields).
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    0,
    1,
    3,
    4,
    6,
    7,
    8,
    9,
)
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_INITIAL_WINDOW = 4  # of SETTINGS
_PIECE = 16_384  # the largest frame that everybody takes


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
    return head + payload


def _text(text: bytes) -> bytes:
    """A string of RFC 7541: its length in seven bits and more, and itself."""
    length = len(text)
    if length < 127:
        return bytes((length,)) + text
    out, rest = bytearray((127,)), length - 127
    while rest > 127:
        out.append(rest & 127 | 128)
        rest >>= 7
    out.append(rest)
    return bytes(out) + text


def headers(*pairs: tuple[str, str]) -> bytes:
    """Fields, each literal and not to be remembered."""
    return b"".join(b"\0" + _text(name.encode()) + _text(value.encode()) for name, value in pairs)


def block(stream: int, fields: bytes, flags: int = 0) -> bytes:
    """A header block in as many frames as it takes."""
    pieces = [fields[at : at + _PIECE] for at in range(0, len(fields), _PIECE)] or [b""]
    out = b""
    for number, piece in enumerate(pieces):
        last = END_HEADERS if number == len(pieces) - 1 else 0
        out += frame(
            CONTINUATION if number else HEADERS, last | (0 if number else flags), stream, piece
        )
    return out


class Connection:
    """One end of a connection. `received`: payloads of HEADERS and CONTINUATION."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.received = b""
        self.closed = False
        self._buffer = b""
        self._windows = {0: 65_535}
        self._initial = 65_535
        self._ended: set[int] = set()

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            data = self.socket.recv(65_536)
            if not data:
                raise ConnectionError
            self._buffer += data
        out, self._buffer = self._buffer[:count], self._buffer[count:]
        return out

    def read_preface(self) -> None:
        """A client's."""
        assert self._exactly(len(PREFACE)) == PREFACE

    def read(self) -> tuple[int, int, int, bytes]:
        """The next frame: kind, flags, stream, payload. Windows and settings are minded.

        Raises OSError at the end of the connection.
        """
        head = self._exactly(9)
        kind, flags = head[3], head[4]
        stream = int.from_bytes(head[5:], "big") & 0x7FFF_FFFF
        payload = self._exactly(int.from_bytes(head[:3], "big"))
        if kind == SETTINGS and not flags & ACK:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack_from(">HI", payload, at)
                if name == _INITIAL_WINDOW:
                    for number in self._windows:
                        if number:
                            self._windows[number] += value - self._initial
                    self._initial = value
            self.socket.sendall(frame(SETTINGS, ACK))
        elif kind == PING and not flags & ACK:
            self.socket.sendall(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE:
            more = int.from_bytes(payload, "big")
            self._windows[stream] = self._windows.get(stream, self._initial) + more
        elif kind in (HEADERS, CONTINUATION):
            self.received += payload
        if kind in (RST_STREAM, GOAWAY) or (kind in (HEADERS, DATA) and flags & END_STREAM):
            self._ended.add(stream)
        return kind, flags, stream, payload

    def until_end(self, stream: int) -> None:
        """Reads until the other end has ended the stream, or the connection."""
        with suppress(OSError):
            while not self._ended & {0, stream}:
                self.read()

    def until_headers(self) -> int:
        """Reads until a stream is opened, and returns it."""
        while True:
            kind, _, stream, _ = self.read()
            if kind == HEADERS:
                return stream

    def send_data(self, stream: int, data: bytes, end: bool = False) -> None:
        """As the other end's windows allow. Raises OSError when it wants no more."""
        while data:
            room = min(self._windows.setdefault(stream, self._initial), self._windows[0], _PIECE)
            if room <= 0:
                self.read()
                if self._ended & {0, stream}:
                    raise ConnectionError
                continue
            piece, data = data[:room], data[room:]
            self._windows[0] -= len(piece)
            self._windows[stream] -= len(piece)
            flags = END_STREAM if end and not data else 0
            self.socket.sendall(frame(DATA, flags, stream, piece))

    def flood(self, pieces: Iterable[bytes], wanted: Callable[[], bool]) -> None:
        """Sends for ever, or until the other end goes away."""
        for piece in pieces:
            if not wanted():
                return
            self.socket.sendall(piece)
