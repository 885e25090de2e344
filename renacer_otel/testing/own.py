# SPDX-License-Identifier: MIT
"""Traces the thread that runs a test, and what it starts, from a process beside ours.

The tracer is no child of ours: nobody waits for it who it stops. It attaches, the test runs, it
lets go. Two calls that do nothing mark where the test begins and ends, so that nothing of pytest
or of ours is counted; other threads that were there before are not the test.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from renacer_otel import recording
from renacer_otel.errors import one_line
from renacer_otel.testing import held
from renacer_otel.testing.traced import Trace

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

# Twice forked, so that it is of no use to wait for us, nor for us to wait for it. It tells its pid,
# and waits for a byte: by then we have allowed it to trace us.
_BOOT = (
    "import os, sys\n"
    "if os.fork(): os._exit(0)\n"
    "os.setsid()\n"
    "os.write(int(sys.argv[2]), b'{\"pid\": %d}\\n' % os.getpid())\n"
    "if not os.read(0, 1): os._exit(0)\n" + recording.BOOT.replace("; ", "\n").replace(";", "\n")
)
_PATIENCE = 60.0
_GONE = " (deleted)"
_PR_SET_PTRACER = 0x59616D61
_YAMA = "/proc/sys/kernel/yama/ptrace_scope"
_LEAST_MARK = 1 << 24  # no process has such an id: PID_MAX_LIMIT is less


class OwnTrace(Trace):
    """What the test did between `begin` and `end`: its thread, and what that started."""

    def __init__(
        self, path: Path, cwd: str, thread: int, marks: tuple[int, int], open_then: held.Held
    ) -> None:
        super().__init__(path, cwd, open_then)
        self._thread, self._marks = thread, marks

    @functools.cached_property
    def _span(self) -> tuple[int, int, int, int]:
        """Of the calls between: the least and the greatest number, and when: ns."""
        import numpy as np

        from renacer_otel.spans import replay

        calls, details = self.columns.calls, self.columns.details
        assert details is not None
        codes, names = replay.call_names(calls)
        is_mark = np.array([name == "getpgid" for name in names], bool)[codes]
        is_mark &= self.columns.threads["tid"][calls["thread"]] == self._thread
        words = details.rows["args"][:, 0] & np.uint64(0xFFFFFFFF)
        ends = []
        for mark in self._marks:
            at = np.flatnonzero(is_mark & (words == np.uint64(-mark & 0xFFFFFFFF)))
            if len(at) != 1:
                raise recording.RecorderError("the trace lacks where the test begins or ends")
            ends.append(calls[at[0]])
        first, last = ends
        return int(first["end"]), int(last["seq"]), int(first["t1"]), int(last["t0"])

    @functools.cached_property
    def _rows(self) -> NDArray[np.bool_]:
        import numpy as np

        run = self.columns
        first, last, _, _ = self._span
        ours = np.zeros(len(run.threads), bool)
        for at, (tid, maker) in enumerate(
            zip(run.threads["tid"].tolist(), run.threads["maker"].tolist(), strict=True)
        ):
            ours[at] = (maker < at and ours[maker]) or tid == self._thread
        number = run.calls["seq"]
        found: NDArray[np.bool_] = ours[run.calls["thread"]] & (number > first) & (number < last)
        return found

    @property
    def duration_ms(self) -> float:
        """As of a command; what tracing added is shared out by calls."""
        _, _, begin, end = self._span
        added = max(int((self.columns.end or {}).get("added_ns", 0)), 0)
        share = self.call_count / max(len(self.columns.calls), 1)
        return max(end - begin - added * share, 0.0) / 1e6


class Attached:
    """A tracer that is attached to us from begin() to end()."""

    def __init__(self, path: Path) -> None:
        self._path = path
        #: Where the test begins; it may be gone.
        self.cwd = os.readlink("/proc/self/cwd").removesuffix(_GONE)
        self._held = held.NOTHING
        self._pid = 0
        self._marks = (0, 0)
        self._thread = threading.get_native_id()
        self._status = self._go = -1
        self._unread = b""
        self._is_over = False  # nothing more will be told

    def begin(self) -> None:
        """Has us traced. Raises Forbidden, RecorderError."""
        self._status, status = os.pipe()
        go, self._go = os.pipe()
        words = ["--format", "record", "-o", str(self._path), "-y", "-p", str(os.getpid())]
        try:
            subprocess.run(
                [sys.executable, "-c", _BOOT, recording.PACKAGES, str(status), "-", *words],
                stdin=go,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(status,),
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            self._close()
            what = one_line(str(error), 120)
            raise recording.RecorderError(f"the tracer cannot be started: {what}") from error
        finally:
            os.close(status)
            os.close(go)
        try:
            self._attach()
        except BaseException:
            self._abandon()
            raise
        self._held = held.open_now()
        self._marks = (_LEAST_MARK + 1, _LEAST_MARK + 2)
        _mark(self._marks[0])

    def _attach(self) -> None:
        self._pid = int(self._next()["pid"])
        _allow(self._pid)
        os.write(self._go, b"\n")
        while "attached" not in (told := self._next()):
            if "error" in told:
                raise recording.failure(told, "")

    def end(self) -> OwnTrace:
        """Has us let go. Raises RecorderError."""
        _mark(self._marks[1])
        try:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)
            while "wait_status" not in (told := self._next()):
                if "error" in told:
                    raise recording.failure(told, "")
        finally:
            self._abandon()
        return OwnTrace(self._path, self.cwd, self._thread, self._marks, self._held)

    def _next(self) -> dict[str, Any]:
        """The next thing that the tracer tells."""
        until = time.monotonic() + _PATIENCE
        while b"\n" not in self._unread:
            left = until - time.monotonic()
            try:
                if left <= 0 or not select.select([self._status], [], [], left)[0]:
                    raise recording.RecorderError("the tracer does not answer")
                data = os.read(self._status, 1 << 16)
            except OSError as error:
                raise recording.RecorderError("the test closed what is not its own") from error
            self._is_over = not data
            if not data:
                raise recording.RecorderError("the tracer has ended")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        self._is_over = "wait_status" in found or "error" in found
        return found

    def _abandon(self) -> None:
        """Whatever has come of it: we are traced no more."""
        _allow(0)
        if self._pid and not self._is_over:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)  # what it attached to goes on
        self._close()

    def _close(self) -> None:
        for descriptor in (self._status, self._go):
            if descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self._status = self._go = -1


def _mark(number: int) -> None:
    """A call that does nothing, and is found in the trace."""
    with contextlib.suppress(OSError):
        os.getpgid(-number)


def _allow(pid: int) -> None:
    """Lets a process trace us where Yama asks for that; 0: nobody."""
    try:
        with open(_YAMA, encoding="ascii") as file:
            if file.read().strip() != "1":
                return
    except OSError:
        return
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(pid), 0, 0, 0)
