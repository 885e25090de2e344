# SPDX-License-Identifier: MIT
"""What this machine allows a tracer, each lack with its fix."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from dataclasses import dataclass

_CAPABILITIES = {"CAP_SYS_PTRACE": 19, "CAP_SYS_NICE": 23}
_MACHINES = ("x86_64", "aarch64")


@dataclass(frozen=True)
class Ability:
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
            return file.read().strip()
    except OSError:
        return None


def _status() -> dict[str, str]:
    text = read_line("/proc/self/status") or ""
    return {
        name: value.strip()
        for name, _, value in (line.partition(":") for line in text.splitlines())
    }


def abilities() -> list[Ability]:
    """Everything but the engine's own trial, which the caller makes."""
    return [_machine(), _kernel(), _yama(), *_capabilities(), _seccomp(), _cpus(), _memfd()]


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
        version >= (5, 3),
        f"Linux {release}"
        + (": PTRACE_GET_SYSCALL_INFO" if version >= (5, 3) else ": registers instead of"
           " PTRACE_GET_SYSCALL_INFO"),
        "Linux 5.3 or newer tells 32-bit calls of 64-bit programs apart",
    )  # fmt: skip


def _yama() -> Ability:
    scope = read_line("/proc/sys/kernel/yama/ptrace_scope")
    meaning = {
        None: "not there: no restriction",
        "0": "0: any process of yours",
        "1": "1: commands that we start",
        "2": "2: administrators only",
        "3": "3: nobody",
    }.get(scope, scope or "")
    allowed = scope not in ("2", "3") or (scope == "2" and _has("CAP_SYS_PTRACE"))
    return Ability(
        "Yama ptrace_scope",
        allowed,
        meaning,
        "sysctl kernel.yama.ptrace_scope=1 (3 can only be undone by a reboot)",
        needed=True,
    )


def _has(name: str) -> bool:
    effective = int(_status().get("CapEff") or "0", 16)
    return bool(effective >> _CAPABILITIES[name] & 1)


def _capabilities() -> list[Ability]:
    uses = {
        "CAP_SYS_PTRACE": "programs whose files you may not read are traced in full",
        "CAP_SYS_NICE": "set-id programs may share the tracer's CPU",
    }
    return [
        Ability(
            name,
            _has(name),
            ("have it: " if _has(name) else "not there; with it ") + use,
            f"run as root, or setcap {name.lower()}+ep the Python interpreter; not needed",
        )
        for name, use in uses.items()
    ]


def _seccomp() -> Ability:
    mode = _status().get("Seccomp", "0")
    shown = {"0": "no filter on us", "2": "we run under a filter (a container?)"}.get(mode, mode)
    return Ability(
        "seccomp",
        mode != "2",
        shown,
        "if tracing fails: start the container with --cap-add SYS_PTRACE",
    )


def _cpus() -> Ability:
    count = len(os.sched_getaffinity(0))
    return Ability(
        "CPUs",
        True,
        f"{count}: " + ("tracer and command may share one" if count > 1 else "one for all"),
    )


def _memfd() -> Ability:
    try:
        os.close(os.memfd_create("renacer-doctor", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
    except OSError as error:
        return Ability(
            "sealed memory (ring)", False, error.strerror, "free file descriptors or memory", True
        )
    return Ability("sealed memory (ring)", True, "memfd_create works")


def vm_readv() -> Ability:
    """process_vm_readv(2) on ourselves: whether the call is there and not filtered."""
    libc = ctypes.CDLL(None, use_errno=True)

    class Iovec(ctypes.Structure):
        _fields_ = (("base", ctypes.c_void_p), ("len", ctypes.c_size_t))

    source, target = ctypes.create_string_buffer(8), ctypes.create_string_buffer(8)
    local = Iovec(ctypes.addressof(target), 8)
    remote = Iovec(ctypes.addressof(source), 8)
    got = libc.process_vm_readv(
        os.getpid(), ctypes.byref(local), 1, ctypes.byref(remote), 1, ctypes.c_ulong(0)
    )
    number = ctypes.get_errno()
    return Ability(
        "process_vm_readv",
        got == 8,
        "works" if got == 8 else errno.errorcode.get(number, str(number)),
        "a seccomp filter forbids it: strings are read word by word, slowly",
    )
