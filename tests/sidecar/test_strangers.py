# SPDX-License-Identifier: MIT
"""Peers that are no tracers: each is cut off with the reason, and the others are served."""

from __future__ import annotations

import array
import fcntl
import os
import random
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from renacer_otel.exporters.receiver import Receiver
from renacer_otel.sidecar import wire
from renacer_otel.sidecar.sidecar_pb2 import Frame
from tests.cli.tool import PATIENCE, until
from tests.scale import FULL
from tests.sidecar.serving import handed, sidecar, traced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.sidecar.serving import Sidecar

SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
RING = 4096 + (512 << 10)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    """One for all: what one stranger does must not harm the next."""
    folder = tmp_path_factory.mktemp("strangers")
    with Receiver("null") as receiver, sidecar(folder, receiver.endpoint) as made:
        traced(made.path, "true")  # from then on it is connected
        until(lambda: receiver.totals()["requests"] > 0)
        yield made
        assert made.end().code == 0


def still_serves(serving: Sidecar, before: int) -> None:
    """Everything of the stranger's is closed, and a tracer is served."""
    done = traced(serving.path, "true")
    assert done.code == 0
    assert handed(done)[1] > 5
    until(lambda: serving.descriptors() <= before)


def answer(peer: socket.socket) -> Any:
    """What the sidecar says before it closes; None: nothing."""
    data = b""
    while True:
        try:
            more = peer.recv(65_536)
        except ConnectionResetError:
            more = b""
        if not more:
            break
        data += more
    return Frame.FromString(data[wire.HEAD :]) if data else None


def hello(version: int = wire.VERSION) -> bytes:
    return wire.frame(wire.HELLO, {1: version, 2: "a stranger"})


def register(**change: Any) -> bytes:
    said = {
        "trace_id": b"t" * 16,
        "trace_flags": 1,
        "id_key": [1, 2],
        "command": b"/bin/true",
        "command_given": True,
        "run_id": "a-run",
        "realtime_anchor": 1 << 60,
        "monotonic_anchor": 1 << 50,
        "started": 1 << 50,
        "string_limit": 32,
        "turn": 1,
        "fold": "off",
        "spans": "all",
        **change,
    }
    body: bytes = Frame(register=said).SerializeToString()
    return len(body).to_bytes(4, "big") + body


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"\0\0\0\0", "a frame of 0 bytes"),
        (b"\xff\xff\xff\xff", "a frame of 4294967295 bytes"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "bytes; there are 1 to"),
        (b"\0\0\0\x02\xff\xff", "no message"),
        (b"\0\0\0\x02\x7a\0", "no known kind"),
        (hello(2), "version 2 of the protocol"),
        (register(), "register out of its turn"),
        (wire.frame(wire.END, {}), "end out of its turn"),
        (hello() + hello(), "hello out of its turn"),
        (hello() + wire.frame(wire.ACCEPTED, {}), "accepted out of its turn"),
        (hello() + register(), "0 descriptors with register"),
    ],
)
def test_frames_that_make_no_sense(serving: Sidecar, sent: bytes, reason: str) -> None:
    before = serving.descriptors()
    with serving.connect() as peer:
        peer.sendall(sent)
        said = answer(peer)
    assert reason in said.refused.reason
    still_serves(serving, before)


@pytest.mark.parametrize("cut", [1, 3, 4, 5, 20])
def test_a_frame_that_is_cut_off(serving: Sidecar, cut: int) -> None:
    before = serving.descriptors()
    with serving.connect() as peer:
        peer.sendall(hello()[:cut])
    until(lambda: serving.descriptors() <= before)


def test_garbage(serving: Sidecar) -> None:
    before, rng = serving.descriptors(), random.Random(7)
    resident = serving.resident()
    for _ in range(500 if FULL else 50):
        with serving.connect() as peer:
            try:
                peer.sendall(rng.randbytes(rng.randrange(1, 3000)))
            except (BrokenPipeError, ConnectionResetError):
                continue
    still_serves(serving, before)
    assert serving.resident() < resident + (4 << 20)


def test_one_byte_now_and_then(serving: Sidecar) -> None:
    """A frame has five seconds, however busily it is sent."""
    before = serving.descriptors()
    with serving.connect() as peer:
        since = time.monotonic()
        for byte in (1000).to_bytes(4, "big") + b"x" * 900:
            try:
                peer.sendall(bytes([byte]))
            except (BrokenPipeError, ConnectionResetError):
                break
            time.sleep(0.2)
            assert time.monotonic() < since + PATIENCE
        said = answer(peer)
    assert "took too long" in said.refused.reason
    assert 4 < time.monotonic() - since < 10
    still_serves(serving, before)


def test_many_connections_at_once(serving: Sidecar) -> None:
    before = serving.descriptors()
    peers = [serving.connect() for _ in range(120)]
    try:
        for peer in peers[-20:]:
            said = answer(peer)
            assert "connections of uid" in said.refused.reason
    finally:
        for peer in peers:
            peer.close()
    still_serves(serving, before)


def memfd(size: int = RING, seals: int = SEALS) -> int:
    made = os.memfd_create("ring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(made, size)
    fcntl.fcntl(made, fcntl.F_ADD_SEALS, seals)
    return made


def a_pipe() -> int:
    ours, theirs = os.pipe()
    os.close(theirs)
    return ours


def a_file() -> int:
    made = os.open("/tmp", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC)
    os.ftruncate(made, RING)
    return made


def our_pidfd() -> int:
    return os.pidfd_open(os.getpid())


def parent_s_pidfd() -> int:
    return os.pidfd_open(os.getppid())


@pytest.mark.parametrize(
    ("makers", "reason"),
    [
        ([memfd], "1 descriptors with register"),
        ([our_pidfd, memfd], "no pidfd"),
        ([a_pipe, our_pidfd], "no memfd"),
        ([a_file, our_pidfd], "not sealed"),
        ([lambda: memfd(seals=0), our_pidfd], "not sealed"),
        ([lambda: memfd(seals=fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK), our_pidfd], "not sealed"),
        ([lambda: memfd(0), our_pidfd], "it is no ring"),
        ([lambda: memfd(RING + 4096), our_pidfd], "it is no ring"),
        ([memfd, our_pidfd], "it is no ring"),  # without a header
        ([memfd, memfd], "no pidfd"),
        ([memfd, parent_s_pidfd], "another process's"),
        ([memfd, our_pidfd, memfd], "3 descriptors"),
        ([memfd] * 250, "more descriptors than any frame has"),
    ],
)
def test_descriptors_that_are_not_what_they_should_be(
    serving: Sidecar, makers: Sequence[Callable[[], int]], reason: str
) -> None:
    before = serving.descriptors()
    made = [make() for make in makers]
    try:
        with serving.connect() as peer:
            peer.sendall(hello())
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", made))
            peer.sendmsg([register()], [rights])
            said = answer(peer)
    finally:
        for descriptor in made:
            os.close(descriptor)
    assert reason in said.refused.reason
    still_serves(serving, before)


def test_descriptors_with_another_frame(serving: Sidecar) -> None:
    before = serving.descriptors()
    ours, theirs = os.pipe()
    with serving.connect() as peer:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [ours, theirs]))
        peer.sendmsg([hello()], [rights])
        said = answer(peer)
    os.close(ours)
    os.close(theirs)
    assert "descriptors with a frame that has none" in said.refused.reason
    still_serves(serving, before)


@pytest.mark.parametrize(
    "change",
    [
        {"trace_id": b"short"},
        {"trace_id": bytes(16)},
        {"trace_flags": 255},
        {"id_key": [1]},
        {"lamport_seed": 1 << 63},
        {"tracestate": "a=" + "b" * 600},
        {"tracestate": "a=\x1b"},
        {"realtime_anchor": 0},
        {"monotonic_anchor": 1 << 63},
        {"started": 0},
        {"string_limit": 1 << 20},
        {"wanted": [1, 2, 3]},
        {"paths": [b"/x"] * 2000},
        {"paths": [b"/" + b"x" * 5000]},
        {"paths": [b"a\0b"]},
        {"path_fds": [-1]},
        {"options": "x" * 5000},
        {"command": b"a\0b"},
        {"run_id": ""},
        {"run_id": "a\nb"},
        {"environment": [b"A=B"] * 9},
        {"turn": 0},
    ],
    ids=str,
)
def test_runs_that_make_no_sense(serving: Sidecar, change: dict[str, Any]) -> None:
    made = [memfd(), our_pidfd()]
    try:
        with serving.connect() as peer:
            peer.sendall(hello())
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", made))
            peer.sendmsg([register(**change)], [rights])
            said = answer(peer)
    finally:
        for descriptor in made:
            os.close(descriptor)
    (name,) = change
    assert said.refused.reason.startswith(f"{name}: "), said


def test_quotas(tmp_path: Path) -> None:
    config = tmp_path / "renacer.toml"
    config.write_text('[sidecar]\nmax_ring_size = "9MiB"\n')
    with (
        Receiver("null") as receiver,
        sidecar(tmp_path, receiver.endpoint, "--config", str(config)) as serving,
    ):
        inner = f"--sidecar={serving.path}"
        from tests.cli.tool import RENACER

        done = traced(serving.path, RENACER, inner, "--", "true")
        assert done.code == 125
        assert "(max_ring_size)" in done.lines[0]
        assert traced(serving.path, "true").code == 0
        assert serving.end().code == 0
