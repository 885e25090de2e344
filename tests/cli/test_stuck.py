# SPDX-License-Identifier: MIT
"""An output that takes nothing: once the command is gone, it is not waited for without end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# More than a pipe holds, in every format.
COMMAND = ["dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=3000", "status=none"]


@contextmanager
def stuck(tmp_path: Path) -> Iterator[Path]:
    """A FIFO that is open for reading and never read."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield path
    finally:
        os.close(reader)


def program(path: Path, form: str, limit: str) -> list[str]:
    options = ["--format", form, "--block-limit", limit, "-o", str(path)]
    return [sys.executable, "-m", "renacer_otel", *options, "--", *COMMAND]


def told(errors: str) -> int:
    """What the last line says was not written."""
    found = re.search(r"([\d,]+) (?:lines|records|spans) not written", errors)
    assert found, errors
    return int(found[1].replace(",", ""))


@pytest.mark.parametrize("form", ["text", "otlp-json"])
def test_block_limit_holds_after_the_end(tmp_path: Path, form: str) -> None:
    with stuck(tmp_path) as path:
        done = subprocess.run(
            program(path, form, "300ms"), capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 0
    assert "Connection timed out" in done.stderr
    assert told(done.stderr) > 1000


@pytest.mark.parametrize("form", ["text", "otlp-json"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_waiting(tmp_path: Path, form: str, number: int) -> None:
    with stuck(tmp_path) as path:
        words = program(path, form, "10m")
        words[words.index("--") + 1 :] = ["sh", "-c", '"$@"; echo end', "sh", *COMMAND]
        process = subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Whoever runs the tests in the background may ignore SIGINT; we keep to that.
            preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
        )
        assert process.stdout is not None
        # End of file on its output: the command and all that it started are gone.
        assert process.stdout.readline() == "end\n"
        # One that comes while the command is still ending is for the command: then a second.
        for _ in range(6):
            process.send_signal(number)
            try:
                process.wait(5)
                break
            except subprocess.TimeoutExpired:
                continue
        else:
            process.kill()
        _, errors = process.communicate(timeout=30)
    assert process.returncode in (0, -number)  # the latter if it still met the command
    assert told(errors) > 1000
