# SPDX-License-Identifier: MIT
"""The process that our caller started becomes the command; the tracer is its grandchild."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from renacer_otel.engine import native
from renacer_otel.engine.failures import exec_error
from renacer_otel.engine.launch import Kept
from renacer_otel.errors import EXIT_OWN_FAILURE, EngineError, one_line

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from renacer_otel.engine.launch import User

# How far the tracer keeps away from the command: strace's -D, -DD, -DDD.
GRANDCHILD, GROUP, SESSION = 1, 2, 3
_PID_BYTES = 4


def part(
    level: int, argv: Sequence[str], environ: Sequence[str], user: User | None
) -> tuple[int, int]:
    """Returns in the tracer, a grandchild: what a run is to adopt. No threads may exist yet.

    The calling process becomes the command; where it cannot, it raises what hindered it.
    """
    import socket

    command = os.getpid()
    ours, theirs = socket.socketpair()
    try:
        child = os.fork()
    except OSError as error:
        raise EngineError(f"fork: {one_line(str(error.strerror))}") from error
    if child:
        ours.close()
        os.waitpid(child, 0)
        _become(argv, environ, user, theirs)
    theirs.close()
    if _fork_or_end():
        os._exit(0)
    _keep_away(level)
    ours.sendall(os.getpid().to_bytes(_PID_BYTES, "little"))
    return command, ours.detach()


def _fork_or_end() -> int:
    try:
        return os.fork()
    except OSError:
        os._exit(EXIT_OWN_FAILURE)  # the command-to-be sees it by the closed socket


def _keep_away(level: int) -> None:
    # A reader of the command's output must not wait for us.
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for number in (0, 1):
        os.dup2(null, number)
    os.close(null)
    if level == GROUP:
        os.setpgid(0, 0)
    elif level >= SESSION:
        os.setsid()


def _become(
    argv: Sequence[str], environ: Sequence[str], user: User | None, tracer: socket.socket
) -> None:
    pid = int.from_bytes(tracer.recv(_PID_BYTES), "little")
    if not pid:
        raise EngineError("the tracer could not be started; raise the limit on processes"
                          " (ulimit -u)")  # fmt: skip
    if user:
        os.setgroups(user.groups)
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
    kept = Kept()
    error = int(
        native.lib.rn_become(kept.strings(argv), kept.strings(environ), tracer.fileno(), pid)
    )
    if error < 0:
        os._exit(EXIT_OWN_FAILURE)  # the tracer has told why it ended
    raise exec_error(argv[0], error)
