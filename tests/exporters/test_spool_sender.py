# SPDX-License-Identifier: MIT
"""A sender behind a spool, before real servers: what is taken arrives, or is told."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

from renacer_otel.exporters.envelope import OtlpEnvelope
from renacer_otel.exporters.ledger import Books, Ledger
from renacer_otel.exporters.otlp_endpoint import parse_endpoint, parse_http_endpoint
from renacer_otel.exporters.otlp_grpc import METHOD, OtlpGrpcSender
from renacer_otel.exporters.otlp_http import OtlpHttpSender
from renacer_otel.exporters.otlp_settings import OtlpSettings
from renacer_otel.exporters.receiver import Receiver, Reply, count_spans
from renacer_otel.exporters.spool import Spool
from renacer_otel.exporters.spool_folder import SpoolFolder
from renacer_otel.exporters.spool_format import PROTOBUF
from renacer_otel.exporters.spool_sender import POISON, SpooledSender
from tests.exporters.conftest import PATIENCE, block_of, child_environ, free_port, until
from tests.exporters.picky import Picky
from tests.scale import FULL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renacer_otel.exporters.otlp_sender import OtlpSender

ENVELOPE = OtlpEnvelope({"service.name": "s"})


def sender_to(endpoint: str, protocol: str = "grpc", timeout_ms: int = 10_000) -> OtlpSender:
    if protocol == "grpc":
        target, shown, secure, _ = parse_endpoint(endpoint, "test")
        return OtlpGrpcSender(OtlpSettings(target, shown, secure, timeout_ms=timeout_ms), ENVELOPE)
    target, shown, secure, path = parse_http_endpoint(endpoint, "test")
    settings = OtlpSettings(
        target, shown, secure, protocol=protocol, path=path, timeout_ms=timeout_ms
    )
    return OtlpHttpSender(settings, ENVELOPE)


class Made:
    """A spooled sender, its ledger, and what it told."""

    def __init__(self, path: Path, sender: OtlpSender) -> None:
        self.told: list[str] = []
        self.ledger = Ledger()
        spool = Spool(SpoolFolder(str(path)), self.ledger, 64 << 20, tell=self.told.append)
        self.sender = SpooledSender(sender, spool, PROTOBUF)
        self.sender.open()

    def submit(self, spans: int, first: int = 1) -> None:
        self.ledger.emit(spans)
        assert self.sender.submit(block_of(spans, first), spans)

    def close(self, seconds: float = PATIENCE) -> Books:
        counters = self.sender.close(seconds)
        books = self.ledger.books()
        assert books.balanced
        assert books.queued == 0
        assert counters.in_flight == 0
        return books


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_all_arrives_and_nothing_stays(protocol: str, tmp_path: Path) -> None:
    with Receiver("count") as grpc_receiver, Picky() as http_receiver:
        receiver = grpc_receiver if protocol == "grpc" else http_receiver
        made = Made(tmp_path / "s", sender_to(receiver.endpoint, protocol))
        for number in range(40):
            made.submit(25, 1 + 25 * number)
        books = made.close()
        count = grpc_receiver.count + len(http_receiver.ids)
    assert (books.emitted, books.exported, books.spooled, books.lost) == (1000, 1000, 0, 0)
    assert count == 1000
    assert not list((tmp_path / "s").glob("*.spool"))


def test_an_outage_and_a_restart(tmp_path: Path) -> None:
    """The collector is away at first, comes, goes, comes again: all arrives, in order at first."""
    port = free_port()
    made = Made(tmp_path / "s", sender_to(f"http://127.0.0.1:{port}", "http/protobuf"))
    ids: set[int] = set()
    made.submit(10, 1)
    for turn in range(1, 4):
        until(lambda: made.ledger.books().spooled > 0)
        with Picky(port=port) as collector:
            until(lambda: made.ledger.books().spooled == 0)
            ids |= set(collector.ids)
        made.submit(10, 1 + 10 * turn)
    with Picky(port=port) as collector:
        books = made.close()
        ids |= set(collector.ids)
    assert books.exported == 40
    assert ids == set(range(1, 41))


def test_what_is_left_goes_with_the_next(tmp_path: Path) -> None:
    made = Made(tmp_path / "s", sender_to(f"http://127.0.0.1:{free_port()}"))
    made.submit(7)
    books = made.close(0.2)
    assert (books.exported, books.spooled, books.lost) == (0, 7, 0)
    with Receiver() as receiver:
        made = Made(tmp_path / "s", sender_to(receiver.endpoint))
        made.submit(3, 100)
        counters = made.sender.close(PATIENCE)
        books = made.ledger.books()
        assert receiver.count == 10
    assert (books.emitted, books.inherited, books.exported) == (3, 7, 10)
    assert (counters.submitted, counters.sent, counters.earlier) == (3, 3, 7)
    assert (counters.kept, counters.lost, counters.rejected) == (0, 0, 0)


@pytest.mark.parametrize("code", ["UNAUTHENTICATED", "PERMISSION_DENIED"])
def test_without_a_right_to_send_all_is_kept(code: str, tmp_path: Path) -> None:
    with Receiver(script=[Reply(code)] * 20) as receiver:
        made = Made(tmp_path / "s", sender_to(receiver.endpoint))
        made.submit(5)
        begin = time.monotonic()
        counters = made.sender.close(PATIENCE)
        assert time.monotonic() - begin < PATIENCE / 2  # there is nothing to wait for
        assert receiver.totals()["requests"] <= 4
    assert (counters.kept, counters.rejected, counters.lost) == (5, 0, 0)
    assert counters.last_error.startswith(code)
    assert made.ledger.books().spooled == 5


def test_who_waits_for_the_end_hears_of_a_sooner_one(tmp_path: Path) -> None:
    made = Made(tmp_path / "s", sender_to(f"http://127.0.0.1:{free_port()}"))
    made.submit(3)
    waiting = threading.Thread(target=made.close, args=(3600.0,))
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    made.sender.start_deadline(0.0)
    waiting.join(PATIENCE)
    assert not waiting.is_alive()


def test_refused_for_good_is_set_aside_and_blocks_nothing(tmp_path: Path) -> None:
    with Receiver(script=[Reply("INVALID_ARGUMENT", "bad batch")]) as receiver:
        made = Made(tmp_path / "s", sender_to(receiver.endpoint))
        made.submit(4)
        until(lambda: made.ledger.books().lost == 4)
        made.submit(6, 10)
        books = made.close()
        assert receiver.count == 6
    assert books.dropped == {"rejected: INVALID_ARGUMENT": 4}
    assert "4 spans were refused for good; kept in refused/" in made.told[0]
    folder = SpoolFolder(str(tmp_path / "s"))
    assert folder.readmit() == 1
    folder.close()
    with Receiver() as receiver:
        assert Made(tmp_path / "s", sender_to(receiver.endpoint)).close().exported == 4


def test_partial_success_is_not_sent_again(tmp_path: Path) -> None:
    with Receiver(script=[Reply(rejected=2, message="two")]) as receiver:
        made = Made(tmp_path / "s", sender_to(receiver.endpoint))
        made.submit(5)
        books = made.close()
        assert receiver.totals()["requests"] == 1
    assert books.dropped == {"rejected: partial success": 2}
    assert books.exported == 3


# --- too large --------------------------------------------------------------------------------


@contextmanager
def small_grpc_server(limit: int) -> Iterator[tuple[str, list[int]]]:
    """A real gRPC server that takes messages of so many bytes at most, and counts spans."""
    counts: list[int] = []

    def export(request: bytes, context: object) -> bytes:
        counts.append(count_spans(request))
        return b""

    server = grpc.server(
        ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", limit)]
    )
    service, name = METHOD.strip("/").split("/")
    handler = grpc.unary_unary_rpc_method_handler(export, None, None)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {name: handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}", counts
    finally:
        server.stop(None).wait()


@pytest.mark.parametrize("spooled", [True, False])
def test_too_large_for_grpc_goes_in_halves(spooled: bool, tmp_path: Path) -> None:
    with small_grpc_server(5_000) as (endpoint, counts):
        sender = sender_to(endpoint)
        if spooled:
            made = Made(tmp_path / "s", sender)
            made.submit(1000)
            made.submit(1000, 2000)
            assert made.close().exported == 2000
        else:
            sender.ledger = Ledger()
            sender.ledger.emit(2000)
            assert sender.submit(block_of(1000), 1000)
            assert sender.submit(block_of(1000, 2000), 1000)
            counters = sender.close(PATIENCE)
            assert (counters.sent, counters.rejected, counters.lost) == (2000, 0, 0)
            assert sender.ledger.books().exported == 2000
    assert sum(counts) == 2000
    assert len(counts) > 10


def test_too_large_for_http_goes_in_halves(tmp_path: Path) -> None:
    with Picky(lambda body: 413 if len(body) > 3000 else 200) as collector:
        made = Made(tmp_path / "s", sender_to(collector.endpoint, "http/protobuf"))
        made.submit(500)
        assert made.close().exported == 500
    assert sorted(collector.ids) == list(range(1, 501))
    # The size is learned: what is as large is not tried again.
    assert sum(size > 3000 for size in collector.sizes) < 20


def test_a_single_span_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with Picky(lambda body: 413 if b"n3" in body else 200) as collector:
        made = Made(tmp_path / "s", sender_to(collector.endpoint, "http/protobuf"))
        made.submit(8)
        books = made.close()
    assert books.dropped == {"rejected: HTTP 413": 1}
    assert sorted(collector.ids) == [1, 2, 4, 5, 6, 7, 8]


# --- poison -----------------------------------------------------------------------------------


def test_a_batch_that_kills_connections_is_set_aside(tmp_path: Path) -> None:
    """Others get through meanwhile and none of them is taken for it, however many poisons."""
    with Picky(lambda body: None if b"n666" in body else 200) as collector:
        made = Made(tmp_path / "s", sender_to(collector.endpoint, "http/protobuf"))
        for _ in range(5):  # more than there are calls at a time
            made.submit(1, 666)
        made.submit(10, 1)
        until(lambda: len(collector.ids) >= 10)
        for first in range(1000, 1200):
            if made.ledger.books().lost == 5:
                break
            made.submit(1, first)
            until(lambda first=first: first in collector.ids)  # type: ignore[misc]
            time.sleep(0.05)
        books = made.close()
    assert books.dropped == {POISON: 5}
    assert books.spooled == 0
    assert 666 not in collector.ids
    assert any("refused for good" in sentence for sentence in made.told)


def test_a_collector_that_kills_all_connections_makes_no_poison(tmp_path: Path) -> None:
    alive = threading.Event()
    with Picky(lambda body: 200 if alive.is_set() else None) as collector:
        made = Made(tmp_path / "s", sender_to(collector.endpoint, "http/protobuf"))
        for number in range(6):
            made.submit(1, 1 + number)
        until(lambda: len(collector.sizes) > 15)
        alive.set()
        books = made.close()
    assert (books.exported, books.lost) == (6, 0)
    assert sorted(set(collector.ids)) == list(range(1, 7))


# --- kills ------------------------------------------------------------------------------------

WRITER = """
import sys
from renacer_otel.exporters.envelope import OtlpEnvelope
from renacer_otel.exporters.ledger import Ledger
from renacer_otel.exporters.otlp_http import OtlpHttpSender
from renacer_otel.exporters.otlp_settings import OtlpSettings
from renacer_otel.exporters.spool import Spool
from renacer_otel.exporters.spool_folder import SpoolFolder
from renacer_otel.exporters.spool_sender import SpooledSender
path, port, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
settings = OtlpSettings(
    "127.0.0.1:" + port, "x", False, protocol="http/protobuf", path="/v1/traces"
)
sender = SpooledSender(
    OtlpHttpSender(settings, OtlpEnvelope({})),
    Spool(SpoolFolder(path), Ledger(), 16 << 20), 1,
)
sender.open()
filler = b"\\x2a\\xe8\\x07" + b"n" * 1000
number = first
while True:
    body = b"\\x12\\x08" + number.to_bytes(8, "big") + filler
    length = len(body)
    span = b"\\x12" + bytes((length & 127 | 128, length >> 7)) + body
    if not sender.submit(span, 1):
        raise SystemExit("not taken")
    sys.stdout.write("%d\\n" % number)
    sys.stdout.flush()
    number += 1
"""


def test_kills_of_the_writer_lose_nothing(tmp_path: Path) -> None:
    """What put() has taken arrives, whenever the process is killed; duplicates may."""
    kills, seed = (1000 if FULL else 20), random.randrange(1 << 32)
    chance = random.Random(seed)
    path = tmp_path / "s"
    taken = 0
    with Picky(lambda body: 503 if chance.random() < 0.2 else 200) as collector:
        for _ in range(kills):
            words = [sys.executable, "-c", WRITER, str(path), str(collector.port), str(taken + 1)]
            with subprocess.Popen(words, env=child_environ(), stdout=subprocess.PIPE) as writer:
                assert writer.stdout is not None
                stop = taken + chance.randrange(1, 120)
                for line in writer.stdout:
                    taken = int(line)
                    if taken >= stop:
                        break
                time.sleep(chance.random() * 0.003)
                writer.send_signal(signal.SIGKILL)
                for line in writer.stdout:
                    if line.endswith(b"\n"):
                        taken = int(line)
        made = Made(path, sender_to(collector.endpoint, "http/protobuf"))
        books = made.close()
    assert books.lost == 0
    assert set(range(1, taken + 1)) - set(collector.ids) == set(), f"seed {seed}"
    assert max(collector.ids) <= taken + 1
    assert not list(path.glob("*.spool"))
    # Duplicates are those under way at a kill, not all over again.
    assert len(collector.ids) < taken + 40 * kills


def test_the_spool_does_not_wait_for_the_network(tmp_path: Path) -> None:
    """A collector that hangs: submit() returns all the same."""
    hanging = threading.Event()

    def hang(body: bytes) -> int:
        hanging.wait(PATIENCE)
        return 200

    with Picky(hang) as collector:
        made = Made(tmp_path / "s", sender_to(collector.endpoint, "http/protobuf"))
        begin = time.monotonic()
        for number in range(200):
            made.submit(1, 1 + number)
        assert time.monotonic() - begin < PATIENCE / 2
        assert made.ledger.books().spooled == 200
        hanging.set()
        assert made.close().exported == 200


@pytest.fixture(autouse=True)
def no_threads_left() -> Iterator[None]:
    """Each test ends its threads."""
    yield
    names = ("renacer-spool", "renacer-spool-send")
    with suppress(AssertionError):
        until(lambda: not any(thread.name in names for thread in threading.enumerate()))
    assert not [thread for thread in threading.enumerate() if thread.name in names]


def test_a_disk_that_syncs_within_half_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written is synced, and the sync is begun SYNC_S after it."""
    synced: list[float] = []
    real = os.fdatasync

    def sync(descriptor: int) -> None:
        real(descriptor)
        synced.append(time.monotonic())

    monkeypatch.setattr(os, "fdatasync", sync)
    made = Made(tmp_path / "s", sender_to(f"http://127.0.0.1:{free_port()}"))
    made.submit(1)
    written = time.monotonic()
    until(lambda: bool(synced))
    assert synced[0] - written < 5.0  # on a loaded machine; on a quiet one 0.2 and the disk's time
    made.close(0.0)
