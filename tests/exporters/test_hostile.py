# SPDX-License-Identifier: MIT
"""Collectors that want to do harm: answers without an end, of a gigabyte, or that unpack to one.
The sender's memory and time stay within bounds, and it says what went wrong.

All cases of a protocol are gone through by one process, whose peak of memory is looked at after
each.
"""

from __future__ import annotations

import itertools
import json
import socket
import struct
import subprocess
import sys
import threading
import zlib
from contextlib import ExitStack, suppress
from functools import lru_cache
from typing import TYPE_CHECKING

import pytest

from tests.exporters import http2
from tests.exporters.conftest import PATIENCE, child_environ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

TIMEOUT_MS = 400  # of an attempt
GROWTH_MB = 96  # a flood of pings has taken 69, most take less than 48
PEAK_MB = 144
GIGABYTE = 1 << 30

CHILD = """
import json, sys, time
from renacer_otel.exporters.otlp_settings import OtlpFlags, resolve
from renacer_otel.exporters.senders import make_sender

def peak():
    with open("/proc/self/status") as file:
        status = dict(line.split(":", 1) for line in file)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return int(status["VmHWM"].split()[0]) / 1000, int(status["VmRSS"].split()[0]) / 1000

protocol, limit, *endpoints = sys.argv[1:]
for endpoint in endpoints:
    flags = OtlpFlags(endpoint=endpoint, protocol=protocol, timeout_ms=int(limit))
    sender = make_sender(resolve(flags, {}).settings, {})
    sender.open()
    before = peak()[1]
    begun = time.monotonic()
    sender.submit(b"", 5)
    while True:
        counters = sender.counters()
        if not counters.in_flight or counters.retries:
            break
        time.sleep(0.005)
    counters = sender.close(0.05)
    took, most = time.monotonic() - begun, peak()[0]
    print(json.dumps([took, most - before, most, counters.sent, counters.rejected, counters.lost,
        counters.last_error, counters.warning]), flush=True)
"""


class Hostile:
    """A server that does the same to everybody: `attack` gets a connection. Context manager."""

    def __init__(self, attack: Callable[[socket.socket, Callable[[], bool]], None]) -> None:
        self._attack = attack
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ended = False
        self._living: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        for each in (self._listener, *self._living):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._living.append(connection)
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            self._attack(connection, lambda: not self._ended)


@lru_cache
def bomb() -> bytes:
    """A gigabyte of zeros, as gzip: a block of zeros over and over."""
    zeros = bytes(1 << 22)
    packer = zlib.compressobj(9, wbits=-15)
    piece, check = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH), 0
    times = GIGABYTE // len(zeros)
    for _ in range(times):
        check = zlib.crc32(zeros, check)
    head, end = b"\x1f\x8b\x08" + bytes(6) + b"\xff", b"\x03\x00"
    return head + piece * times + end + struct.pack("<II", check, GIGABYTE)


# --- gRPC -------------------------------------------------------------------------------------

OK = http2.headers((":status", "200"), ("content-type", "application/grpc"))
OK_GZIP = OK + http2.headers(("grpc-encoding", "gzip"))


def over_http2(
    attack: Callable[[http2.Connection, int, Callable[[], bool]], None],
) -> Callable[[socket.socket, Callable[[], bool]], None]:
    def serve(connection: socket.socket, wanted: Callable[[], bool]) -> None:
        peer = http2.Connection(connection)
        peer.read_preface()
        connection.sendall(http2.frame(http2.SETTINGS))
        attack(peer, peer.until_headers(), wanted)

    return serve


def huge(peer: http2.Connection, stream: int, wanted: Callable[[], bool]) -> None:
    peer.socket.sendall(http2.block(stream, OK))
    peer.send_data(stream, b"\0" + GIGABYTE.to_bytes(4, "big"))
    while wanted():
        peer.send_data(stream, bytes(1 << 20))


def unpacks(peer: http2.Connection, stream: int, wanted: Callable[[], bool]) -> None:
    del wanted
    peer.socket.sendall(http2.block(stream, OK_GZIP))
    peer.send_data(stream, b"\1" + len(bomb()).to_bytes(4, "big") + bomb())
    end = http2.headers(("grpc-status", "0"))
    peer.socket.sendall(http2.block(stream, end, http2.END_STREAM))
    peer.until_end(stream)


def endless_headers(peer: http2.Connection, stream: int, wanted: Callable[[], bool]) -> None:
    peer.socket.sendall(http2.frame(http2.HEADERS, 0, stream, OK))
    fields = http2.headers(*((f"x-{number}", "y" * 50) for number in range(200)))
    peer.flood(itertools.repeat(http2.frame(http2.CONTINUATION, 0, stream, fields)), wanted)


def long_text(peer: http2.Connection, stream: int, wanted: Callable[[], bool]) -> None:
    del wanted
    said = http2.headers(("grpc-status", "13"), ("grpc-message", "x" * 100_000))
    peer.socket.sendall(http2.block(stream, OK + said, http2.END_STREAM))
    peer.until_end(stream)


def settings_flood(peer: http2.Connection, stream: int, wanted: Callable[[], bool]) -> None:
    del stream
    peer.flood(itertools.repeat(http2.frame(http2.SETTINGS) * 500), wanted)


def ping_flood(peer: http2.Connection, stream: int, wanted: Callable[[], bool]) -> None:
    del stream
    peer.flood(itertools.repeat(http2.frame(http2.PING, 0, 0, bytes(8)) * 500), wanted)


def empty_data(peer: http2.Connection, stream: int, wanted: Callable[[], bool]) -> None:
    peer.socket.sendall(http2.block(stream, OK))
    peer.flood(itertools.repeat(http2.frame(http2.DATA, 0, stream) * 500), wanted)


GRPC = (huge, unpacks, endless_headers, long_text, settings_flood, ping_flood, empty_data)


# --- HTTP -------------------------------------------------------------------------------------

TAKEN = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n"
REFUSED = b"HTTP/1.1 500 No\r\nContent-Type: text/plain\r\n"


def after(head: bytes, again: bytes = b"", times: int = 0) -> Callable[..., None]:
    """Reads a request's head, sends `head`, then `again` for ever (or so many times)."""

    def attack(connection: socket.socket, wanted: Callable[[], bool]) -> None:
        while b"\r\n\r\n" not in connection.recv(65_536):
            pass
        connection.sendall(head)
        pieces = itertools.repeat(again, times) if times else itertools.repeat(again)
        http2.Connection(connection).flood(pieces if again else (), wanted)

    return attack


HTTP: dict[str, Callable[[], Callable[..., None]]] = {
    "huge": lambda: after(TAKEN + b"Content-Length: 1073741824\r\n\r\n", bytes(1 << 20)),
    "without an end": lambda: after(TAKEN + b"\r\n", bytes(1 << 20)),
    "unpacks": lambda: after(
        TAKEN + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb()) + bomb()
    ),
    "endless heads": lambda: after(TAKEN, b"X: y\r\n" * 1000),
    "a long line": lambda: after(TAKEN + b"X: ", b"y" * 100_000),
    "continue": lambda: after(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "chunks": lambda: after(TAKEN + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 1000),
    "a chunk's length": lambda: after(TAKEN + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 65_536),
    "trailers": lambda: after(
        TAKEN + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 1000
    ),
    "long text": lambda: after(REFUSED + b"Content-Length: 100000\r\n\r\n" + b"x" * 100_000),
    "text without an end": lambda: after(REFUSED + b"\r\n", b"x" * 65_536),
}


def gone_through(protocol: str, attacks: list[Callable[..., None]]) -> Iterator[list[object]]:
    with ExitStack() as stack:
        endpoints = [stack.enter_context(Hostile(attack)).endpoint for attack in attacks]
        done = subprocess.run(
            [sys.executable, "-c", CHILD, protocol, str(TIMEOUT_MS), *endpoints],
            capture_output=True,
            text=True,
            timeout=len(attacks) * PATIENCE,
            check=False,
            env=child_environ(),
        )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == len(attacks)
    return map(json.loads, lines)


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_memory_and_time_are_bounded(protocol: str) -> None:
    assert 1_000_000 < len(bomb()) < 1_100_000
    cases: dict[str, Callable[..., None]]
    if protocol == "grpc":
        cases = {attack.__name__: over_http2(attack) for attack in GRPC}
    else:
        cases = {name: make() for name, make in HTTP.items()}
    told = gone_through(protocol, list(cases.values()))
    for name, line in zip(cases, told, strict=True):
        took, growth, peak, sent, rejected, lost, error, warning = line
        assert isinstance(took, float)
        assert took < PATIENCE / 2, name
        assert isinstance(growth, float)
        assert growth < GROWTH_MB, (name, growth, peak)
        assert isinstance(peak, float)
        assert peak < PEAK_MB, (name, peak)
        assert isinstance(sent, int)
        assert isinstance(rejected, int)
        assert isinstance(lost, int)
        assert sent + rejected + lost == 5, name
        said = f"{error}{warning}"
        assert said.isprintable(), name
        assert 0 < len(said) <= 400, name
