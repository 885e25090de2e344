# SPDX-License-Identifier: MIT
"""/metrics and /readyz, and peers that do what they want."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renacer_otel.errors import ConfigError, OutputError
from renacer_otel.exporters import metrics_server
from renacer_otel.exporters.metrics_server import (
    MAX_CONNECTIONS,
    MAX_HEAD,
    MetricsServer,
    Page,
    parse_address,
    readiness,
)
from tests.exporters.conftest import until

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCAL = ("127.0.0.1", 0)


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    pages = {
        "/metrics": lambda: Page("m 1\n", "text/plain; version=0.0.4"),
        "/big": lambda: Page("x" * 5_000_000),
        "/bad": lambda: Page(str(1 // 0)),
        "/readyz": readiness(lambda: ""),
    }
    with MetricsServer(LOCAL, pages) as running:
        yield running


def get(server: MetricsServer, path: str, method: str = "GET") -> tuple[int, str, str]:
    """Status, type and body."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        assert answer.getheader("connection") == "close"
        return answer.status, str(answer.getheader("content-type")), answer.read().decode()
    finally:
        connection.close()


def raw(server: MetricsServer, request: bytes) -> bytes:
    """All that comes back."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as peer:
        peer.sendall(request)
        pieces = []
        try:
            while piece := peer.recv(65536):
                pieces.append(piece)
        except ConnectionResetError:
            pass
        return b"".join(pieces)


def test_pages(server: MetricsServer) -> None:
    assert get(server, "/metrics") == (200, "text/plain; version=0.0.4", "m 1\n")
    assert get(server, "/metrics?name[]=m")[0] == 200
    assert get(server, "/readyz") == (200, "text/plain; charset=utf-8", "ready\n")
    status, _, body = get(server, "/")
    assert status == 404
    assert "/metrics" in body
    assert get(server, "/metrics", "HEAD") == (200, "text/plain; version=0.0.4", "")
    assert get(server, "/metrics", "POST")[0] == 405
    assert len(get(server, "/big")[2]) == 5_000_000


def test_a_page_that_fails_is_told_without_words(server: MetricsServer) -> None:
    status, _, body = get(server, "/bad")
    assert status == 500
    assert "division" not in body
    assert get(server, "/metrics")[0] == 200


def test_not_ready() -> None:
    reason = ["no collector\x1b[2J"]
    with MetricsServer(LOCAL, {"/readyz": readiness(lambda: reason[0])}, fresh_s=0) as server:
        status, _, body = get(server, "/readyz")
        assert status == 503
        assert body.startswith("not ready: no collector")
        assert "\x1b" not in body
        reason[0] = ""
        assert get(server, "/readyz")[0] == 200


def test_pages_are_not_made_for_every_asker() -> None:
    made = []

    def page() -> Page:
        made.append(1)
        return Page("x")

    with MetricsServer(LOCAL, {"/metrics": page}, fresh_s=3600) as server:
        for _ in range(20):
            assert get(server, "/metrics")[0] == 200
    assert len(made) == 1


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\n\r\n", 200),
        (b"GET /metrics HTTP/1.0\n\n", 200),
        (b"GET /metrics\r\n\r\n", 400),
        (b"GET  /metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"DELETE /metrics HTTP/1.1\r\n\r\n", 405),
        (b"GET /../../etc/passwd HTTP/1.1\r\n\r\n", 404),
        (b"GET http://x/metrics HTTP/1.1\r\n\r\n", 404),
        (b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 20_000 + b"\r\n", 431),
        (b"x" * 2_000_000, 431),
    ],
)
def test_requests_of_any_kind(server: MetricsServer, request_: bytes, status: int) -> None:
    try:
        answer = raw(server, request_)
    except (ConnectionResetError, BrokenPipeError):
        answer = b""
    if answer or len(request_) < MAX_HEAD:  # else the rest was refused by a reset
        assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:100]
    assert get(server, "/metrics")[0] == 200


def test_random_bytes(server: MetricsServer) -> None:
    for size in (1, 10, 1000, 9000):
        with socket.create_connection(("127.0.0.1", server.port)) as peer:
            peer.sendall(os.urandom(size))
    assert get(server, "/metrics")[0] == 200


def test_silent_peers_are_sent_away(server: MetricsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "PATIENCE_S", 0.3)
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as silent,
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as slow,
    ):
        slow.sendall(b"GET /met")
        begin = time.monotonic()
        assert get(server, "/metrics")[0] == 200  # meanwhile
        assert silent.recv(1) == b""
        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - begin < 10


def test_a_peer_that_drips_has_no_more_time(
    server: MetricsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is of the whole request, not of each byte."""
    monkeypatch.setattr(metrics_server, "PATIENCE_S", 0.4)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as peer:
        ended = threading.Event()

        def drip() -> None:
            with suppress(OSError):
                while not ended.wait(0.05):
                    peer.sendall(b"a")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            assert peer.recv(100).startswith(b"HTTP/1.1 408 ")
        finally:
            ended.set()
            thread.join()


def test_a_peer_that_takes_nothing(server: MetricsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "PATIENCE_S", 0.3)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as peer:
        peer.sendall(b"GET /big HTTP/1.1\r\n\r\n")
        assert get(server, "/metrics")[0] == 200
        until(lambda: not server._connections)
        assert get(server, "/metrics")[0] == 200


def test_more_peers_than_there_is_room_for(server: MetricsServer) -> None:
    """The oldest make room: who asks is answered, and memory and descriptors are bounded."""
    peers = []
    try:
        for _ in range(3 * MAX_CONNECTIONS):
            peer = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            peer.sendall(b"GET ")
            peers.append(peer)
        assert get(server, "/metrics")[0] == 200
        assert len(server._connections) <= MAX_CONNECTIONS
    finally:
        for peer in peers:
            peer.close()


def test_without_descriptors_it_waits_and_goes_on(server: MetricsServer) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = len(os.listdir("/proc/self/fd"))
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as first:
        first.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert first.recv(100)
    # The server's end goes when it has sent all: a descriptor that would be free below.
    until(lambda: len(os.listdir("/proc/self/fd")) <= before)
    with socket.socket() as second:
        used = len(os.listdir("/proc/self/fd"))
        spent: list[int] = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(used + 8, hard), hard))
        try:
            with suppress(OSError):
                while True:
                    spent.append(os.dup(0))
            second.connect(("127.0.0.1", server.port))
            second.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            until(lambda: server._closed_until != 0.0)
        finally:
            for descriptor in spent:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        second.settimeout(20)
        assert second.recv(100).startswith(b"HTTP/1.1 200 ")


def test_nothing_is_left(server: MetricsServer) -> None:
    port = server.port
    with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
        server.close()
        server.close()
        with suppress(ConnectionResetError):  # so if it was never accepted
            assert peer.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_the_tracee_cannot_have_its_descriptors(server: MetricsServer) -> None:
    for name in os.listdir("/proc/self/fd"):
        link = Path("/proc/self/fd", name)
        if link.exists() and os.readlink(link).startswith("socket:"):
            assert not os.get_inheritable(int(name)), name


def test_an_address_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OutputError, match=f"127.0.0.1:{port}: .*; choose another port"):
            MetricsServer(("127.0.0.1", port), {}).open()
    with pytest.raises(OutputError, match=r"cannot listen on no\.such\.host\.invalid:1"):
        MetricsServer(("no.such.host.invalid", 1), {}).open()


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        (":9464", ("127.0.0.1", 9464)),
        ("9464", ("127.0.0.1", 9464)),
        ("[::1]:0", ("::1", 0)),
        ("0.0.0.0:1", ("0.0.0.0", 1)),
        ("a-host.example:65535", ("a-host.example", 65535)),
    ],
)
def test_addresses(text: str, want: tuple[str, int]) -> None:
    assert parse_address(text, "--metrics-listen") == want


@pytest.mark.parametrize(
    "text", ["", "x", "h:", "h:x", "h:65536", "h:-1", "::1:9", "a b:1", "h:1\n"]
)
def test_no_addresses(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--metrics-listen: .* is no address"):
        parse_address(text, "--metrics-listen")
