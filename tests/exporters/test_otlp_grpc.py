# SPDX-License-Identifier: MIT
"""What only the gRPC sender has; the rest is in test_otlp_senders.py."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING

from renacer_otel.exporters.receiver import Receiver, Reply
from tests.exporters.conftest import PATIENCE, block_of, free_port
from tests.exporters.sides import Grpc

if TYPE_CHECKING:
    import pytest
    from typing_extensions import Self

GRPC = Grpc()


def test_a_final_code_stays_final_with_retry_info() -> None:
    counters, _ = GRPC.deliver(Reply("INVALID_ARGUMENT", retry_after=0.01))
    assert counters.rejected_reasons == {"INVALID_ARGUMENT": 5}


def test_gzip_shrinks_what_goes_over_the_wire() -> None:
    carried = []
    with Receiver() as receiver:
        for gzip in (False, True):
            with Relay(receiver.port) as relay:
                sender = GRPC.sender(
                    f"http://127.0.0.1:{relay.port}", COMPRESSION="gzip" if gzip else "none"
                )
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


def test_localhost_does_not_go_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    counters, _ = GRPC.deliver()
    assert (counters.sent, counters.retries) == (5, 0)
    assert "http_proxy" in os.environ
