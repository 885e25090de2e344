# SPDX-License-Identifier: MIT
"""Runs a command in a copy of a folder, traced, and looks at what it left behind.

All copies have the same place, one after the other: what a program says of where it is, is the
same.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.analysis.equivalence import state as aspects
from renacer_otel.analysis.equivalence.state import Aspect, Bytes, State
from renacer_otel.cli import copies
from renacer_otel.errors import RenacerError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from renacer_otel.spans.replay import Replay

_SAMPLE = 1 << 20  # bytes kept of an output to tell where it differs
_MOST_OUTPUT = 1 << 30  # more of it is not taken, and then not known
_PATIENCE_S = 5.0  # for whoever holds an output after the command's end


class Trial(NamedTuple):
    """What a run left behind, what the tracer had to say, and the trace."""

    state: State
    said: list[str]
    run: Replay
    changed: list[str]  # files outside of its folder


class TookTooLong(RenacerError):  # noqa: N818 (as other exit codes of commands are called)
    """A run was ended as its time was over; `itself`: the command, not what it left running."""

    exit_code = analysis_exit_code = 4

    def __init__(self, itself: bool) -> None:
        what = "it was not over" if itself else "what it left running was not over"
        super().__init__(f"{what} in time, and all of it was ended")
        self.itself = itself


def trial(
    command: Sequence[str],
    folder: str | None,
    room: str,
    *,
    hashes: bool,
    caches: bool,
    limit_s: float | None = None,
) -> Trial:
    """One run.

    `folder`: what is copied, None = nothing; `room`: an empty folder for the copy and the trace;
    `limit_s`: seconds after which it is ended, with all that it has left running. Raises
    TookTooLong then.
    """
    from renacer_otel.analysis.equivalence import ipc
    from renacer_otel.analysis.equivalence.evidence import Evidence
    from renacer_otel.analysis.equivalence.tree import Look
    from renacer_otel.cli import run
    from renacer_otel.spans import replay

    work, trace = os.path.join(room, "work"), os.path.join(room, "run.renacer")
    copies.copy(folder, work)
    said: list[str] = []
    outputs = {1: _Output(), 2: _Output()}
    words = ["--format", "record", "-o", trace, "-E", f"PWD={work}"]
    words += ["--capture", "hashes"] if hashes else []
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("OTEL_") and name not in ("TRACEPARENT", "TRACESTATE", "BAGGAGE")
    }
    before = ipc.present()
    since = time.time_ns()
    try:
        with _redirected(work, outputs):
            outcome = run.captured([*words, "--", *command], environ, said.append, limit_s)
        if outcome.late:
            status = outcome.wait_status
            raise TookTooLong(os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL)
        recorded = replay.of_trace(trace, details=True, shown=True)
        evidence = Evidence(recorded)
        state = evidence.state
        state.wait_status = outcome.wait_status
        state.aspects[Aspect(aspects.EXIT, "", "status")] = outcome.wait_status
        for number, output in outputs.items():
            output.tell(state, "standard output" if number == 1 else "standard error")
        # A file system's clock is coarse: it may be a tick behind ours.
        look = Look(state, since - 20_000_000, caches=caches)
        look.folder(work)
        changed = evidence.changed
        look.paths(changed)
        evidence.add_left(before, look=True)
        if changed:
            shown = ", ".join(one_line(path, 60) for path in changed[:3])
            more = f" and {len(changed) - 3:,} more" if len(changed) > 3 else ""
            state.doubt("outside", f"files outside of its folder were changed: {shown}{more}")
    finally:
        copies.remove(work)
        with suppress(OSError):
            os.unlink(trace)
    return Trial(state, said, recorded, changed)


class _Output:
    """Takes what comes through a pipe, and keeps its hash and its head."""

    def __init__(self) -> None:
        import hashlib

        self._digest = hashlib.sha256()
        self._size = 0
        self._head = bytearray()
        self.ends, self._thread = os.pipe(), threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        while True:
            data = os.read(self.ends[0], 1 << 16)
            if not data:
                break
            self._size += len(data)
            if self._size <= _MOST_OUTPUT:
                self._digest.update(data)
            if len(self._head) < _SAMPLE:
                self._head += data[: _SAMPLE - len(self._head)]
        os.close(self.ends[0])

    def tell(self, state: State, name: str) -> None:
        """Adds what came. After the last writer's end was closed."""
        self._thread.join(_PATIENCE_S)
        held, size, head = self._thread.is_alive(), self._size, bytes(self._head)
        if held:
            state.doubt("lost", f"{name} is held open by a process that runs on")
        aspect = Aspect(aspects.OUTPUT, name, "content")
        is_known = not held and size <= _MOST_OUTPUT
        state.aspects[aspect] = Bytes(size, self._digest.digest() if is_known else b"")
        state.samples[aspect] = head


@contextmanager
def _redirected(folder: str, outputs: dict[int, _Output]) -> Iterator[None]:
    """Our own streams and working folder are the command's for a while."""
    before = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if sys.stdout is not None:
        sys.stdout.flush()
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    kept = {number: os.dup(number) for number in (0, 1, 2)}
    try:
        os.chdir(folder)
        os.dup2(null, 0)
        for number, output in outputs.items():
            os.dup2(output.ends[1], number)
        yield
    finally:
        for number, copy_of in kept.items():
            os.dup2(copy_of, number)
            os.close(copy_of)
        for output in outputs.values():
            os.close(output.ends[1])
        os.close(null)
        os.fchdir(before)
        os.close(before)
