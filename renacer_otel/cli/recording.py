# SPDX-License-Identifier: MIT
"""Runs a command for its trace alone: recorded, with streams that are the same each time.

Its standard input is empty, its standard output and error are pipes that are read to the end: what
a program does hangs on what its streams are, and a check in a pipeline is to be as one elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.cli import terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TAIL = 4096
_OURS = b"renacer-otel: "


class Ran(NamedTuple):
    """How a command ended, and the CPU time that it and all that it waited for took."""

    trace: str
    wait_status: int
    cpu_ns: int
    output: bytes  # the last of its standard error, or else of its standard output

    @property
    def failed(self) -> bool:
        """Whether it ended as commands do that failed."""
        return self.wait_status != 0

    @property
    def exit(self) -> str:
        """ "0", "3", "SIGKILL"."""
        if os.WIFSIGNALED(self.wait_status):
            from renacer_otel.spans import replay

            return replay.signal_name(os.WTERMSIG(self.wait_status))
        return str(os.waitstatus_to_exitcode(self.wait_status))

    @property
    def exit_code(self) -> int:
        """The same as a number: minus the signal that ended it."""
        return os.waitstatus_to_exitcode(self.wait_status)


def record(command: Sequence[str], trace: str, options: Sequence[str] = ()) -> Ran:
    """Runs the command into the TRACE file `trace`; `options`: more of `run`'s.

    A signal that asks us to end ends all that it runs. Raises Stopped then, CommandNotFound,
    CommandNotExecutable, UsageError, EngineError.
    """
    from renacer_otel.cli import run

    words = ["--format", "record", "-o", trace, "--quiet=attach", "--no-propagate", *options]
    before = _children_ns()
    with _streams() as tails:
        caller = run.Caller(run.without_telemetry(), ends_all=True)
        status = run.recorded([*words, "--", *command], caller)
    cpu = _children_ns() - before
    out, err = (tail.end() for tail in tails)
    ours = [line for line in err.split(b"\n") if line.startswith(_OURS)]
    for line in ours:
        terminal.say(line.decode("utf-8", "backslashreplace"))
    theirs = b"\n".join(line for line in err.split(b"\n") if not line.startswith(_OURS))
    return Ran(trace, status, cpu, theirs.strip() or out.strip())


def how_it_ended(ran: Ran) -> str:
    """In words: "exited with 3", "was ended by SIGKILL"."""
    word = "exited with" if not os.WIFSIGNALED(ran.wait_status) else "was ended by"
    return f"{word} {ran.exit}"


def _children_ns() -> int:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round((used.ru_utime + used.ru_stime) * 1e9)


class _Tail(threading.Thread):
    """Reads a pipe to its end, and keeps the last of it."""

    def __init__(self) -> None:
        super().__init__(name="renacer-tail", daemon=True)
        self._read, self.write = os.pipe()
        self._kept = b""

    def run(self) -> None:
        """Until all who can write are gone."""
        while data := os.read(self._read, 1 << 16):
            self._kept = (self._kept + data)[-_TAIL:]
        os.close(self._read)

    def end(self) -> bytes:
        """What was kept. Whoever still has the pipe, untraced, is waited for no longer."""
        self.join(1.0)
        return self._kept


@contextlib.contextmanager
def _streams() -> Iterator[tuple[_Tail, _Tail]]:
    """For a while, the command's streams in the place of ours."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    tails = (_Tail(), _Tail())
    null = os.open(os.devnull, os.O_RDONLY)
    ours = [(os.dup(number), os.get_inheritable(number)) for number in (0, 1, 2)]
    try:
        for number, descriptor in enumerate((null, *(tail.write for tail in tails))):
            os.dup2(descriptor, number)
            os.close(descriptor)
        for tail in tails:
            tail.start()
        yield tails
    finally:
        for number, (descriptor, inheritable) in enumerate(ours):
            os.dup2(descriptor, number, inheritable)
            os.close(descriptor)


def wait_for_another_second(since: float) -> None:
    """Sleeps until the clock shows another second than then (time.time()): what a command writes
    of the time of day differs between runs, and so is learned to."""
    # A file system's clock is a tick behind.
    while (left := int(since) + 1.02 - time.time()) > 0 and left < 1.1:
        time.sleep(left)
