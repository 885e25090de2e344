# SPDX-License-Identifier: MIT
"""The sender against a real gRPC server: delivery, every failure rule, and the deadline."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from renacer_otel.exporters import otlp_sender
from renacer_otel.exporters.envelope import OtlpEnvelope
from renacer_otel.exporters.otlp_endpoint import parse_endpoint
from renacer_otel.exporters.otlp_grpc import OtlpGrpcSender
from renacer_otel.exporters.otlp_sender import SenderCounters
from renacer_otel.exporters.otlp_settings import OtlpSettings
from renacer_otel.exporters.receiver import Receiver, Reply
from tests.exporters.conftest import (
    PATIENCE,
    RunPython,
    block_of,
    free_port,
    silent_port,
    until,
)

if TYPE_CHECKING:
    from typing_extensions import Self


RETRYABLE = [
    "CANCELLED",
    "DEADLINE_EXCEEDED",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNAVAILABLE",
    "DATA_LOSS",
]
FINAL = [
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
    "FAILED_PRECONDITION",
    "UNIMPLEMENTED",
    "INTERNAL",
    "RESOURCE_EXHAUSTED",
]


def make_sender(
    endpoint: str,
    in_flight: int = 4,
    timeout_ms: int = 10_000,
    headers: tuple[tuple[str, str], ...] = (),
    gzip: bool = False,
) -> OtlpGrpcSender:
    target, shown, secure, _ = parse_endpoint(endpoint, "test")
    settings = OtlpSettings(
        target, shown, secure, timeout_ms=timeout_ms, headers=headers, gzip=gzip
    )
    return OtlpGrpcSender(settings, OtlpEnvelope({"service.name": "s"}), in_flight)


def deliver(
    *script: Reply, spans: int = 5, close: float = PATIENCE
) -> tuple[SenderCounters, Receiver]:
    """Sends one block to a receiver with a script; returns what both counted."""
    with Receiver(script=script) as receiver:
        sender = make_sender(receiver.endpoint)
        assert sender.submit(block_of(spans), spans)
        return sender.close(close), receiver


def test_all_blocks_arrive_with_resource_scope_and_headers() -> None:
    with Receiver() as receiver:
        sender = make_sender(receiver.endpoint, headers=(("x-token", "secret"),))
        for number in range(20):
            assert sender.submit(memoryview(block_of(50, 1 + number * 50)), 50)
        counters = sender.close(PATIENCE)
    assert counters == SenderCounters(
        submitted=1000, sent=1000, batches=20, sent_bytes=receiver.totals()["bytes"]
    )
    received = receiver.spans
    assert sorted(int.from_bytes(item.span.span_id, "big") for item in received) == list(
        range(1, 1001)
    )
    assert {item.scope.name for item in received} == {"renacer_otel"}
    assert {item.resource.attributes[0].value.string_value for item in received} == {"s"}
    for call in receiver.calls:
        metadata = dict(call.metadata)
        assert metadata["x-token"] == "secret"
        agent = str(metadata["user-agent"])
        assert agent.startswith("renacer-otel/")
        assert " OTel-OTLP-Exporter-Python/" in agent


@pytest.mark.parametrize("code", RETRYABLE)
def test_retryable_codes_are_tried_again(code: str) -> None:
    counters, receiver = deliver(Reply(code, "later\x1b[2J"), Reply(code))
    assert (counters.sent, counters.rejected, counters.lost) == (5, 0, 0)
    assert (counters.retries, counters.batches) == (2, 1)
    assert receiver.totals()["requests"] == 3
    assert receiver.count == 5


@pytest.mark.parametrize("code", FINAL)
def test_other_codes_are_final_and_counted_by_reason(code: str) -> None:
    counters, receiver = deliver(Reply(code, "no\nway " + "x" * 500))
    assert (counters.sent, counters.rejected, counters.lost) == (0, 5, 0)
    assert counters.rejected_reasons == {code: 5}
    assert counters.retries == 0
    assert receiver.totals()["requests"] == 1
    assert counters.last_error.startswith(code)
    assert counters.last_error.isprintable()
    assert len(counters.last_error) <= 200


@pytest.mark.parametrize("trailer", ["status", "retryinfo"])
@pytest.mark.parametrize("code", ["RESOURCE_EXHAUSTED", "UNAVAILABLE"])
def test_retry_info_makes_us_wait_at_least_that_long(code: str, trailer: str) -> None:
    counters, receiver = deliver(Reply(code, retry_after=0.3, retry_in=trailer))
    assert (counters.sent, counters.retries) == (5, 1)
    first, second = receiver.calls
    assert second.at - first.at >= 0.3


def test_a_final_code_stays_final_with_retry_info() -> None:
    counters, _ = deliver(Reply("INVALID_ARGUMENT", retry_after=0.01))
    assert counters.rejected_reasons == {"INVALID_ARGUMENT": 5}


def test_a_wait_that_does_not_fit_before_the_deadline_is_not_begun() -> None:
    before = time.monotonic()
    counters, receiver = deliver(Reply("UNAVAILABLE", retry_after=864_000), close=PATIENCE)
    assert time.monotonic() - before < PATIENCE / 2
    assert (counters.lost, counters.lost_reasons) == (5, {"UNAVAILABLE": 5})
    assert receiver.totals()["requests"] == 1


@pytest.mark.parametrize(
    ("rejected", "counted"), [(2, 2), (5, 5), (9, 5), (-3, 0), (-(1 << 63), 0), ((1 << 63) - 1, 5)]
)
def test_partial_success_is_counted_and_never_resent(rejected: int, counted: int) -> None:
    counters, receiver = deliver(Reply(rejected=rejected, message="too\rold"))
    assert (counters.sent, counters.rejected, counters.lost) == (5 - counted, counted, 0)
    assert receiver.totals()["requests"] == 1
    assert counters.retries == 0
    if counted:
        assert counters.rejected_reasons == {"partial success": counted}
        assert counters.last_error == r"partial success: too\rold"
        assert counters.warning == ""


def test_a_remark_without_rejection_is_a_warning_only() -> None:
    counters, _ = deliver(Reply(message="please\x07 hurry"))
    assert (counters.sent, counters.rejected, counters.last_error) == (5, 0, "")
    assert counters.warning == r"please\x07 hurry"


@pytest.mark.parametrize("body", [b"\xff\xff\xff", b"\x0a\xff\xff\xff\xff\x0f"])
def test_ok_with_a_garbage_body_is_ok_and_told(body: bytes) -> None:
    counters, receiver = deliver(Reply(body=body))
    assert (counters.sent, receiver.totals()["requests"]) == (5, 1)
    assert "unreadable" in counters.warning


def test_unknown_fields_in_an_answer_are_ignored() -> None:
    counters, _ = deliver(Reply(body=b"\x12\x03abc"))
    assert (counters.sent, counters.warning) == (5, "")


def test_a_lost_acknowledgement_is_sent_again_and_counted_once() -> None:
    with Receiver(script=[Reply(hang=True, keep=True)]) as receiver:
        sender = make_sender(receiver.endpoint, timeout_ms=200)
        sender.submit(block_of(5), 5)
        counters = sender.close(PATIENCE)
    requests = receiver.totals()["requests"]
    assert counters.sent == 5
    # Where the machine is slow, the answer to a second request comes too late, too.
    assert counters.retries >= 1
    assert receiver.count == 5 * requests >= 10
    assert counters.last_error.startswith("DEADLINE_EXCEEDED")


def test_calls_in_flight_are_bounded_and_submit_waits() -> None:
    with Receiver(script=[Reply(hang=True)] * 3) as receiver:
        sender = make_sender(receiver.endpoint, in_flight=3)
        for _ in range(3):
            assert sender.submit(block_of(2), 2)
        assert receiver.wait_for_calls(3, PATIENCE)
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
        assert receiver.totals()["requests"] == 3
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
    assert counters.lost_reasons == {"UNAVAILABLE": 5}
    assert "refused" in counters.last_error


def test_a_collector_that_accepts_and_is_silent_costs_the_deadline_and_no_more() -> None:
    with silent_port() as port:
        sender = make_sender(f"http://127.0.0.1:{port}", timeout_ms=0)
        assert sender.submit(block_of(5), 5)
        before = time.monotonic()
        counters = sender.close(0.3)
        assert time.monotonic() - before < PATIENCE / 2
    assert (counters.lost, counters.in_flight) == (5, 0)


def test_a_hanging_answer_without_a_timeout_is_cancelled_at_the_deadline() -> None:
    with Receiver(script=[Reply(hang=True)]) as receiver:
        sender = make_sender(receiver.endpoint, timeout_ms=0)
        sender.submit(block_of(5), 5)
        assert receiver.wait_for_calls(1, PATIENCE)
        before = time.monotonic()
        counters = sender.close(0.2)
        assert time.monotonic() - before < PATIENCE / 2
    assert (counters.lost, counters.in_flight) == (5, 0)


def test_closing_ends_all_threads_of_the_sender() -> None:
    before = set(threading.enumerate())
    with Receiver(script=[Reply(hang=True)]) as receiver:
        sender = make_sender(receiver.endpoint)
        for _ in range(4):
            sender.submit(block_of(1), 1)
        sender.close(0.1)
        for thread in set(threading.enumerate()) - before:
            if thread.name.startswith("renacer-otlp"):
                thread.join(PATIENCE)
                assert not thread.is_alive()


def test_a_collector_that_comes_late_gets_everything() -> None:
    port = free_port()
    sender = make_sender(f"http://127.0.0.1:{port}")
    sender.submit(block_of(5), 5)
    until(lambda: sender.counters().retries >= 1)
    with Receiver(port=port) as receiver:
        sender.submit(block_of(6, 100), 6)
        counters = sender.close(PATIENCE)
    assert (counters.sent, counters.lost, receiver.count) == (11, 0, 11)
    assert counters.retries >= 1


def test_a_collector_that_restarts_gets_what_comes_then() -> None:
    with Receiver() as first:
        sender = make_sender(first.endpoint)
        sender.submit(block_of(5), 5)
        until(lambda: sender.counters().sent == 5)
    sender.submit(block_of(6), 6)
    with Receiver(port=first.port) as second:
        counters = sender.close(PATIENCE)
    assert (counters.sent, counters.lost, second.count) == (11, 0, 6)


def test_what_is_submitted_after_the_end_is_lost_and_counted() -> None:
    with Receiver() as receiver:
        sender = make_sender(receiver.endpoint)
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


def test_a_request_over_the_limit_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_sender, "MAX_REQUEST_BYTES", 100)
    counters, receiver = deliver()
    assert counters.rejected_reasons == {"request too large": 5}
    assert receiver.totals()["requests"] == 0


def test_many_threads_and_a_moody_collector_and_every_span_is_accounted_for() -> None:
    script = [
        Reply(code=(RETRYABLE + FINAL)[number * 7 % 16], rejected=0) for number in range(60)
    ] + [Reply(rejected=number % 4, message="some") for number in range(20)]
    with Receiver(script=script) as receiver:
        sender = make_sender(receiver.endpoint, in_flight=8)

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
        requests = receiver.totals()["requests"]
    assert counters.submitted == sum(1 + (n + o) % 9 for o in range(4) for n in range(25))
    assert counters.submitted == counters.sent + counters.rejected
    assert counters.rejected == sum(counters.rejected_reasons.values()) > 0
    assert set(counters.rejected_reasons) == {*FINAL, "partial success"}
    assert requests == 100 + counters.retries
    partial = counters.rejected_reasons["partial success"]
    assert receiver.count == counters.sent + partial


def test_gzip_shrinks_what_goes_over_the_wire() -> None:
    carried = []
    with Receiver() as receiver:
        for gzip in (False, True):
            with Relay(receiver.port) as relay:
                sender = make_sender(f"http://127.0.0.1:{relay.port}", gzip=gzip)
                sender.submit(block_of(5_000), 5_000)
                assert sender.close(PATIENCE).sent == 5_000
            carried.append(relay.carried)
    assert receiver.count == 10_000
    assert carried[1] < carried[0] / 2


class Relay:
    """A TCP relay for one connection that counts what the client sends."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.carried = 0
        self._target = port
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join(PATIENCE)
        self._listener.close()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self._target))
        back = threading.Thread(target=self._carry, args=(server, client, False))
        self._threads.append(back)
        back.start()
        self._carry(client, server, True)
        back.join(PATIENCE)
        client.close()
        server.close()

    def _carry(self, source: socket.socket, sink: socket.socket, count: bool) -> None:
        try:
            while data := source.recv(65536):
                if count:
                    self.carried += len(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.mark.parametrize("number", [0, 65])
def test_calls_in_flight_have_bounds(number: int) -> None:
    with pytest.raises(ValueError, match="in_flight"):
        make_sender("http://localhost:1", in_flight=number)


def test_grpc_is_neither_imported_early_nor_does_it_leave_its_variable(
    run_python: RunPython,
) -> None:
    done = run_python(
        "import os, sys\n"
        "from renacer_otel.exporters.otlp_grpc import OtlpGrpcSender\n"
        "from renacer_otel.exporters.otlp_settings import OtlpFlags, resolve\n"
        "settings = resolve(OtlpFlags(endpoint='http://127.0.0.1:1'), {}).settings\n"
        "class Plain:\n"
        "    def wrap(self, block): return bytes(block)\n"
        "sender = OtlpGrpcSender(settings, Plain())\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('grpc', 'google',"
        " 'opentelemetry', 'ssl')])\n"
        "before = dict(os.environ)\n"
        "sender.submit(b'x', 1)\n"
        "print('grpc' in sys.modules, dict(os.environ) == before, sender.close(0.2).lost)\n"
    )
    assert done.stdout == "[]\nTrue True 1\n"
    assert done.stderr == ""
    assert done.returncode == 0


def test_a_process_can_end_while_a_call_hangs(run_python: RunPython) -> None:
    with silent_port() as port:
        before = time.monotonic()
        done = run_python(
            "from renacer_otel.exporters.envelope import OtlpEnvelope\n"
            "from renacer_otel.exporters.otlp_grpc import OtlpGrpcSender\n"
            "from renacer_otel.exporters.otlp_settings import OtlpFlags, resolve\n"
            f"flags = OtlpFlags(endpoint='http://127.0.0.1:{port}', timeout_ms=0)\n"
            "sender = OtlpGrpcSender(resolve(flags, {}).settings, OtlpEnvelope({}))\n"
            "sender.submit(b'', 1)\n"
            "print(sender.close(0.1).lost)\n"
        )
        assert time.monotonic() - before < PATIENCE / 2
    assert (done.stdout, done.stderr, done.returncode) == ("1\n", "", 0)


def test_localhost_does_not_go_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    counters, _ = deliver()
    assert (counters.sent, counters.retries) == (5, 0)
    assert "http_proxy" in os.environ
