# SPDX-License-Identifier: MIT
"""Work in a process of its own, which ends when its time is over, whatever it is at.

The process is a fork: it has all that is in memory here, and none of our threads. It opens nothing
that was open, hears no signal that asks to end, and is killed by us: at its time, with us, or when
what it found is no longer wanted.
"""

from __future__ import annotations

import ctypes
import faulthandler
import functools
import gc
import json
import math
import os
import resource
import select
import signal
import struct
import threading
import time
import traceback
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

from renacer_otel.errors import END, RenacerError, UsageError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Send = Callable[[bytes], None]

#: Bytes that are handed on at once.
PIECE = 1 << 16
_HEAD = struct.Struct("<cI")  # what a piece is, and its length
_DATA, _ERROR, _DONE = b"d", b"e", b"."
_ERRORS = {kind.__name__: kind for kind in (RenacerError, UsageError)}
_LONGEST = 4000  # characters of an error
_GRACE = 10.0  # seconds, until it ends itself where nobody does
_PR_SET_PDEATHSIG = 1

# A fork that another thread makes meanwhile would hold the pipe open.
_making = threading.Lock()


@contextmanager
def apart(work: Callable[[Send], None], seconds: float) -> Iterator[Iterator[bytes]]:
    """What `work` sends, in pieces of at most PIECE bytes. Afterwards its process is gone.

    Of the time that is counted is what is waited for it here. What it raises is raised by the
    iterator, RenacerErrors as they are; so is RenacerError where it took longer, or died.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, END)  # a handler may raise anywhere
    child = None
    try:
        try:
            child = _started(work, seconds)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield child.sent()
    finally:
        if child is not None:
            child.end()


class _Child:
    def __init__(self, pid: int, pipe: int, seconds: float) -> None:
        self._pid, self._pipe = pid, pipe
        self._seconds = self._left = seconds
        self._poll = select.poll()
        self._poll.register(pipe, select.POLLIN)

    def sent(self) -> Iterator[bytes]:
        while True:
            kind, size = _HEAD.unpack(self._read(_HEAD.size))
            if size > PIECE or kind not in (_DATA, _ERROR, _DONE):
                raise RenacerError("the query's process sent nonsense; please report it")
            data = self._read(size)
            if kind == _DONE:
                return
            if kind == _ERROR:
                raise _raised(data)
            yield data

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            self._wait()
            some = os.read(self._pipe, size - len(data))
            if not some:
                raise RenacerError(self._death())
            data += some
        return data

    def _wait(self) -> None:
        begin = time.monotonic()
        ready = self._poll.poll(max(0, math.ceil(self._left * 1000)))
        self._left -= time.monotonic() - begin
        if not ready or self._left < 0:
            raise RenacerError(_too_long(self._seconds))

    def _death(self) -> str:
        """Why there is nothing more."""
        status = self._reaped()
        if status is None or not os.WIFSIGNALED(status):
            return "the query's process ended without a word; ask for less at once"
        number = os.WTERMSIG(status)
        if number == signal.SIGALRM:
            return _too_long(self._seconds)
        if number == signal.SIGKILL:
            return (
                "the query's process was killed by SIGKILL, as the kernel does where memory is"
                " short; ask for less at once"
            )
        with suppress(ValueError):
            return f"DuckDB was ended by {signal.Signals(number).name}; ask for less at once"
        return f"DuckDB was ended by signal {number}; ask for less at once"

    def _reaped(self) -> int | None:
        """Its wait status; None: somebody else has taken it."""
        pid, self._pid = self._pid, 0
        try:
            return os.waitpid(pid, 0)[1]
        except ChildProcessError:
            return None

    def end(self) -> None:
        try:
            if self._pid:
                with suppress(ProcessLookupError):
                    os.kill(self._pid, signal.SIGKILL)
                self._reaped()
        finally:
            os.close(self._pipe)


def _too_long(seconds: float) -> str:
    return f"the query took longer than {seconds:g} s and was ended"


def _raised(data: bytes) -> Exception:
    """The error that a process tells."""
    try:
        kind, told, where = (str(word) for word in json.loads(data))
    except (ValueError, TypeError):
        return RenacerError("the query's process sent nonsense; please report it")
    if kind in _ERRORS:
        return _ERRORS[kind](told)
    error = RuntimeError(told)
    error.__cause__ = RuntimeError(where)
    return error


def _started(work: Callable[[Send], None], seconds: float) -> _Child:
    libc = ctypes.CDLL(None)
    with _making:
        read, write = os.pipe2(os.O_CLOEXEC)
        parent = os.getpid()
        try:
            with warnings.catch_warnings():
                # Of threads that the process does not have: whatever they hold, its time ends.
                warnings.simplefilter("ignore", DeprecationWarning)
                pid = os.fork()
        except OSError as error:
            os.close(read)
            os.close(write)
            raise RenacerError(
                f"no process for the query: {error.strerror}; end some, or raise their limit"
            ) from error
        if pid == 0:
            os.close(read)
            _run(work, write, libc, parent, seconds + _GRACE)
        os.close(write)
    return _Child(pid, read, seconds)


# --- in the process ----------------------------------------------------------------------------


def _run(
    work: Callable[[Send], None], pipe: int, libc: ctypes.CDLL, parent: int, most: float
) -> NoReturn:
    frame = functools.partial(_frame, pipe, most)

    def send(data: bytes) -> None:
        for at in range(0, len(data), PIECE):
            frame(_DATA, data[at : at + PIECE])

    try:
        try:
            _settle(pipe, libc, parent, most)
            work(send)
            frame(_DONE, b"")
        except BaseException as error:  # noqa: BLE001 (nothing of it may run what is above us)
            frame(_ERROR, _told(error))
    finally:
        os._exit(0)


def _settle(pipe: int, libc: ctypes.CDLL, parent: int, most: float) -> None:
    for number in END:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.setitimer(signal.ITIMER_REAL, most)
    faulthandler.disable()
    gc.freeze()  # what is to happen when something of our maker's is collected happens there
    libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
    # Their numbers stay taken: whoever closes one of them in here closes nothing else.
    names = os.listdir("/proc/self/fd")
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in map(int, names):
        if fd not in (pipe, null):
            with suppress(OSError):  # the folder's own, which is closed
                os.fstat(fd)
                os.dup2(null, fd, inheritable=False)
    os.close(null)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")  # rather than our maker


def _frame(pipe: int, most: float, kind: bytes, data: bytes) -> None:
    """Hands it on; what the reader takes for it is none of our time."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    rest = memoryview(_HEAD.pack(kind, len(data)) + data)
    while rest:
        rest = rest[os.write(pipe, rest) :]
    signal.setitimer(signal.ITIMER_REAL, most)


def _told(error: BaseException) -> bytes:
    if isinstance(error, MemoryError):
        error = RenacerError("there is no memory for the query; ask for less at once")
    if isinstance(error, RecursionError):
        error = RenacerError("what the query finds is nested too deep to be shown")
    if isinstance(error, RenacerError):
        kind = "UsageError" if isinstance(error, UsageError) else "RenacerError"
        words = [kind, error.message[:_LONGEST], ""]
    else:
        where = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        words = ["", one_line(f"{type(error).__name__}: {error}"), where[-_LONGEST:]]
    return json.dumps(words).encode()
