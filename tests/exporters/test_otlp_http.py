# SPDX-License-Identifier: MIT
"""The sender of OTLP/HTTP against a real server: delivery, every failure rule, the deadline."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import zlib
from email.utils import formatdate
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from renacer_otel.exporters.envelope import JsonEnvelope, OtlpEnvelope
from renacer_otel.exporters.otlp_http import OtlpHttpSender
from renacer_otel.exporters.otlp_sender import SenderCounters
from renacer_otel.exporters.otlp_settings import OtlpFlags, resolve
from tests.exporters.conftest import (
    PATIENCE,
    RunPython,
    block_of,
    free_port,
    silent_port,
    until,
)
from tests.exporters.http_server import JSON, PROTOBUF, HttpCollector, Reply, names

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.exporters.certificates import Certificates

NOTHING: Mapping[str, str] = MappingProxyType({})
RETRYABLE = [429, 502, 503, 504]
FINAL = [301, 307, 308, 400, 401, 403, 404, 405, 408, 413, 415, 500, 501, 505]


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


@pytest.mark.parametrize("status", RETRYABLE)
def test_retryable_statuses_are_tried_again(status: int) -> None:
    counters, server = deliver(Reply(status, b"later\x1b[2J", "text/plain"), Reply(status))
    assert (counters.sent, counters.rejected, counters.lost) == (5, 0, 0)
    assert (counters.retries, counters.batches) == (2, 1)
    assert [request.body for request in server.requests] == [server.requests[0].body] * 3


@pytest.mark.parametrize("status", FINAL)
def test_other_statuses_are_final_and_counted_by_reason(status: int) -> None:
    body = Status(message="no\nway\x1b " + "x" * 500).SerializeToString()
    there = (("Location", "http://127.0.0.1:1/"), ("Retry-After", "0"))
    counters, server = deliver(Reply(status, body, headers=there))
    assert (counters.sent, counters.rejected, counters.lost) == (0, 5, 0)
    assert counters.rejected_reasons == {f"HTTP {status}": 5}
    assert counters.retries == 0
    assert len(server.requests) == 1
    assert counters.last_error.startswith(f"HTTP {status}: ")
    assert r"no\nway\x1b xxx" in counters.last_error
    assert counters.last_error.isprintable()
    assert len(counters.last_error) <= 200


@pytest.mark.parametrize("status", RETRYABLE)
@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_makes_us_wait_at_least_that_long(status: int, as_date: bool) -> None:
    now = time.time()
    headers = [("Retry-After", "1")]
    if as_date:
        headers = [("Retry-After", formatdate(now + 1)), ("Date", formatdate(now))]
    counters, server = deliver(Reply(status, headers=tuple(headers)))
    assert (counters.sent, counters.retries) == (5, 1)
    first, second = server.requests
    assert second.at - first.at >= 1.0


def test_a_wait_that_does_not_fit_before_the_deadline_is_not_begun() -> None:
    before = time.monotonic()
    counters, server = deliver(Reply(503, headers=(("Retry-After", "864000"),)))
    assert time.monotonic() - before < PATIENCE / 2
    assert (counters.lost, counters.lost_reasons) == (5, {"HTTP 503": 5})
    assert len(server.requests) == 1


@pytest.mark.parametrize(("rejected", "counted"), [(2, 2), (5, 5), (9, 5), (-3, 0)])
@pytest.mark.parametrize("chunked", [False, True])
def test_partial_success_is_counted_and_never_resent(
    rejected: int, counted: int, chunked: bool
) -> None:
    partial = ExportTracePartialSuccess(rejected_spans=rejected, error_message="too\rold")
    body = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
    counters, server = deliver(Reply(body=body, chunked=chunked))
    assert (counters.sent, counters.rejected, counters.lost) == (5 - counted, counted, 0)
    assert (len(server.requests), counters.retries) == (1, 0)
    if counted:
        assert counters.rejected_reasons == {"partial success": counted}
        assert counters.last_error == r"partial success: too\rold"
        assert counters.warning == ""
    else:
        assert counters.warning == r"too\rold"


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
        sender.submit(b"\x12\x00" * 4_000_000, 5)
        counters = sender.close(PATIENCE)
    # Where the system threw the answer away with the connection, it came with a later attempt.
    assert (counters.rejected_reasons or counters.lost_reasons) == {"HTTP 413": 5}


def test_continue_before_an_answer_is_skipped() -> None:
    counters, _ = deliver(Reply(raw=b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"\r\n"))
    assert (counters.sent, counters.retries, counters.warning) == (5, 0, "")


def test_a_lost_acknowledgement_is_sent_again_and_counted_once() -> None:
    counters, server = deliver(Reply(hang=True), TIMEOUT="200")
    assert counters.sent == 5
    # Where the machine is slow, the answer to a second request comes too late, too.
    assert counters.retries >= 1
    assert len(server.requests) >= 2
    assert counters.last_error.startswith("timeout: ")


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


def test_requests_under_way_are_bounded_and_submit_waits() -> None:
    with HttpCollector([Reply(hang=True)] * 3) as server:
        sender = make_sender(server.endpoint, in_flight=3)
        for _ in range(3):
            assert sender.submit(block_of(2), 2)
        until(lambda: len(server.requests) == 3)
        taken: list[bool] = []
        fourth = threading.Thread(target=lambda: taken.append(sender.submit(block_of(7), 7)))
        fourth.start()
        fourth.join(0.2)
        assert fourth.is_alive()
        assert sender.counters().in_flight == 13
        sender.start_deadline(0.05)
        fourth.join(PATIENCE)
        assert taken == [False]
        counters = sender.close(PATIENCE)
        assert len(server.requests) == 3
    assert (counters.submitted, counters.sent, counters.lost, counters.in_flight) == (13, 0, 13, 0)
    assert sum(counters.lost_reasons.values()) == 13


def test_an_absent_collector_costs_the_deadline_and_no_more() -> None:
    sender = make_sender(f"http://127.0.0.1:{free_port()}")
    assert sender.submit(block_of(5), 5)
    until(lambda: sender.counters().retries >= 1)
    before = time.monotonic()
    counters = sender.close(0.5)
    assert 0.3 < time.monotonic() - before < PATIENCE / 2
    assert (counters.lost, counters.in_flight) == (5, 0)
    assert counters.lost_reasons == {"no connection": 5}
    assert "connection refused: no collector listens there" in counters.last_error


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_collector_that_accepts_and_is_silent_costs_the_deadline(scheme: str) -> None:
    with silent_port() as port:
        sender = make_sender(f"{scheme}://127.0.0.1:{port}", {"TIMEOUT": "0"})
        assert sender.submit(block_of(5), 5)
        before = time.monotonic()
        counters = sender.close(0.3)
        assert time.monotonic() - before < PATIENCE / 2
    assert (counters.lost, counters.in_flight) == (5, 0)


def test_a_server_that_does_not_read_costs_the_deadline_and_no_more() -> None:
    """More than the buffers on the way take."""
    with silent_port() as port:
        sender = make_sender(f"http://127.0.0.1:{port}", {"TIMEOUT": "0"})
        assert sender.submit(b"\x12\x00" * 10_000_000, 5)
        before = time.monotonic()
        counters = sender.close(0.3)
        assert time.monotonic() - before < PATIENCE / 2
    assert (counters.lost, counters.in_flight) == (5, 0)


@pytest.mark.parametrize("secure", [False, True])
def test_a_hanging_answer_is_cancelled_at_the_deadline_and_threads_end(
    pki: Certificates, secure: bool
) -> None:
    before = set(threading.enumerate())
    with HttpCollector([Reply(hang=True)] * 4, pki.server if secure else None) as server:
        ca = pki.path("ca.pem") if secure else None
        sender = make_sender(server.endpoint, {"TIMEOUT": "0"}, certificate=ca)
        for _ in range(4):
            sender.submit(block_of(1), 1)
        until(lambda: len(server.requests) == 4)
        begun = time.monotonic()
        counters = sender.close(0.2)
        assert time.monotonic() - begun < PATIENCE / 2
        for thread in set(threading.enumerate()) - before:
            if thread.name.startswith("renacer-otlp"):
                thread.join(PATIENCE)
                assert not thread.is_alive()
    assert (counters.lost, counters.in_flight) == (4, 0)


def test_a_collector_that_comes_late_and_one_that_restarts_get_everything() -> None:
    port = free_port()
    sender = make_sender(f"http://127.0.0.1:{port}")
    sender.submit(block_of(5), 5)
    until(lambda: sender.counters().retries >= 1)
    with HttpCollector(port=port) as first:
        until(lambda: sender.counters().sent == 5)
    sender.submit(block_of(6, 100), 6)
    with HttpCollector(port=port) as second:
        counters = sender.close(PATIENCE)
    assert (counters.sent, counters.lost) == (11, 0)
    assert (len(first.spans), len(second.spans)) == (5, 6)


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


def test_what_is_submitted_after_the_end_is_lost_and_counted() -> None:
    with HttpCollector() as server:
        sender = make_sender(server.endpoint)
        assert sender.submit(block_of(5), 5)
        assert sender.close(PATIENCE).sent == 5
        assert not sender.submit(block_of(3), 3)
        counters = sender.close(PATIENCE)
    assert (counters.submitted, counters.sent, counters.lost, counters.in_flight) == (8, 5, 3, 0)


def test_closing_a_sender_that_never_sent_is_instant() -> None:
    sender = make_sender("http://127.0.0.1:1")
    assert sender.close(PATIENCE) == SenderCounters()
    sender.open()
    assert sender.close() == SenderCounters()


def test_many_threads_and_a_moody_collector_and_every_span_is_accounted_for() -> None:
    statuses = RETRYABLE + FINAL
    script = [
        Reply(statuses[number * 7 % len(statuses)], close=number % 3 == 0) for number in range(72)
    ]
    with HttpCollector(script) as server:
        sender = make_sender(server.endpoint, in_flight=8)

        def feed(offset: int) -> None:
            for number in range(25):
                spans = 1 + (number + offset) % 9
                sender.submit(block_of(spans), spans)

        feeders = [threading.Thread(target=feed, args=(offset,)) for offset in range(4)]
        for feeder in feeders:
            feeder.start()
        for feeder in feeders:
            feeder.join()
        counters = sender.close(PATIENCE)
    assert counters.submitted == sum(1 + (n + o) % 9 for o in range(4) for n in range(25))
    assert counters.submitted == counters.sent + counters.rejected
    assert counters.rejected == sum(counters.rejected_reasons.values()) > 0
    assert set(counters.rejected_reasons) == {f"HTTP {status}" for status in FINAL}
    assert len(server.requests) == 100 + counters.retries


def test_nothing_is_imported_early(run_python: RunPython) -> None:
    done = run_python(
        "import sys\n"
        "from renacer_otel.exporters.otlp_http import OtlpHttpSender\n"
        "from renacer_otel.exporters.otlp_settings import OtlpFlags, resolve\n"
        "flags = OtlpFlags(endpoint='http://127.0.0.1:1', protocol='http/protobuf')\n"
        "settings = resolve(flags, {}).settings\n"
        "class Plain:\n"
        "    def wrap(self, block): return bytes(block)\n"
        "sender = OtlpHttpSender(settings, Plain())\n"
        "heavy = ('grpc', 'google', 'opentelemetry', 'ssl', 'http', 'socket', 'email')\n"
        "print([name for name in sys.modules if name.split('.')[0] in heavy])\n"
        "sender.submit(b'x', 1)\n"
        "print('http.client' in sys.modules, 'grpc' in sys.modules, sender.close(0.2).lost)\n"
    )
    assert (done.stdout, done.stderr, done.returncode) == ("[]\nTrue False 1\n", "", 0)


def test_a_process_can_end_while_a_request_hangs(run_python: RunPython) -> None:
    with silent_port() as port:
        before = time.monotonic()
        done = run_python(
            "from renacer_otel.exporters.senders import make_sender\n"
            "from renacer_otel.exporters.otlp_settings import OtlpFlags, resolve\n"
            f"flags = OtlpFlags(endpoint='http://127.0.0.1:{port}', timeout_ms=0,"
            " protocol='http/json')\n"
            "sender = make_sender(resolve(flags, {}).settings, {})\n"
            "sender.submit(b'', 1)\n"
            "print(sender.close(0.1).lost)\n"
        )
        assert time.monotonic() - before < PATIENCE / 2
    assert (done.stdout, done.stderr, done.returncode) == ("1\n", "", 0)


def test_no_descriptor_is_left_open() -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    deliver()
    before = count()
    for _ in range(5):
        deliver(Reply(503), Reply(raw=b""), Reply(close=True))
    until(lambda: count() <= before)
