# SPDX-License-Identifier: MIT
"""What this machine allows a tracer, each lack with its fix.

What can be tried is tried, on a child made for it: a version number or a capability says less
than the call itself, in a container above all.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
from typing import NamedTuple

from renacer_otel.errors import one_line

_CAPABILITIES = {"CAP_SYS_PTRACE": 19, "CAP_SYS_NICE": 23}
_MACHINES = ("x86_64", "aarch64")

# <linux/ptrace.h>, <linux/fcntl.h>
_PTRACE_SEIZE = 0x4206
_PTRACE_INTERRUPT = 0x4207
_PTRACE_GET_SYSCALL_INFO = 0x420E
_F_ADD_SEALS = 1033
_SEALS = 1 | 2 | 4  # against sealing, shrinking, growing

_SECCOMP_FIX = "start the container with --cap-add SYS_PTRACE, or with another seccomp profile"


class Ability(NamedTuple):
    """One line of the report. `needed`: without it nothing can be traced."""

    name: str
    ok: bool
    found: str
    fix: str = ""
    needed: bool = False


def read_line(path: str) -> str | None:
    """A file's stripped content, None where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip().rstrip("\0")
    except OSError:
        return None


def abilities() -> list[Ability]:
    """Everything that can be told before the engine itself is tried."""
    return [
        _machine(),
        _kernel(),
        _yama(),
        *_capabilities(),
        _seccomp(),
        _filtering(),
        _security_module(),
        _traced(),
        *_trials(),
        _cpus(),
        _ring_memory(),
    ]


def _status() -> dict[str, str]:
    text = read_line("/proc/self/status") or ""
    return {
        name: value.strip()
        for name, _, value in (line.partition(":") for line in text.splitlines())
    }


def _name_of(number: int) -> str:
    return f"{errno.errorcode.get(number, str(number))}, {os.strerror(number)}"


# --- what is written somewhere ----------------------------------------------------------------


def _machine() -> Ability:
    machine = platform.machine()
    return Ability(
        "machine",
        machine in _MACHINES,
        machine,
        f"the ptrace engine knows {' and '.join(_MACHINES)}",
        needed=True,
    )


def _kernel() -> Ability:
    release = platform.release()
    words = release.split("-")[0].split(".")
    version = tuple(int(word) for word in words[:2] if word.isdigit())
    return Ability(
        "kernel",
        version >= (3, 17),
        f"Linux {one_line(release, 60)}",
        "Linux 3.17 or newer is needed (memfd_create); 5.3 is better",
        needed=True,
    )


def _yama() -> Ability:
    scope = read_line("/proc/sys/kernel/yama/ptrace_scope")
    meaning = {
        None: "not there: no restriction",
        "0": "0: any process of yours",
        "1": "1: commands that we start",
        "2": "2: administrators only",
        "3": "3: nobody",
    }.get(scope, one_line(scope or "", 20))
    allowed = scope not in ("2", "3") or (scope == "2" and _has("CAP_SYS_PTRACE"))
    fix = "run as root, or sysctl kernel.yama.ptrace_scope=1"
    if scope == "3":
        fix = (
            "set kernel.yama.ptrace_scope=1 in /etc/sysctl.d and reboot: 3 cannot be undone before"
        )
    return Ability("Yama ptrace_scope", allowed, meaning, fix, needed=True)


def _has(name: str) -> bool:
    effective = int(_status().get("CapEff") or "0", 16)
    return bool(effective >> _CAPABILITIES[name] & 1)


def _capabilities() -> list[Ability]:
    uses = {
        "CAP_SYS_PTRACE": "programs whose files you may not read are traced in full",
        "CAP_SYS_NICE": "programs that run as another user may share the tracer's CPU",
    }
    return [
        Ability(
            name,
            _has(name),
            ("have it: " if _has(name) else "not there, and seldom needed; with it ") + use,
            f"run as root; in a container add --cap-add {name.removeprefix('CAP_')}",
        )
        for name, use in uses.items()
    ]


def _seccomp() -> Ability:
    mode = _status().get("Seccomp")
    shown = {
        None: "not in this kernel",
        "0": "no filter on us",
        "1": "strict mode",
        "2": "a filter is on us (a container's?); the trials below tell what it forbids",
    }.get(mode, one_line(mode or "", 20))
    return Ability("seccomp", True, shown)


def _filtering() -> Ability:
    from renacer_otel.engine.filtering import permitted

    decision = permitted()
    return Ability(
        "calls filtered by -e",
        decision.mode != "off",
        "in the kernel" + ("; sets no_new_privs for the command" if decision.no_new_privs else "")
        if decision.mode != "off"
        else f"not in the kernel, each call stops: {decision.reason}",
        "nothing is wrong: it only takes longer",
    )


def _security_module() -> Ability:
    name = "security modules"
    if read_line("/sys/fs/selinux/booleans/deny_ptrace") in ("1 1", "1 0"):
        fix = "setsebool deny_ptrace off"
        return Ability(name, False, "SELinux: deny_ptrace is on", fix, needed=True)
    label = read_line("/proc/self/attr/current") or ""
    confined = label.endswith("(enforce)") or (":" in label and "unconfined" not in label)
    return Ability(
        name, True, f"we run as {one_line(label, 60)}" if confined else "none confines us"
    )


def _traced() -> Ability:
    tracer = _status().get("TracerPid", "0")
    return Ability(
        "no tracer around us",
        tracer == "0",
        "right" if tracer == "0" else f"process {one_line(tracer, 20)} traces us",
        "run outside of the debugger or tracer: what it follows cannot be traced by us",
    )


def _cpus() -> Ability:
    mask = os.sched_getaffinity(0)
    if len(mask) == 1:
        return Ability("CPU sharing", True, "1 CPU: tracer and command share it")
    try:
        os.sched_setaffinity(0, mask)
    except OSError as error:
        return Ability(
            "CPU sharing",
            False,
            f"sched_setaffinity: {error.strerror}; each call costs several times more",
            f"allow sched_setaffinity ({_SECCOMP_FIX}), or run under taskset -c 0",
        )
    return Ability("CPU sharing", True, f"{len(mask)} CPUs: tracer and command may share one")


def _ring_memory() -> Ability:
    import fcntl

    name = "sealed memory (ring)"
    try:
        descriptor = os.memfd_create("renacer-doctor", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.posix_fallocate(descriptor, 0, 1 << 20)
            fcntl.fcntl(descriptor, _F_ADD_SEALS, _SEALS)
        finally:
            os.close(descriptor)
    except OSError as error:
        fix = {
            errno.ENOSYS: "memfd_create is missing: Linux 3.17 or newer, or a seccomp filter that"
            " allows it",
            errno.EPERM: "a seccomp filter forbids memfd_create; " + _SECCOMP_FIX,
            errno.EFBIG: "raise the limit on file sizes (ulimit -f)",
            errno.EMFILE: "raise the limit on open files (ulimit -n)",
        }.get(error.errno or 0, "free some memory")
        return Ability(name, False, f"memfd_create: {error.strerror}", fix, needed=True)
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    shown = (
        "" if limit == resource.RLIM_INFINITY else f"; address space limited to {limit >> 20} MiB"
    )
    return Ability(name, True, "works" + shown)


# --- what is tried on a child -----------------------------------------------------------------


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("len", ctypes.c_size_t))


class _Trial:
    """A child that waits to be traced, and the calls made on it."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.ptrace.restype = ctypes.c_long
        self._text = ctypes.create_string_buffer(b"renacer")  # the child has it at the same place

    def run(self) -> list[Ability]:
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(theirs)
            os.read(ours, 1)  # until the parent closes its end, or is gone
            os._exit(0)
        os.close(ours)
        try:
            found = [self._seize(pid)]
            if found[0].ok:
                found += [self._syscall_info(pid), self._memory(pid)]
            return found
        finally:
            os.close(theirs)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def _ptrace(self, request: int, pid: int, size: int = 0, data: object = None) -> int:
        """What ptrace(2) returns, or -errno."""
        ctypes.set_errno(0)
        got = self._libc.ptrace(
            ctypes.c_long(request), ctypes.c_long(pid), ctypes.c_void_p(size), data
        )
        return -ctypes.get_errno() if got < 0 else int(got)

    def _seize(self, pid: int) -> Ability:
        name, what = "ptrace", "PTRACE_SEIZE"
        got = self._ptrace(_PTRACE_SEIZE, pid)
        if got == 0:
            what = "PTRACE_INTERRUPT"
            got = self._ptrace(_PTRACE_INTERRUPT, pid)
        if got == 0:
            os.waitpid(pid, os.WUNTRACED)
            return Ability(name, True, "a child can be traced", needed=True)
        from renacer_otel.engine.failures import why_forbidden

        fix = why_forbidden()
        if -got in (errno.EIO, errno.EINVAL, errno.ENOSYS):
            fix = "Linux 3.8 or newer is needed, and a sandbox that offers ptrace"
        return Ability(name, False, f"{what}: {_name_of(-got)}", fix, needed=True)

    def _syscall_info(self, pid: int) -> Ability:
        room = ctypes.create_string_buffer(128)
        got = self._ptrace(_PTRACE_GET_SYSCALL_INFO, pid, len(room), room)
        return Ability(
            "PTRACE_GET_SYSCALL_INFO",
            got > 0,
            "works" if got > 0 else f"{_name_of(-got)}; registers are read instead",
            "Linux 5.3 or newer tells 32-bit calls of 64-bit programs apart",
        )

    def _memory(self, pid: int) -> Ability:
        size = len(self._text)
        room = ctypes.create_string_buffer(size)
        local = _Iovec(ctypes.addressof(room), size)
        remote = _Iovec(ctypes.addressof(self._text), size)
        ctypes.set_errno(0)
        got = self._libc.process_vm_readv(
            pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, ctypes.c_ulong(0)
        )
        ok = got == size and room.raw == self._text.raw
        return Ability(
            "process_vm_readv",
            ok,
            "works" if ok else f"{_name_of(ctypes.get_errno())}; strings are read word by word",
            "allow process_vm_readv: " + _SECCOMP_FIX,
        )


def _trials() -> list[Ability]:
    return _Trial().run()
