# SPDX-License-Identifier: MIT
"""Runs a command under renacer-otel, as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.live.backend import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = (sys.executable, "-m", "renacer_otel")
SECONDS = 60.0


@dataclass(frozen=True)
class Run:
    """A finished run: pid and exit status of renacer-otel, what was printed, the file of -o."""

    pid: int
    status: int
    output: str
    errors: str
    file: Path


def environment() -> dict[str, str]:
    """Ours, without what would change where or how spans are sent, and with this tree's code."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "RENACER_"))
        and name not in ("TRACEPARENT", "TRACESTATE", "BAGGAGE")
    }
    return kept | {"PYTHONPATH": str(REPOSITORY)}


def trace(
    folder: Path,
    command: list[str],
    port: int | None = None,
    output_format: str = "record",
    options: tuple[str, ...] = (),
    seconds: float = SECONDS,
) -> Run:
    """Traces `command` in `folder` into a file there, and to 127.0.0.1:port if there is one.

    `options`: more of them.

    Raises subprocess.TimeoutExpired after so many `seconds`.
    """
    file = folder / "run.out"
    whole = ["--fold", "off", "--max-trace-spans", "0"]  # as the records have it
    endpoint = [] if port is None else ["--otlp-endpoint", f"http://127.0.0.1:{port}", *whole]
    output = ["--format", output_format, "-o", str(file)]
    process = subprocess.Popen(
        [*PROGRAM, *endpoint, *options, *output, "--", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment(),
    )
    try:
        printed, errors = process.communicate(timeout=seconds)
    finally:
        process.kill()
        process.wait()
    return Run(process.pid, process.returncode, printed, errors, file)
