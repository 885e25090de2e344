# SPDX-License-Identifier: MIT
"""Starts the command for the python engine: forked, seized, then exec'ed."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import stat
import warnings
from typing import TYPE_CHECKING

from renacer_otel.engine import python_ptrace as trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renacer_otel.engine.launch import User


def start(
    argv: Sequence[str],
    environ: Sequence[str],
    *,
    follow: bool,
    mask: set[int],
    user: User | None = None,
) -> int:
    """The pid of the command, seized, which now goes on to its exec. Then: failure(pid).

    Raises FileNotFoundError, PermissionError or OSError (filename: the call that failed).
    """
    path = _resolve(argv[0], environ)
    library = trace.library()
    arguments = _strings([os.fsencode(word) for word in argv])
    shell = _strings([b"/bin/sh", path, *(os.fsencode(word) for word in argv[1:])])
    variables = _strings([os.fsencode(entry) for entry in environ])
    handled = [
        number
        for number in signal.valid_signals()
        if number in (signal.SIGPIPE, signal.SIGXFSZ) or callable(signal.getsignal(number))
    ]
    go_read, go_write = os.pipe()
    bad_read, bad_write = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 and later warn of threads; the child does no more than exec.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            os.close(go_write)
            for number in handled:
                signal.signal(number, signal.SIG_DFL)
        except (OSError, ValueError):  # not the main thread's: by the library, below
            pass
        for number in handled:
            library.signal(ctypes.c_int(number), ctypes.c_void_p(0))
        if os.read(go_read, 1):
            why = _change_user(user) if user else 0
            if not why:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
                library.execve(path, arguments, variables)
                why = ctypes.get_errno()
                if why == errno.ENOEXEC and _is_text(path):
                    library.execve(b"/bin/sh", shell, variables)
            os.write(bad_write, why.to_bytes(4, "little", signed=True))
        os._exit(127)
    os.close(go_read)
    os.close(bad_write)
    os.set_inheritable(bad_read, False)
    try:
        trace.seize(pid, follow=follow)
    except OSError:
        os.close(go_write)
        os.close(bad_read)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    os.write(go_write, b"g")
    os.close(go_write)
    _bad[pid] = bad_read
    return pid


_bad: dict[int, int] = {}


def failure(pid: int) -> int:
    """errno of the exec of a command that ended before it, negative if it could not become the
    user it was to be; 0 = there is none."""
    descriptor = _bad.pop(pid)
    try:
        return int.from_bytes(os.read(descriptor, 4), "little", signed=True)
    finally:
        os.close(descriptor)


def _change_user(user: User) -> int:
    """0, or -errno. The groups go first: who is not root any more may not."""
    try:
        os.setgroups(user.groups)
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
    except OSError as error:
        return -(error.errno or errno.EPERM)
    return 0


def _strings(texts: Sequence[bytes]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * (len(texts) + 1))(*texts, None)


def _resolve(name: str, environ: Sequence[str]) -> bytes:
    """As a shell looks for it. Raises FileNotFoundError or PermissionError."""
    if "/" in name:
        candidates = [name]
    else:
        found = [entry[5:] for entry in environ if entry.startswith("PATH=")]
        path = found[0] if found else "/bin:/usr/bin"
        candidates = [os.path.join(folder or ".", name) for folder in path.split(":")]
    why = errno.ENOENT
    for candidate in candidates:
        try:
            mode = os.stat(candidate).st_mode
        except OSError as error:
            if "/" in name or error.errno == errno.EACCES:
                why = error.errno or why
            continue
        if stat.S_ISREG(mode) and os.access(candidate, os.X_OK):
            return os.fsencode(candidate)
        why = errno.EACCES
    raise OSError(why, os.strerror(why), "execve")


def _is_text(path: bytes) -> bool:
    """As shells tell: a binary has a NUL in its first line."""
    try:
        with open(path, "rb") as file:
            head = file.read(80)
    except OSError:
        return False
    return bool(head) and b"\0" not in head.split(b"\n", 1)[0]
