# SPDX-License-Identifier: MIT
"""What benchmarks send to: a receiver that reads nothing, and a sidecar before it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SENT = re.compile(r"([\d,]+) spans? sent, ([\d,]+) rejected, ([\d,]+) lost")


@contextmanager
def null_receiver(cpu: int | None = None) -> Iterator[str]:
    """Our receiver in a process of its own, reading nothing; yields its endpoint."""
    pin = [] if cpu is None else ["taskset", "-c", str(cpu)]
    process = subprocess.Popen(
        [*pin, sys.executable, "-m", "renacer_otel.exporters.receiver", "--null"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.communicate(timeout=30)


class Sidecar:
    """One that listens at `path`."""

    def __init__(self, process: subprocess.Popen[str], path: str) -> None:
        self.process = process
        self.path = path
        self.told = ""

    def end(self) -> list[int]:
        """Asks it to end, and waits; how many spans it has sent, were rejected, were lost."""
        self.process.send_signal(signal.SIGTERM)
        _, self.told = self.process.communicate(timeout=300)
        last = _SENT.search(self.told)
        assert last, self.told
        return [int(each.replace(",", "")) for each in last.groups()]


@contextmanager
def sidecar_of(folder: Path, endpoint: str, *words: str) -> Iterator[Sidecar]:
    """A sidecar that exports there; killed, where it has not ended."""
    path = str(folder / "renacer-otel" / "sidecar.sock")
    command = [sys.executable, "-m", "renacer_otel", "sidecar", "--listen", path]
    command += ["--otlp-endpoint", endpoint, *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert "listening" in process.stderr.readline()
            yield Sidecar(process, path)
        finally:
            process.kill()
