# SPDX-License-Identifier: MIT
"""grpc.health.v1, asked by the official stub."""

from __future__ import annotations

import socket
import sys
import threading
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from renacer_otel.errors import OutputError, UsageError
from renacer_otel.exporters.health import SERVICE, HealthServer

if TYPE_CHECKING:
    from pathlib import Path

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
LOCAL = "127.0.0.1:0"


def state(target: str, service: str = "") -> int:
    """What it says of a service."""
    with grpc.insecure_channel(target) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=20)
        return int(answer.status)


def test_ready_and_not() -> None:
    with HealthServer(LOCAL) as server:
        target = f"127.0.0.1:{server.port}"
        for service in ("", SERVICE):
            assert state(target, service) == NOT_SERVING
        server.set_ready(True)
        for service in ("", SERVICE):
            assert state(target, service) == SERVING
        server.set_ready(False)
        assert state(target) == NOT_SERVING
        with pytest.raises(grpc.RpcError) as caught:
            state(target, "another")
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_who_watches_is_told_of_the_end() -> None:
    server = HealthServer(LOCAL)
    server.start()
    server.set_ready(True)
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        told = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE), timeout=20)
        assert next(told).status == SERVING
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        assert next(told).status == NOT_SERVING
        stopping.join()
    server.stop()  # again: nothing


def test_by_a_unix_socket(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/health"
    with HealthServer(address) as server:
        server.set_ready(True)
        assert server.port == 0
        assert state(address) == SERVING


def test_an_address_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OutputError, match="is the address taken"):
            HealthServer(f"127.0.0.1:{port}").start()


def test_a_request_that_is_too_long() -> None:
    with HealthServer(LOCAL) as server:
        server.set_ready(True)
        target = f"127.0.0.1:{server.port}"
        with pytest.raises(grpc.RpcError) as caught:
            state(target, "x" * 100_000)
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert state(target) == SERVING


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc_health.v1", None)
    with pytest.raises(UsageError, match="pip install 'renacer-otel\\[sidecar\\]'"):
        HealthServer(LOCAL).start()
