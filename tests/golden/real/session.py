# SPDX-License-Identifier: MIT
"""One command with its folder, captured and checked as a user does it."""

from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.golden.real.commands import SERVER, Command, lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RENACER = str(Path(sys.executable).parent / "renacer-otel")
#: Only against hanging for ever: nothing waits for it where all is well.
PATIENCE = 900.0
_PAGE = lines(3, 2000).encode()


class _Pages(http.server.BaseHTTPRequestHandler):
    """Answers whatever is asked for with one page."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The page."""
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(_PAGE)))
        self.end_headers()
        self.wfile.write(_PAGE)

    def do_POST(self) -> None:
        """The page, after what was sent."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Says nothing."""


@contextmanager
def serving() -> Iterator[str]:
    """A server of pages meanwhile: "ADDRESS:PORT"."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class CaptureFailedError(Exception):
    """What the capture said."""


@dataclass(frozen=True)
class Checked:
    """A check: exit code, and what it reported."""

    code: int
    out: str
    err: str

    @property
    def first_line(self) -> str:
        """The most important of a report in text."""
        return self.out.partition("\n")[0]

    @property
    def report(self) -> dict[str, Any]:
        """The golden trace's own part of a report in JSON; {}: there is none."""
        try:
            (found,) = json.loads(self.out)["goldens"]
        except ValueError:
            return {}
        assert isinstance(found, dict)
        return found


@dataclass(frozen=True)
class Session:
    """A command in its folder; `words`: as it is run here."""

    command: Command
    folder: Path
    words: tuple[str, ...]
    goldens: Path

    def capture(self, runs: int = 5, *options: str) -> None:
        """Captures the golden trace. Raises CaptureFailedError."""
        done = self._golden("capture", self.command.name, "--runs", str(runs), *options, "--",
                            *self.words)  # fmt: skip
        if done.code:
            raise CaptureFailedError(f"{self.command.name}: exit {done.code}: {done.err}")

    def check(self, *options: str, words: Sequence[str] = ()) -> Checked:
        """One check, of the golden trace's own command or of another."""
        return self._golden(
            "check", self.command.name, *options, *(("--", *words) if words else ())
        )

    def _golden(self, action: str, name: str, *words: str) -> Checked:
        done = subprocess.run(
            [RENACER, "golden", action, name, "--dir", str(self.goldens), *words],
            cwd=self.folder,
            env=self.command.environment(self.folder),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=PATIENCE,
            check=False,
        )
        return Checked(done.returncode, done.stdout, done.stderr)


@contextmanager
def session(command: Command, base: Path) -> Iterator[Session]:
    """The command's folder below `base`, new, and its server while it needs one."""
    place = base / command.name
    if place.exists():
        shutil.rmtree(place)
    folder = place / "work"
    command.make(folder)
    with ExitStack() as stack:
        words = command.words
        if command.wants_server:
            address = stack.enter_context(serving())
            words = tuple(word.replace(SERVER, address) for word in words)
        yield Session(command, folder, words, place / "golden_traces")
