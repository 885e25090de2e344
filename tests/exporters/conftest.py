# SPDX-License-Identifier: MIT
"""What the tests of senders share; Python in a process of its own, with this package importable."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from tests.exporters.certificates import Certificates, issue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


# Long enough for a loaded machine; nothing waits for it where all is well.
PATIENCE = 20.0


def until(condition: Callable[[], bool]) -> None:
    """Returns as soon as `condition` holds; fails after PATIENCE."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def block_of(spans: int, first: int = 1) -> bytes:
    """What the core hands out: `spans` entries only."""
    return ScopeSpans(
        spans=[
            Span(name=f"n{number}", trace_id=b"t" * 16, span_id=number.to_bytes(8, "big"))
            for number in range(first, first + spans)
        ]
    ).SerializeToString()


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that accepts connections (by its backlog) and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener.getsockname()[1]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return issue(tmp_path_factory.mktemp("pki"))


class RunPython(Protocol):
    """Runs a program given as text."""

    def __call__(self, code: str) -> subprocess.CompletedProcess[str]: ...


def child_environ() -> dict[str, str]:
    """This process's environment, with its import path for a child."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


@pytest.fixture
def run_python() -> RunPython:
    def run(code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=child_environ(),
        )

    return run
