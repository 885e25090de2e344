# SPDX-License-Identifier: MIT
"""The ring is between tracer and consumer: neither the command nor a stranger gets at it."""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renacer_otel.exporters.receiver import Receiver
from tests.cli.tool import renacer, run_program, started, until
from tests.scale import FULL, some
from tests.sidecar.serving import handed, sidecar, traced
from tests.sidecar.test_strangers import hello, still_serves

if TYPE_CHECKING:
    import subprocess

CONNECTIONS = 10_000 if FULL else 700
# Descriptors, mappings and environment, but for what a kernel numbers anew each time.
LOOK = "ls -l /proc/self/fd | sed 's/.* -> //'; sed 's/.* //' /proc/self/maps | sort -u; env | sort"


def stable(text: str) -> str:
    return re.sub(r"(pipe|socket):\[\d+\]|/proc/\d+/fd|^_=.*\n", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("way", some("sidecar", "grpc", "text", of=2))
def test_the_command_has_nothing_of_the_ring(tmp_path: Path, way: str) -> None:
    """Nor what it execs, nor its children."""
    words = ["sh", "-c", f'{LOOK}; ({LOOK}); exec sh -c "$0"', LOOK]
    bare = run_program(words)
    with Receiver() as server:
        if way == "sidecar":
            with sidecar(tmp_path, server.endpoint) as serving:
                env = {**os.environ, "RENACER_SIDECAR": str(serving.path)}
                seen = renacer("--no-propagate", "--", *words, env=env)
                bare = run_program(words, env)  # the variable is the user's own
                assert serving.end().number("lost") == 0
        elif way == "grpc":
            seen = renacer("--otlp-endpoint", server.endpoint, "--no-propagate", "--", *words)
        else:
            seen = renacer("-o", tmp_path / "text", "--", *words)
    assert seen.code == bare.code == 0
    assert "renacer-ring" not in seen.out
    assert "memfd" not in seen.out
    added = {*stable(seen.out).splitlines()} - {*stable(bare.out).splitlines()}
    # With an export the markers' variable is there: docs/markers.md.
    assert all(line.startswith("RENACER_MARKERS=") for line in added), added
    assert stable(seen.out).count("\n") >= stable(bare.out).count("\n")


def ring_of(tracer: subprocess.Popen[str]) -> int:
    """The tracer's ring, opened by us as its user may."""
    found = []

    def look() -> bool:
        with suppress(OSError):  # something was closed meanwhile
            for link in Path(f"/proc/{tracer.pid}/fd").iterdir():
                if "renacer-ring" in os.readlink(link):
                    found.append(os.open(link, os.O_RDWR | os.O_CLOEXEC))
                    return True
        return False

    until(look)
    return found[0]


def test_a_ring_in_use_cannot_be_resized(tmp_path: Path) -> None:
    """Whoever reads it would be killed by SIGBUS, were it cut short."""
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    script = 'read x <"$0"; i=0; while [ $i -lt 500 ]; do echo >/dev/null; i=$((i+1)); done; exit 7'
    with Receiver() as server, sidecar(tmp_path, server.endpoint) as serving:
        with started(f"--sidecar={serving.path}", "--", "sh", "-c", script, fifo) as tracer:
            ring = ring_of(tracer)
            with fifo.open("w"):
                for size in (0, 4096, 1 << 30):
                    with pytest.raises(PermissionError):
                        os.ftruncate(ring, size)
            for _ in range(200):
                with pytest.raises(PermissionError):
                    os.ftruncate(ring, 0)  # while it is read
            os.close(ring)
            _, err = tracer.communicate(timeout=60)
        assert tracer.returncode == 7, err
        assert " 0 lost" in err
        assert serving.end().number("lost") == 0


def test_very_many_connections(tmp_path: Path) -> None:
    """One after another, with a word or without: memory and descriptors are as before."""
    with Receiver() as server, sidecar(tmp_path, server.endpoint) as serving:
        assert handed(traced(serving.path, "true"))[1] > 5
        until(lambda: server.totals()["requests"] > 0)
        before = serving.descriptors()
        for _ in range(50):
            serving.connect().close()
        until(lambda: serving.descriptors() <= before)
        resident = serving.resident()
        for number in range(CONNECTIONS):
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(str(serving.path))  # waits for room among those that wait
                if number % 3 == 0:
                    try:
                        peer.sendall(hello()[: number % 17])
                    except (BrokenPipeError, ConnectionResetError):
                        continue
        still_serves(serving, before)
        assert serving.resident() < resident + (2 << 20)
        assert serving.end().code == 0
