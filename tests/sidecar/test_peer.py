# SPDX-License-Identifier: MIT
"""Frames as they come over a socket: whole, in pieces, or garbage."""

from __future__ import annotations

import itertools
import os
import socket
import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from renacer_otel.exporters.otlp_settings import OtlpSettings
from renacer_otel.sidecar import wire
from renacer_otel.sidecar.exporter import Exporter
from renacer_otel.sidecar.peer import Peer, PeerError
from tests.scale import examples

NAMES = {
    wire.HELLO: "hello",
    wire.REGISTER: "register",
    wire.END: "end",
    wire.GOODBYE: "goodbye",
}
frames = st.lists(
    st.sampled_from(sorted(NAMES)).flatmap(
        lambda kind: st.just((NAMES[kind], wire.frame(kind, {1: 1} if kind == wire.END else {})))
    ),
    max_size=6,
)


def heard(data: bytes, cuts: list[int]) -> list[str]:
    """Names of the frames of `data`, sent in pieces; "!" where the peer is cut off."""
    ours, theirs = socket.socketpair()
    names: list[str] = []
    with ours, theirs:
        peer = Peer(theirs)
        edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
        try:
            for start, stop in itertools.pairwise(edges):
                ours.sendall(data[start:stop])
                for name, _ in peer.receive():
                    names.append(name)
            ours.shutdown(socket.SHUT_WR)
            for name, _ in peer.receive():
                names.append(name)
        except EOFError:
            pass
        except PeerError:
            names.append("!")
        peer.close()
    return names


@settings(max_examples=examples(600))
@given(frames, st.lists(st.integers(0, 1000), max_size=8))
def test_however_frames_are_cut_they_are_the_same(
    said: list[tuple[str, bytes]], cuts: list[int]
) -> None:
    assert heard(b"".join(data for _, data in said), cuts) == [name for name, _ in said]


@settings(max_examples=examples(900))
@given(frames, st.binary(min_size=1, max_size=200), st.lists(st.integers(0, 1000), max_size=4))
def test_garbage_behind_frames_takes_nothing_from_them(
    said: list[tuple[str, bytes]], garbage: bytes, cuts: list[int]
) -> None:
    names = heard(b"".join(data for _, data in said) + garbage, cuts)
    assert names[: len(said)] == [name for name, _ in said]


def test_descriptors_are_closed_with_the_peer() -> None:
    before = len(os.listdir("/proc/self/fd"))
    ours, theirs = socket.socketpair()
    pair = os.pipe()
    with ours, theirs:
        peer = Peer(theirs)
        socket.send_fds(ours, [wire.frame(wire.HELLO, {})[:3]], list(pair))
        assert not list(peer.receive())
        peer.close()
    for descriptor in pair:
        os.close(descriptor)
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_queue_is_bounded_and_counts() -> None:
    """With a sender that stands still: what is put is sent, waits, or was dropped."""
    exporter = Exporter(OtlpSettings("x", "x", secure=False), 1000)
    gate, taken = threading.Event(), []

    class Standing:
        def open(self) -> None: ...

        def submit(self, block: bytes, spans: int) -> bool:
            gate.wait()
            taken.append(spans)
            return True

        def start_deadline(self, seconds: float) -> None:
            gate.set()

        def close(self, seconds: float) -> None: ...

        def counters(self) -> None: ...

    exporter._begin(Standing())  # type: ignore[arg-type]
    results = [exporter.put(b"x" * 300, 7) for _ in range(10)]
    assert results.count(True) == 3
    counts = exporter.counts().books
    assert (counts.emitted, counts.dropped, counts.queued) == (70, {"queue_full": 49}, 21)
    exporter.close(1.0)
    assert taken == [7, 7, 7]
    assert not exporter.put(b"x", 1)
