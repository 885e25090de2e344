# SPDX-License-Identifier: MIT
"""What only the HTTP sender has: heads, bodies, connections. See test_otlp_senders.py."""

from __future__ import annotations

import json
import socket
import threading
import time
import zlib
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from renacer_otel.exporters.attributes import varint
from renacer_otel.exporters.envelope import JsonEnvelope, OtlpEnvelope
from renacer_otel.exporters.http_connection import Connection
from renacer_otel.exporters.otlp_http import OtlpHttpSender
from renacer_otel.exporters.otlp_sender import SenderCounters
from renacer_otel.exporters.otlp_settings import OtlpFlags, resolve
from tests.exporters.conftest import (
    PATIENCE,
    block_of,
    free_port,
    until,
)
from tests.exporters.http_server import JSON, PROTOBUF, HttpCollector, Reply, names

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.exporters.certificates import Certificates

NOTHING: Mapping[str, str] = MappingProxyType({})


def make_sender(
    endpoint: str,
    variables: Mapping[str, str] = NOTHING,
    in_flight: int = 4,
    protocol: str = "http/protobuf",
    certificate: str | None = None,
) -> OtlpHttpSender:
    flags = OtlpFlags(endpoint=endpoint, protocol=protocol, certificate=certificate)
    named = {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in variables.items()}
    choice = resolve(flags, named)
    assert choice.settings is not None
    assert choice.warnings == ()
    envelope = JsonEnvelope if protocol == "http/json" else OtlpEnvelope
    return OtlpHttpSender(choice.settings, envelope({"service.name": "s"}), in_flight)


def deliver(
    *script: Reply, spans: int = 5, close: float = PATIENCE, **variables: str
) -> tuple[SenderCounters, HttpCollector]:
    """Sends one block to a server with a script; returns what both counted."""
    with HttpCollector(script) as server:
        sender = make_sender(server.endpoint, variables)
        assert sender.submit(block_of(spans), spans)
        return sender.close(close), server


def test_all_blocks_arrive_with_resource_scope_and_headers() -> None:
    with HttpCollector() as server:
        sender = make_sender(server.endpoint, {"HEADERS": "x-token=a%20secret"})
        for number in range(20):
            assert sender.submit(memoryview(block_of(50, 1 + number * 50)), 50)
        counters = sender.close(PATIENCE)
    bodies = sum(len(request.body) for request in server.requests)
    assert counters == SenderCounters(submitted=1000, sent=1000, batches=20, sent_bytes=bodies)
    ids = sorted(int.from_bytes(span.span_id, "big") for span in server.spans)
    assert ids == list(range(1, 1001))
    for request in server.requests:
        (resource,) = request.message().resource_spans
        assert resource.resource.attributes[0].value.string_value == "s"
        assert resource.scope_spans[0].scope.name == "renacer_otel"
        assert request.path == "/v1/traces"
        assert request.headers["host"] == f"127.0.0.1:{server.port}"
        assert request.headers["content-type"] == PROTOBUF
        assert request.headers["x-token"] == "a secret"
        assert "content-encoding" not in request.headers
        agent = request.headers["user-agent"]
        assert agent.startswith("renacer-otel/")
        assert " OTel-OTLP-Exporter-Python/" in agent


def test_json_goes_as_json() -> None:
    with HttpCollector() as server:
        sender = make_sender(server.endpoint, protocol="http/json")
        block = b'{"traceId":"%s","spanId":"%s","name":"n","kind":1}' % (b"0a" * 16, b"0b" * 8)
        assert sender.submit(block + b"," + block, 2)
        assert sender.close(PATIENCE).sent == 2
    (request,) = server.requests
    assert request.headers["content-type"] == JSON
    assert names(request.spans()) == ["n", "n"]
    assert request.spans()[0].trace_id == b"\x0a" * 16


def test_connections_are_kept_and_no_more_are_made_than_requests_are_under_way() -> None:
    with HttpCollector(
        [Reply(chunked=number % 2 == 0, body=b"") for number in range(40)]
    ) as server:
        sender = make_sender(server.endpoint, in_flight=2)
        for _ in range(40):
            sender.submit(block_of(1), 1)
        counters = sender.close(PATIENCE)
    assert (counters.sent, counters.retries) == (40, 0)
    assert 1 <= len({request.connection for request in server.requests}) <= 2


@pytest.mark.parametrize("how", [Reply(close=True), Reply(raw=b"HTTP/1.0 200 OK\r\n\r\n")])
def test_a_server_that_closes_after_each_answer_gets_everything(how: Reply) -> None:
    with HttpCollector([how] * 10) as server:
        sender = make_sender(server.endpoint, in_flight=1)
        for _ in range(10):
            sender.submit(block_of(1), 1)
        counters = sender.close(PATIENCE)
    assert (counters.sent, counters.retries, counters.warning) == (10, 0, "")
    assert len({request.connection for request in server.requests}) == 10


def test_a_server_that_closes_idle_connections_costs_no_attempt() -> None:
    with HttpCollector() as server:
        sender = make_sender(server.endpoint, in_flight=1)
        sender.submit(block_of(1), 1)
        until(lambda: sender.counters().sent == 1)
        server._server.end_connections()
        until(lambda: not server._server.living)
        sender.submit(block_of(1), 1)
        counters = sender.close(PATIENCE)
    assert (counters.sent, counters.retries) == (2, 0)


def test_partial_success_in_json() -> None:
    said = {"partialSuccess": {"rejectedSpans": "2", "errorMessage": "old"}}
    with HttpCollector([Reply(body=json.dumps(said).encode(), kind=JSON)]) as server:
        sender = make_sender(server.endpoint, protocol="http/json")
        sender.submit(b"{}", 5)
        counters = sender.close(PATIENCE)
    assert (counters.sent, counters.rejected) == (3, 2)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (OK + b"Content-Length: 100\r\n\r\nabc", "is cut off"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", "is cut off"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab", "is cut off"),
        (OK + b"Content-Length: 3\r\n\r\n\xff\xff\xff", "is unreadable"),
        (OK + b"\r\n" + b"x" * 4_194_305, "more than 4 MiB"),
        (OK + b"Content-Length: 9999999999\r\n\r\n" + b"x" * 4_300_000, "more than 4 MiB"),
    ],
)
def test_ok_with_a_bad_body_is_ok_and_told(raw: bytes, words: str) -> None:
    counters, server = deliver(Reply(raw=raw))
    assert (counters.sent, counters.retries, len(server.requests)) == (5, 0, 1)
    assert words in counters.warning


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "closed without an answer"),
        (b"HTT", "not an OTLP/HTTP port"),
        (b"\x00\x00\x18\x04\x00\x00\x00\x00\x00" * 3, "not an OTLP/HTTP port"),
        (b"HTTP/1.1 20x OK\r\n\r\n", "not an OTLP/HTTP port"),
        (b"\x15\x03\x01\x00\x02\x02\x16", "wants TLS"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", "bad answer"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000 + b"\r\n\r\n", "bad answer"),
    ],
)
def test_what_is_no_answer_is_tried_again(raw: bytes, words: str) -> None:
    counters, server = deliver(Reply(raw=raw))
    assert (counters.sent, counters.retries, len(server.requests)) == (5, 1, 2)
    assert words in counters.last_error
    assert counters.last_error.isprintable()


def test_an_answer_that_comes_before_the_request_was_read_counts() -> None:
    """A server that takes no request of that size says so, and does not read it."""
    with HttpCollector([Reply(413, early=True, close=True)] * 20) as server:
        sender = make_sender(server.endpoint)
        body = b"\x2a" + varint(7_999_995) + bytes(7_999_995)  # one span with a long name
        sender.submit(b"\x12" + varint(len(body)) + body, 5)
        counters = sender.close(PATIENCE)
    # Where the system threw the answer away with the connection, it came with a later attempt.
    assert (counters.rejected_reasons or counters.lost_reasons) == {"HTTP 413": 5}


@pytest.mark.parametrize("status", [400, 200])
def test_an_answer_that_a_reset_ends(status: int) -> None:
    """As a server of HTTPS refuses plain HTTP: no length, and a reset behind the words."""

    def serve() -> None:
        for _ in range(2):
            peer, _ = listener.accept()
            with peer:
                peer.recv(1)  # the rest unread: closing resets
                peer.sendall(b"HTTP/1.0 %d So\r\n\r\nwords of the server" % status)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        server = threading.Thread(target=serve)
        server.start()
        connection = Connection(f"127.0.0.1:{listener.getsockname()[1]}", None)
        try:
            for _ in range(2):
                answer = connection.post(b"x" * 5_000, time.monotonic() + PATIENCE)
                assert answer.status == status
                # Of an answer to what was taken nothing may be missing.
                assert answer.body == (b"words of the server" if status == 400 else None)
        finally:
            connection.close()
            server.join()


def test_continue_before_an_answer_is_skipped() -> None:
    counters, _ = deliver(Reply(raw=b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"\r\n"))
    assert (counters.sent, counters.retries, counters.warning) == (5, 0, "")


@pytest.mark.parametrize("secure", [False, True])
def test_an_answer_byte_by_byte_is_ended_by_the_timeout(pki: Certificates, secure: bool) -> None:
    """Each byte comes soon enough, the answer does not."""
    tls = pki.server if secure else None
    with HttpCollector([Reply(drip=0.05)], tls) as server:
        ca = pki.path("ca.pem") if secure else None
        sender = make_sender(server.endpoint, {"TIMEOUT": "500"}, certificate=ca)
        sender.submit(block_of(5), 5)
        counters = sender.close(PATIENCE)
        first, second = server.requests[:2]
    assert counters.sent == 5
    # 100 bytes of an answer take 5 s.
    assert second.at - first.at < 4.0
    assert counters.last_error.startswith("timeout: ")


def test_another_address_of_the_host_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    found = socket.getaddrinfo
    dead = free_port()

    def two(host: str, port: int, **how: int) -> list[object]:
        return [*found("127.0.0.1", dead, **how), *found(host, port, **how)]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    counters, _ = deliver()
    assert (counters.sent, counters.retries) == (5, 0)


def test_a_host_without_an_address_is_told() -> None:
    sender = make_sender("http://no-such-host.invalid:4318")
    sender.submit(block_of(5), 5)
    until(lambda: bool(sender.counters().last_error))
    assert "the host name cannot be resolved" in sender.close(0.1).last_error


def test_a_unix_socket(tmp_path: Path) -> None:
    with HttpCollector(path=tmp_path / "otlp.sock") as server:
        sender = make_sender(server.endpoint)
        sender.submit(block_of(5), 5)
        assert sender.close(PATIENCE).sent == 5
    assert server.requests[0].path == "/v1/traces"
    assert server.requests[0].headers["host"] == "localhost"
    sender = make_sender(server.endpoint.replace("otlp", "none"))
    sender.submit(block_of(5), 5)
    until(lambda: bool(sender.counters().last_error))
    assert "No such file" in sender.close(0.1).last_error


def test_gzip_is_said_and_shrinks_the_body() -> None:
    counters, server = deliver(spans=5_000, COMPRESSION="gzip")
    (request,) = server.requests
    assert request.headers["content-encoding"] == "gzip"
    plain = zlib.decompress(request.body, wbits=31)
    assert counters.sent_bytes == len(plain) > 2 * len(request.body)
    assert len(request.spans()) == counters.sent == 5_000
