# SPDX-License-Identifier: MIT
"""Both senders against real servers: delivery, every failure rule, and the deadline.

What only one of them has is in test_otlp_grpc.py and test_otlp_http.py; outages are in
test_outages.py.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from renacer_otel.exporters import otlp_retry, otlp_sender
from renacer_otel.exporters.otlp_sender import SenderCounters
from tests.exporters.conftest import (
    PATIENCE,
    RunPython,
    block_of,
    free_port,
    silent_port,
    until,
)
from tests.exporters.sides import FINAL, RETRYABLE, SIDES, WAITS, Side

if TYPE_CHECKING:
    from tests.exporters.certificates import Certificates

of_both = pytest.mark.parametrize("side", SIDES, ids=repr)
SECRET = "s3cr3t-t0k3n"


@of_both
def test_all_blocks_arrive_with_resource_scope_and_headers(side: Side) -> None:
    with side.listening() as server:
        sender = side.sender(server.endpoint, HEADERS="x-token=a%20secret")
        for number in range(20):
            assert sender.submit(memoryview(block_of(50, 1 + number * 50)), 50)
        counters = sender.close(PATIENCE)
        assert side.ids(server) == list(range(1, 1001))
        assert side.resources(server) == {("s", "renacer_otel")}
        assert side.header(server, "x-token") == ["a secret"] * 20
        for agent in side.header(server, "user-agent"):
            assert agent.startswith("renacer-otel/")
            assert " OTel-OTLP-Exporter-Python/" in agent
    expected = SenderCounters(submitted=1000, sent=1000, batches=20)
    assert replace(counters, sent_bytes=0) == expected
    assert counters.sent_bytes > 20 * len(block_of(50))


@pytest.mark.parametrize(("side", "code"), RETRYABLE)
def test_retryable_codes_are_tried_again(side: Side, code: str) -> None:
    counters, server = side.deliver(side.refuse(code, "later\x1b[2J"), side.refuse(code))
    assert (counters.sent, counters.rejected, counters.lost) == (5, 0, 0)
    assert (counters.retries, counters.batches) == (2, 1)
    assert len(side.times(server)) == 3
    assert {1, 2, 3, 4, 5} == set(side.ids(server))


@pytest.mark.parametrize(("side", "code"), FINAL)
def test_other_codes_are_final_and_counted_by_reason(side: Side, code: str) -> None:
    counters, server = side.deliver(side.refuse(code, "no\nway\x1b " + "x" * 100_000))
    assert (counters.sent, counters.rejected, counters.lost) == (0, 5, 0)
    said = counters.last_error
    # gRPC itself refuses so long a text, with a code of its own.
    if side.protocol != "grpc":
        assert counters.rejected_reasons == {code: 5}
        assert said.startswith(code)
        assert r"no\nway\x1b xxx" in said
    assert counters.retries == 0
    assert len(side.times(server)) == 1
    assert said.isprintable()
    assert len(said) <= 200
    counters, _ = side.deliver(side.refuse(code, "no\nway\x1b"))
    assert counters.rejected_reasons == {code: 5}
    assert counters.last_error.startswith(code)
    assert r"no\nway\x1b" in counters.last_error


@pytest.mark.parametrize(("side", "way"), WAITS)
def test_a_wait_that_is_asked_for_is_kept(side: Side, way: str) -> None:
    codes = ["RESOURCE_EXHAUSTED", "UNAVAILABLE"] if side.protocol == "grpc" else ["HTTP 429"]
    wait = 0.3 if side.protocol == "grpc" else 1.0  # HTTP's are of whole seconds
    for code in codes:
        counters, server = side.deliver(side.refuse(code, wait=wait, way=way))
        assert (counters.sent, counters.retries) == (5, 1)
        first, second = side.times(server)
        assert second - first >= wait


@pytest.mark.parametrize(("side", "way"), WAITS)
def test_ten_days_are_capped(side: Side, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_retry, "MAX_RETRY_INFO_S", 0.2)
    code = side.retryable[0]
    counters, server = side.deliver(side.refuse(code, wait=864_000, way=way))
    assert (counters.sent, counters.retries) == (5, 1)
    first, second = side.times(server)
    assert 0.2 <= second - first < PATIENCE / 2


@of_both
def test_a_wait_that_does_not_fit_before_the_deadline_is_not_begun(side: Side) -> None:
    before = time.monotonic()
    code = side.retryable[-2]
    counters, server = side.deliver(side.refuse(code, wait=864_000))
    assert time.monotonic() - before < PATIENCE / 2
    assert (counters.lost, counters.lost_reasons) == (5, {code: 5})
    assert len(side.times(server)) == 1


@of_both
def test_attempts_at_one_request_end_by_the_export_timeout(side: Side) -> None:
    """And others are sent all the same: what cannot be delivered blocks nothing."""
    with side.listening([side.refuse(side.retryable[0])] * 1000) as server:
        settings = replace(side.settings(server.endpoint), export_timeout_ms=250)
        sender = side.sender_of(settings, in_flight=1)
        for _ in range(3):
            assert sender.submit(block_of(2), 2)
        until(lambda: sender.counters().lost == 6)
        times = side.times(server)
        assert (sender.counters().in_flight, len(times) >= 6) == (0, True)
        assert 0.3 < times[-1] - times[0] < PATIENCE / 2
        counters = sender.close(PATIENCE)
    assert counters.lost_reasons == {side.retryable[0]: 6}


@pytest.mark.parametrize(
    ("rejected", "counted"), [(2, 2), (5, 5), (9, 5), (-3, 0), (-(1 << 63), 0), ((1 << 63) - 1, 5)]
)
@of_both
def test_partial_success_is_counted_and_never_resent(
    side: Side, rejected: int, counted: int
) -> None:
    counters, server = side.deliver(side.partial(rejected, "too\rold"))
    assert (counters.sent, counters.rejected, counters.lost) == (5 - counted, counted, 0)
    assert (len(side.times(server)), counters.retries) == (1, 0)
    if counted:
        assert counters.rejected_reasons == {"partial success": counted}
        assert counters.last_error == r"partial success: too\rold"
        assert counters.warning == ""
    else:
        assert counters.warning == r"too\rold"


@of_both
def test_a_remark_without_rejection_is_a_warning_only(side: Side) -> None:
    counters, _ = side.deliver(side.partial(0, "please\x07 hurry" + "x" * 100_000))
    assert (counters.sent, counters.rejected, counters.last_error) == (5, 0, "")
    assert counters.warning.startswith(r"please\x07 hurry")
    assert len(counters.warning) <= 200


@pytest.mark.parametrize("body", [b"\xff\xff\xff", b"\x0a\xff\xff\xff\xff\x0f"])
@of_both
def test_ok_with_a_garbage_body_is_ok_and_told(side: Side, body: bytes) -> None:
    counters, server = side.deliver(side.garbage(body))
    assert (counters.sent, len(side.times(server))) == (5, 1)
    assert "unreadable" in counters.warning
    counters, _ = side.deliver(side.garbage(b"\x12\x03abc"))  # a field of a later version
    assert (counters.sent, counters.warning) == (5, "")


@of_both
def test_a_header_that_a_collector_says_again_is_not_told(side: Side) -> None:
    code = "UNAUTHENTICATED" if side.protocol == "grpc" else "HTTP 401"
    headers = f"authorization=Bearer%20{SECRET}"
    for reply in (side.refuse(code, f"bad token {SECRET}!"), side.partial(0, f"hello {SECRET}")):
        counters, _ = side.deliver(reply, HEADERS=headers)
        said = counters.last_error + counters.warning
        assert "…" in said
        assert SECRET not in said
        assert SECRET not in repr(side.settings("http://h:1", HEADERS=headers))


@of_both
def test_a_lost_acknowledgement_is_sent_again_and_counted_once(side: Side) -> None:
    counters, server = side.deliver(side.hang(), TIMEOUT="200")
    assert counters.sent == 5
    # Where the machine is slow, the answer to a second request comes too late, too.
    assert counters.retries >= 1
    requests = len(side.times(server))
    assert len(side.ids(server)) == 5 * requests >= 10
    assert set(side.ids(server)) == {1, 2, 3, 4, 5}
    assert counters.last_error.startswith(f"{side.late}: ")


@of_both
def test_requests_under_way_are_bounded_and_submit_waits(side: Side) -> None:
    with side.listening([side.hang()] * 3) as server:
        sender = side.sender(server.endpoint, in_flight=3)
        for _ in range(3):
            assert sender.submit(block_of(2), 2)
        until(lambda: len(side.times(server)) == 3)
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
        assert len(side.times(server)) == 3
    assert (counters.submitted, counters.sent, counters.lost, counters.in_flight) == (13, 0, 13, 0)
    assert sum(counters.lost_reasons.values()) == 13


@of_both
def test_an_absent_collector_costs_the_deadline_and_no_more(side: Side) -> None:
    sender = side.sender(f"http://127.0.0.1:{free_port()}")
    assert sender.submit(block_of(5), 5)
    until(lambda: sender.counters().retries >= 1)
    before = time.monotonic()
    counters = sender.close(0.5)
    assert 0.3 < time.monotonic() - before < PATIENCE / 2
    assert (counters.lost, counters.in_flight) == (5, 0)
    assert counters.lost_reasons == {side.nobody: 5}
    assert "connection refused: no collector listens there" in counters.last_error


@pytest.mark.parametrize("scheme", ["http", "https"])
@of_both
def test_a_collector_that_accepts_and_is_silent_costs_the_deadline(side: Side, scheme: str) -> None:
    """Also for more than the buffers on the way take."""
    with silent_port() as port:
        sender = side.sender(f"{scheme}://127.0.0.1:{port}", TIMEOUT="0")
        assert sender.submit(b"\x12\x00" * 10_000_000, 5)
        before = time.monotonic()
        counters = sender.close(0.3)
        assert time.monotonic() - before < PATIENCE / 2
    assert (counters.lost, counters.in_flight) == (5, 0)


@pytest.mark.parametrize("secure", [False, True])
@of_both
def test_a_hanging_answer_is_cancelled_at_the_deadline_and_threads_end(
    side: Side, pki: Certificates, secure: bool
) -> None:
    before = set(threading.enumerate())
    with side.listening([side.hang()] * 4, pki.server if secure else None) as server:
        sender = side.sender(
            server.endpoint, ca=pki.path("ca.pem") if secure else None, TIMEOUT="0"
        )
        for _ in range(4):
            sender.submit(block_of(1), 1)
        until(lambda: len(side.times(server)) == 4)
        begun = time.monotonic()
        counters = sender.close(0.2)
        assert time.monotonic() - begun < PATIENCE / 2
        for thread in set(threading.enumerate()) - before:
            if thread.name.startswith("renacer-otlp"):
                thread.join(PATIENCE)
                assert not thread.is_alive()
    assert (counters.lost, counters.in_flight) == (4, 0)


@of_both
def test_a_collector_that_comes_late_and_one_that_restarts_get_everything(side: Side) -> None:
    port = free_port()
    sender = side.sender(f"http://127.0.0.1:{port}")
    sender.submit(block_of(5), 5)
    until(lambda: sender.counters().retries >= 1)
    with side.listening(port=port) as first:
        until(lambda: sender.counters().sent == 5)
    sender.submit(block_of(6, 100), 6)
    with side.listening(port=port) as second:
        counters = sender.close(PATIENCE)
    assert (counters.sent, counters.lost) == (11, 0)
    assert (side.ids(first), side.ids(second)) == (list(range(1, 6)), list(range(100, 106)))


@of_both
def test_what_is_submitted_after_the_end_is_lost_and_counted(side: Side) -> None:
    with side.listening() as server:
        sender = side.sender(server.endpoint)
        assert sender.submit(block_of(5), 5)
        assert sender.close(PATIENCE).sent == 5
        assert not sender.submit(block_of(3), 3)
        counters = sender.close(PATIENCE)
    assert (counters.submitted, counters.sent, counters.lost, counters.in_flight) == (8, 5, 3, 0)


@of_both
def test_closing_a_sender_that_never_sent_is_instant(side: Side) -> None:
    sender = side.sender("http://127.0.0.1:1")
    assert sender.close(PATIENCE) == SenderCounters()
    sender.open()
    assert sender.close() == SenderCounters()


@of_both
def test_a_request_over_the_limit_is_not_sent(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_sender, "MAX_REQUEST_BYTES", 100)
    counters, server = side.deliver()
    assert counters.rejected_reasons == {"request too large": 5}
    assert side.times(server) == []


@of_both
def test_many_threads_and_a_moody_collector_and_every_span_is_accounted_for(side: Side) -> None:
    codes = [*side.retryable, *side.final]
    script = [side.refuse(codes[number * 7 % len(codes)]) for number in range(60)]
    script += [side.partial(number % 4, "some") for number in range(20)]
    with side.listening(script) as server:
        sender = side.sender(server.endpoint, in_flight=8)

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
        requests = len(side.times(server))
    assert counters.submitted == sum(1 + (n + o) % 9 for o in range(4) for n in range(25))
    assert counters.submitted == counters.sent + counters.rejected
    assert counters.rejected == sum(counters.rejected_reasons.values()) > 0
    assert counters.rejected_reasons.keys() <= {*side.final, "partial success"}
    assert len(counters.rejected_reasons) > 5
    assert requests == 100 + counters.retries


@pytest.mark.parametrize("number", [0, 65])
@of_both
def test_requests_under_way_have_bounds(side: Side, number: int) -> None:
    with pytest.raises(ValueError, match="in_flight"):
        side.sender("http://localhost:1", in_flight=number)


@of_both
def test_nothing_is_imported_early_and_no_variable_stays(side: Side, run_python: RunPython) -> None:
    done = run_python(
        "import os, sys\n"
        "from renacer_otel.exporters.otlp_settings import OtlpFlags, resolve\n"
        f"flags = OtlpFlags(endpoint='http://127.0.0.1:1', protocol='{side.protocol}')\n"
        "settings = resolve(flags, {}).settings\n"
        "class Plain:\n"
        "    def wrap(self, block): return bytes(block)\n"
        f"from {type(side.sender('http://h:1')).__module__} import"
        f" {type(side.sender('http://h:1')).__name__} as Sender\n"
        "sender = Sender(settings, Plain())\n"
        "heavy = ('grpc', 'google', 'opentelemetry', 'ssl', 'http', 'socket', 'email')\n"
        "print([name for name in sys.modules if name.split('.')[0] in heavy])\n"
        "before = dict(os.environ)\n"
        "sender.submit(b'x', 1)\n"
        "print('grpc' in sys.modules, 'http.client' in sys.modules, dict(os.environ) == before,"
        " sender.close(0.2).lost)\n"
    )
    loaded = "True False" if side.protocol == "grpc" else "False True"
    assert (done.stdout, done.stderr, done.returncode) == (f"[]\n{loaded} True 1\n", "", 0)


@of_both
def test_a_process_can_end_while_a_request_hangs(side: Side, run_python: RunPython) -> None:
    with silent_port() as port:
        before = time.monotonic()
        done = run_python(
            "from renacer_otel.exporters.senders import make_sender\n"
            "from renacer_otel.exporters.otlp_settings import OtlpFlags, resolve\n"
            f"flags = OtlpFlags(endpoint='http://127.0.0.1:{port}', timeout_ms=0,"
            f" protocol='{side.protocol}')\n"
            "sender = make_sender(resolve(flags, {}).settings, {})\n"
            "sender.submit(b'', 1)\n"
            "print(sender.close(0.1).lost)\n"
        )
        assert time.monotonic() - before < PATIENCE / 2
    assert (done.stdout, done.stderr, done.returncode) == ("1\n", "", 0)


@of_both
def test_no_descriptor_is_left_open(side: Side) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    side.deliver()
    before = count()
    for _ in range(5):
        side.deliver(side.refuse(side.retryable[0]), side.hang(), TIMEOUT="100")
    until(lambda: count() <= before)
