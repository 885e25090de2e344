# SPDX-License-Identifier: MIT
"""What the fixture `syscall_trace` hands out: commands that ran under the tracer."""

from __future__ import annotations

import functools
import os
import shlex
import subprocess
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from renacer_otel import recording
from renacer_otel.errors import one_line
from renacer_otel.testing.held import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from renacer_otel.recording import Word
    from renacer_otel.spans.replay import Replay
    from renacer_otel.testing.effects import Effects
    from renacer_otel.testing.held import Held

_SHOWN = 80


class Process(NamedTuple):
    """A process of the run, in the order of their starts; the first is the command.

    `name` and `exe` are of the program that it ran last. `exit_code` is negative where a signal
    ended it, None where it ran on.
    """

    name: str
    exe: str
    pid: int
    parent_pid: int
    exit_code: int | None
    calls: int


class Trace:
    """The calls in a TRACE file, as counts and as columns; it is read when they are asked for.

    `path`: of the TRACE file, for `renacer-otel query` and the like.
    """

    def __init__(self, path: Path, cwd: str, held: Held = NOTHING) -> None:
        """`held`: what was open when it began."""
        self.path = path
        self._cwd, self._held = cwd, held

    @functools.cached_property
    def columns(self) -> Replay:
        """NumPy columns of all calls, with details: see renacer_otel/spans/replay.py."""
        from renacer_otel.spans import replay

        return replay.of_trace(self.path, details=True)

    @property
    def _rows(self) -> NDArray[np.bool_] | None:
        """Which calls are meant; None = all."""
        return None

    @functools.cached_property
    def calls(self) -> Counter[str]:
        """How often each call was made, by its name."""
        import numpy as np

        from renacer_otel.spans import replay

        codes, names = replay.call_names(self.columns.calls)
        if self._rows is not None:
            codes = codes[self._rows]
        found: Counter[str] = Counter()
        counts = np.bincount(codes, minlength=len(names)).tolist()
        for name, count in zip(names, counts, strict=True):
            if count:
                found[name] += count
        return found

    @property
    def call_count(self) -> int:
        """How many system calls there were."""
        return sum(self.calls.values())

    @functools.cached_property
    def errors(self) -> Counter[tuple[str, str]]:
        """How often a call failed: by its name and the error's, as in ("openat", "ENOENT")."""
        import numpy as np

        from renacer_otel.spans import replay

        calls = self.columns.calls
        codes, names = replay.call_names(calls)
        failed = (calls["flags"] & replay.FAILED) != 0
        if self._rows is not None:
            failed = failed & self._rows
        pairs = np.stack([codes[failed].astype(np.int64), -calls["result"][failed]])
        kinds, counts = np.unique(pairs, axis=1, return_counts=True)
        found: Counter[tuple[str, str]] = Counter()
        for code, number, count in zip(*kinds.tolist(), counts.tolist(), strict=True):
            found[names[code], replay.error_name(number) or str(number)] += count
        return found

    @functools.cached_property
    def effects(self) -> Effects:
        """Files and peers, all in one."""
        from renacer_otel.testing import effects

        return effects.of_run(self.columns, self._cwd, self._rows, self._held)

    @property
    def files_read(self) -> tuple[str, ...]:
        """Absolute paths that were opened for reading, the loader's libraries among them."""
        return self.effects.read

    @property
    def files_written(self) -> tuple[str, ...]:
        """Absolute paths that were opened for writing, made, changed, renamed or removed."""
        return self.effects.written

    @property
    def peers(self) -> tuple[str, ...]:
        """Whom its sockets talked to: `192.0.2.1:80`, `[::1]:80`, a path, `@` and a name."""
        return self.effects.peers

    @functools.cached_property
    def processes(self) -> tuple[Process, ...]:
        """All processes, in the order of their starts."""
        return tuple(
            Process(
                each.name,
                each.exe,
                each.pid,
                each.parent_pid,
                None if each.wait_status is None else os.waitstatus_to_exitcode(each.wait_status),
                each.calls,
            )
            for _, each in sorted(self.columns.processes.items())
        )

    @property
    def duration_ms(self) -> float:
        """How long it took by the clock, without what tracing added (an estimate, see check)."""
        end = self.columns.end or {}
        wall, added = int(end.get("wall_ns", 0)), int(end.get("added_ns", 0))
        return max(wall - max(added, 0), 0) / 1e6

    @property
    def lacks(self) -> str:
        """Why the trace does not have all that happened; "" = it does."""
        run = self.columns
        if not run.complete:
            return "the trace was cut short"
        if lost := run.lost_events + run.lost_calls:
            return f"{lost:,} events were lost"
        return f"there was no memory for {run.missed:,} rows" if run.missed else ""


class TracedRun(Trace):
    """A command that has ended. `exit_code` is negative where a signal ended it.

    `args`, `returncode`, `stdout`, `stderr` are those of subprocess.CompletedProcess. `cwd`: where
    it ran; `messages`: what the tracer had to tell.
    """

    def __init__(
        self, args: tuple[str, ...], done: recording.Recorded, path: Path, cwd: str
    ) -> None:
        super().__init__(path, cwd)
        self.args = args
        self.cwd = cwd
        self.exit_code = os.waitstatus_to_exitcode(done.wait_status)
        self.stdout, self.stderr = done.stdout, done.stderr
        self.messages = done.messages

    @property
    def returncode(self) -> int:
        """The same as exit_code."""
        return self.exit_code

    @property
    def outlines(self) -> list[str]:
        """Standard output as lines of text."""
        return self.stdout.decode("utf-8", "backslashreplace").splitlines()

    @property
    def errlines(self) -> list[str]:
        """Standard error as lines of text."""
        return self.stderr.decode("utf-8", "backslashreplace").splitlines()

    def check_returncode(self) -> None:
        """Raises subprocess.CalledProcessError unless it exited with 0."""
        if self.exit_code:
            raise subprocess.CalledProcessError(self.exit_code, self.args, self.stdout, self.stderr)

    def __repr__(self) -> str:
        last = f", stderr ends {one_line(self.errlines[-1], 120)!r}" if self.errlines else ""
        return f"<{shown(self.args)} exited with {self.exit_code}{last}>"


def shown(args: Sequence[str]) -> str:
    """A command as messages have it."""
    return one_line(shlex.join(args), _SHOWN)


class Tracer:
    """Runs commands under the tracer: call it as subprocess.run, with a list of words.

    `runs`: what was run so far.
    """

    def __init__(self, folder: Callable[[], Path], judge: Callable[[TracedRun], None]) -> None:
        self._folder = functools.lru_cache(1)(folder)
        self._judge = judge
        self.runs: list[TracedRun] = []

    def __call__(
        self,
        command: Sequence[Word],
        *,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        input: bytes | str | None = None,  # noqa: A002 (as subprocess calls it)
        timeout: float | None = None,
        check: bool = False,
    ) -> TracedRun:
        """Runs it to its end, and that of all that it started; standard input is empty or `input`.

        Raises as subprocess.run: FileNotFoundError, PermissionError, TimeoutExpired (all of it is
        killed), and CalledProcessError if `check`. Skips the test where tracing is forbidden.
        """
        __tracebackhide__ = True
        command = recording.words_of(command)
        path = self._folder() / f"{len(self.runs)}.renacer"
        where = os.getcwd() if cwd is None else os.fspath(cwd)
        given = input.encode() if isinstance(input, str) else input
        try:
            done = recording.record(
                command, str(path), cwd=cwd, env=env, stdin=given, timeout=timeout, options=["-y"]
            )
        except recording.Forbidden as error:
            raise pytest.skip.Exception(f"tracing is forbidden: {error}") from None
        args = tuple(os.fsdecode(word) for word in command)
        run = TracedRun(args, done, path, where)
        self.runs.append(run)
        self._judge(run)
        if check:
            run.check_returncode()
        return run
