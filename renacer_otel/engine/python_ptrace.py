# SPDX-License-Identifier: MIT
"""What the python engine asks of python-ptrace: the only file that imports it (GPLv2, optional).

Requests that python-ptrace has no function for go through its ``ptrace()`` by their number of
ptrace(2). A thread that is gone is no error: its end is reported on its own.
"""

from __future__ import annotations

import ctypes
import signal
import struct
from typing import Any, NamedTuple

from ptrace import PtraceError
from ptrace.binding import func as binding

SEIZE, INTERRUPT, LISTEN, GET_SYSCALL_INFO = 0x4206, 0x4207, 0x4208, 0x420E
O_EXITKILL = 1 << 20
OPTIONS = O_EXITKILL | binding.PTRACE_O_TRACESYSGOOD | binding.PTRACE_O_TRACEEXEC
FOLLOW = binding.PTRACE_O_TRACEFORK | binding.PTRACE_O_TRACEVFORK | binding.PTRACE_O_TRACECLONE
EVENT_FORK = binding.PTRACE_EVENT_FORK
EVENT_VFORK = binding.PTRACE_EVENT_VFORK
EVENT_CLONE = binding.PTRACE_EVENT_CLONE
EVENT_EXEC = binding.PTRACE_EVENT_EXEC
EVENT_STOP = 128

_INFO = struct.Struct("<BxxxIQQ")  # op, arch, instruction and stack pointers
_ENTRY = struct.Struct("<7Q")
_EXIT = struct.Struct("<qB")
_FAULTS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP}


class SyscallStop(NamedTuple):
    """What PTRACE_GET_SYSCALL_INFO says (Linux 5.3)."""

    entry: bool
    arch: int  # AUDIT_ARCH_*
    nr: int
    args: tuple[int, ...]
    result: int
    is_error: bool


_buffer = ctypes.create_string_buffer(128)


def seize(pid: int, *, follow: bool) -> None:
    """Traces a process, which is about to stop; it dies with us. Raises OSError."""
    try:
        binding.ptrace(SEIZE, pid, 0, OPTIONS | (FOLLOW if follow else 0))
        binding.ptrace(INTERRUPT, pid, 0, 0)
    except PtraceError as error:
        number = int(error.errno or 0)
        raise OSError(number, "PTRACE_SEIZE") from None


def resume(tid: int, number: int = 0) -> None:
    """To the next syscall stop, with the signal."""
    _ask(binding.PTRACE_SYSCALL, tid, 0, number)


def listen(tid: int) -> None:
    """Leaves it in its group-stop, so that it hears SIGCONT."""
    _ask(LISTEN, tid, 0, 0)


def interrupt(tid: int) -> None:
    """Stops it, soon."""
    _ask(INTERRUPT, tid, 0, 0)


def detach(tid: int, number: int = 0) -> None:
    """Lets it go."""
    _ask(binding.PTRACE_DETACH, tid, 0, number)


def event_message(tid: int) -> int | None:
    """The new thread's id, or the former one's; None if it is gone."""
    value = ctypes.c_ulong()
    if not _ask(binding.PTRACE_GETEVENTMSG, tid, 0, ctypes.addressof(value)):
        return None
    return value.value


def syscall_stop(tid: int) -> SyscallStop | None:
    """The call that it enters or leaves; None if it is gone."""
    if not _ask(GET_SYSCALL_INFO, tid, len(_buffer), ctypes.addressof(_buffer)):
        return None
    raw = _buffer.raw
    op, arch, _, _ = _INFO.unpack_from(raw)
    if op in (1, 3):
        nr, *args = _ENTRY.unpack_from(raw, _INFO.size)
        return SyscallStop(True, arch, nr, tuple(args), 0, False)
    if op == 2:
        result, is_error = _EXIT.unpack_from(raw, _INFO.size)
        return SyscallStop(False, arch, 0, (), result, bool(is_error))
    return None


def signal_arguments(tid: int, number: int) -> tuple[int, int, int, int, int] | None:
    """args[] of an RN_SIGNAL record: code, pid, uid, address or value, status."""
    raw = ctypes.create_string_buffer(128)
    if not _ask(binding.PTRACE_GETSIGINFO, tid, 0, ctypes.addressof(raw)):
        return None
    code = struct.unpack_from("<i", raw.raw, 8)[0]
    address = struct.unpack_from("<Q", raw.raw, 16)[0]
    if code > 0 and number in _FAULTS:
        return code, 0, 0, address, 0
    pid, uid, status = struct.unpack_from("<iIi", raw.raw, 16)
    if number == signal.SIGCHLD:
        return code, pid, uid, 0, status
    return code, pid, uid, struct.unpack_from("<Q", raw.raw, 24)[0], 0


def _ask(request: int, tid: int, address: int, data: int) -> bool:
    """False: the thread is gone, or not stopped: killed meanwhile."""
    try:
        binding.ptrace(request, tid, address, data)
    except PtraceError:
        return False
    return True


def library() -> Any:
    """The C library as python-ptrace has loaded it."""
    from ptrace.ctypes_libc import libc

    return libc
