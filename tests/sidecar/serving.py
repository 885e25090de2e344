# SPDX-License-Identifier: MIT
"""A sidecar as a process of its own, a receiver behind it, and tracers in front."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.cli.tool import PATIENCE, RENACER, Done, environ, renacer

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERVED = re.compile(
    r"renacer-otel: (?P<runs>[\d,]+) runs?, (?P<sent>[\d,]+) spans? sent,"
    r" (?P<rejected>[\d,]+) rejected, (?P<lost>[\d,]+) lost"
)
HANDED = re.compile(r"(?P<calls>[\d,]+) calls?, (?P<spans>[\d,]+) spans? handed to the sidecar")


class Ended(NamedTuple):
    """How a sidecar ended: its exit code, what it told, and the numbers of its last words."""

    code: int
    err: str

    def number(self, name: str) -> int:
        """runs, sent, rejected or lost."""
        match = _SERVED.search(self.err)
        assert match, self.err
        return int(match[name].replace(",", ""))


class Sidecar:
    """A sidecar that listens."""

    def __init__(self, process: subprocess.Popen[str], path: Path) -> None:
        self.process = process
        self.path = path
        self._ended: Ended | None = None

    @property
    def pid(self) -> int:
        return self.process.pid

    def end(self, number: int = signal.SIGTERM) -> Ended:
        """Asks it to end, and waits for that."""
        if self._ended is None:
            self.process.send_signal(number)
            _, err = self.process.communicate(timeout=PATIENCE)
            self._ended = Ended(self.process.returncode, err)
        return self._ended

    def kill(self) -> None:
        """As a power cut would."""
        self.end(signal.SIGKILL)

    def descriptors(self) -> int:
        """How many files it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident(self) -> int:
        """Bytes of memory of its own that are in use; the rings, which it shares, are left out."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+) kB", text)[1]) * 1024  # type: ignore[index]

    def connect(self) -> socket.socket:
        """A connection of a stranger's."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(PATIENCE)
        made.connect(str(self.path))
        return made


@contextmanager
def sidecar(folder: Path, endpoint: str, *words: str, **how: Any) -> Iterator[Sidecar]:
    """A sidecar that listens in `folder`; killed at the end, if the test has not ended it."""
    path = folder / "renacer-otel" / "sidecar.sock"
    with subprocess.Popen(
        [RENACER, "sidecar", "--listen", str(path), "--otlp-endpoint", endpoint, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        **how,
    ) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert line.startswith(f"renacer-otel: listening on {path}"), line + (
                process.stderr.read() if process.poll() is not None else ""
            )
            yield Sidecar(process, path)
        finally:
            process.kill()


def traced(path: Path | str, *words: str | Path, **variables: str) -> Done:
    """`renacer-otel --sidecar PATH -- WORDS…`, to its end."""
    return renacer(f"--sidecar={path}", "--", *words, env=environ(**variables))


def handed(done: Done) -> tuple[int, int]:
    """Calls and spans of a tracer's last line."""
    match = HANDED.search(done.lines[-1])
    assert match, done.err
    return int(match["calls"].replace(",", "")), int(match["spans"].replace(",", ""))
