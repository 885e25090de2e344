# SPDX-License-Identifier: MIT
"""Attaches to running processes, and looks at what became of them."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.engine.tools import LIMIT, PROGRAM, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def attached(pid: int | str, *options: str | Path, **more: Any) -> Iterator[subprocess.Popen[str]]:
    """A tracer that has attached to a process; killed at the end if it still runs.

    A seized process has a tracer before it is traced: only the tracer's word is the sign.
    """
    words = [*PROGRAM, "-p", str(pid), *map(str, options)]
    usual = {"env": environment(), "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, **{**usual, **more}) as tracer:
        try:
            assert tracer.stderr is not None
            line = tracer.stderr.readline()
            assert line.startswith("renacer-otel: attached to "), line
            yield tracer
        finally:
            tracer.kill()


def detach(tracer: subprocess.Popen[str], number: int = signal.SIGINT) -> None:
    """By a signal, as a user does."""
    tracer.send_signal(number)
    assert tracer.wait(LIMIT) == 128 + number


def until(condition: Callable[[], object]) -> None:
    """Returns as soon as `condition` holds; fails after LIMIT."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def stat_of(pid: int) -> str:
    """State letter of a process or thread; "" = gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def tracer_of(pid: int) -> int:
    """TracerPid of a process or thread."""
    match = re.search(r"^TracerPid:\s*(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.M)
    assert match
    return int(match[1])


def call_of(pid: int) -> str:
    """The number of the call that a thread is blocked in, or `running`."""
    return Path(f"/proc/{pid}/syscall").read_text().split()[0]


def settled(pid: int) -> bool:
    """Whether an attached thread has had its first stop, and is in a call again."""
    return stat_of(pid) == "S" and call_of(pid) != "running"


def tell(process: subprocess.Popen[str], line: str = "") -> None:
    """Asks a subject."""
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def last_words(process: subprocess.Popen[str]) -> str:
    """Ends a subject's input; what it says at its end."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdin = None
    return process.stdout.read().strip()
