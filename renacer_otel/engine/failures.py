# SPDX-License-Identifier: MIT
"""Why a command could not be started or traced, and what to do."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from renacer_otel.engine import native
from renacer_otel.errors import (
    CommandNotExecutable,
    CommandNotFound,
    EngineError,
    KernelTooOld,
    RingMemoryError,
    TracingForbidden,
    one_line,
)

if TYPE_CHECKING:
    from renacer_otel.engine.launch import RunConfig
    from renacer_otel.errors import RenacerError


def exec_error(command: str, number: int) -> RenacerError:
    """Why a command could not be executed (`number`: errno), and what to do."""
    shown = one_line(command, 120)
    if number in (errno.ENOENT, errno.ENOTDIR):
        if "/" in command and os.path.exists(command):
            return CommandNotFound(
                f"{shown}: its interpreter is not found; check the first line of the script"
            )
        return CommandNotFound(f"{shown}: no such command; check its name and PATH")
    hint = "" if number != errno.EACCES else " (a directory, or chmod +x is missing)"
    return CommandNotExecutable(f"{shown}: cannot be executed: {os.strerror(number)}{hint}")


def explain(config: RunConfig, failure: Any) -> RenacerError:
    """The exception for a failure of the core: what is wrong, and what to do."""
    lib = native.lib
    number = int(failure.err)
    reason = os.strerror(number)
    what = native.ffi.string(failure.what).decode("ascii", "replace")
    if failure.code in (lib.RN_FAIL_NOT_FOUND, lib.RN_FAIL_NOT_EXECUTABLE):
        return exec_error(config.argv[0], number)
    if failure.code == lib.RN_FAIL_PTRACE:
        if number in (errno.EIO, errno.EINVAL, errno.ENOSYS):
            return KernelTooOld(
                f"{what} is not known here: Linux 3.8 or newer is needed, and no sandbox or seccomp"
                " filter that withholds it"
            )
        return TracingForbidden(f"{what}: {reason}: {why_forbidden()}")
    if number in (errno.EMFILE, errno.ENFILE):
        return EngineError(f"{what}: {reason}; raise the limit on open files (ulimit -n)")
    if failure.code == lib.RN_FAIL_MEMORY and number == errno.EFBIG:
        return RingMemoryError(
            f"a ring of {config.tuning.ring_bytes} bytes is over the limit on files (ulimit -f);"
            " raise it, or ask for less with --ring-size"
        )
    if failure.code == lib.RN_FAIL_MEMORY:
        return RingMemoryError(
            f"no memory for a ring of {config.tuning.ring_bytes} bytes ({what}: {reason});"
            " free some, or ask for less with --ring-size"
        )
    if failure.code == lib.RN_FAIL_RING:
        return EngineError(f"{what}: {reason}" if what == "mmap" else what)
    if failure.code == lib.RN_FAIL_FILTER:
        return EngineError(
            f"--seccomp-bpf on: the kernel refuses the filter ({what}: {reason});"
            " leave the option out, or use --seccomp-bpf off"
        )
    if number == errno.EAGAIN:
        reason += "; raise the limit on processes or memory (ulimit -u, -v)"
    return EngineError(what if number == errno.ECHILD else f"{what}: {reason}")


def why_forbidden() -> str:
    """What forbids ptrace on this machine, and what to change; one line."""
    scope = _read("/proc/sys/kernel/yama/ptrace_scope")
    if scope == "3":
        return "Yama forbids all tracing (kernel.yama.ptrace_scope is 3); only a reboot undoes it"
    status = dict(
        line.split(":", 1) for line in _read("/proc/self/status").splitlines() if ":" in line
    )
    if scope == "2" and not int(status.get("CapEff", "0").strip() or "0", 16) >> 19 & 1:
        return (
            "Yama allows tracing to administrators only; run as root, or"
            " sysctl kernel.yama.ptrace_scope=1"
        )
    if status.get("TracerPid", "0").strip() != "0":
        return "we are traced ourselves (a debugger or strace around us): run without it"
    if status.get("Seccomp", "0").strip() == "2":
        return (
            "a seccomp filter (a container's?) forbids ptrace;"
            " start the container with --cap-add SYS_PTRACE or another seccomp profile"
        )
    return "a security policy forbids it; renacer-otel doctor says what this machine allows"


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
