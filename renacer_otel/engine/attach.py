# SPDX-License-Identifier: MIT
"""Which processes to attach to, and why one of them cannot be attached to."""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING

from renacer_otel.errors import UsageError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CGROUPS = "/sys/fs/cgroup"
_UNIFIED = "/sys/fs/cgroup/unified"  # where it is mounted beside version 1
_KERNEL_THREAD = 0x00200000  # PF_KTHREAD in /proc/PID/stat's flags
_PID_MAX = 1 << 22  # PID_MAX_LIMIT of 64-bit kernels
_CAP_SYS_PTRACE = 19


def parse_pids(text: str, flag: str) -> list[int]:
    """`PID[,PID…]`; blanks separate as well, as in strace's -p. Raises UsageError."""
    words = re.split(r"[,\s]+", text.strip())
    pids = []
    for word in words:
        if word.isascii() and word.isdigit() and int(word[:20]) > _PID_MAX:
            raise UsageError(f"{flag}: there is no process {one_line(word, 40)}; ids are smaller")
        if not (word.isascii() and word.isdigit() and int(word)):
            raise UsageError(
                f"{flag}: '{one_line(word, 40)}' is not a process id; give numbers, as in -p"
                " 123,456, or use --name PATTERN"
            )
        pids.append(int(word))
    return pids


def by_name(pattern: str) -> list[int]:
    """Processes whose name or command line (arguments joined by blanks) a pattern is found in.

    As pgrep -f, and by the name, too. Never us, our ancestors, or kernel threads. Raises
    UsageError for a bad pattern, or where there is none such.
    """
    try:
        regex = re.compile(pattern, re.DOTALL)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"--name: '{one_line(pattern, 60)}' is no regular expression:"
                         f" {one_line(str(error), 80)}") from error  # fmt: skip
    if not pattern:
        raise UsageError("--name: the pattern is empty; it would mean every process")
    ours = {os.getpid(), *ancestors()}
    found = [
        pid
        for pid in _processes()
        if pid not in ours
        and (line := command_line(pid))
        and (regex.search(line) or regex.search(comm(pid)))
    ]
    if not found:
        raise UsageError(
            f"--name: no process matches '{one_line(pattern, 60)}'; pgrep -fa '' lists them all"
        )
    return found


def in_cgroup(path: str) -> list[int]:
    """All processes of a control group and those below it; but us and our ancestors.

    `path`: a folder, or relative to /sys/fs/cgroup, or as /proc/PID/cgroup writes it. Raises
    UsageError where there is no such group, or nobody in it.
    """
    folder = _cgroup_folder(path)
    ours = {os.getpid(), *ancestors()}
    found: dict[int, None] = {}
    for place, _, files in os.walk(folder):
        if "cgroup.procs" in files:
            for word in _read(os.path.join(place, "cgroup.procs")).split():
                # 0: of another PID namespace, which we cannot name.
                if word.isdigit() and int(word) and int(word) not in ours:
                    found[int(word)] = None
    if not found:
        raise UsageError(f"--cgroup {one_line(path, 120)}: there is no process in it")
    return list(found)


def _cgroup_folder(path: str) -> str:
    below = path.lstrip("/")
    for folder in (path, f"{_CGROUPS}/{below}", f"{_UNIFIED}/{below}"):
        if "\0" not in folder and os.path.isfile(os.path.join(folder, "cgroup.procs")):
            return folder
    raise UsageError(
        f"--cgroup {one_line(path, 120)}: there is no such control group; give its folder, or its"
        f" path below {_CGROUPS}"
    )


def refusal(pid: int) -> str:
    """Why we do not even try to attach to a process; "" = we do."""
    process = int(_status(pid).get("Tgid", "0"))
    if process == os.getpid():
        return f"{pid} is renacer-otel itself; it cannot trace itself"
    if process in ancestors():
        return (
            f"{named(pid)} started renacer-otel, and waits for it: that would wait for ever;"
            " attach from another terminal"
        )
    return ""


def process_of(pid: int) -> int:
    """The process that a thread belongs to; `pid` itself where there is none such."""
    return int(_status(pid).get("Tgid", "0")) or pid


def why(pid: int, number: int) -> str:
    """Why a process could not be attached to (`number`: errno), and what to do; one line."""
    status = _status(pid)
    if not status or number == errno.ESRCH:
        return f"there is no process {pid}; it may have ended"
    who = named(pid)
    if status.get("State", "").startswith(("Z", "X")):
        parent = int(status.get("PPid", "0"))
        return f"{who} has ended already; its parent {named(parent)} has yet to take note"
    if tracer := int(status.get("TracerPid", "0")):
        return (
            f"{who} is traced by {named(process_of(tracer))} already;"
            " a process has one tracer: end that one first"
        )
    if _is_kernel_thread(pid):
        return f"{who} is a thread of the kernel; those make no system calls"
    return f"{who}: {os.strerror(number)}: {_why_forbidden(status)}"


def _why_forbidden(status: dict[str, str]) -> str:
    privileged = int(_status("self").get("CapEff", "0"), 16) >> _CAP_SYS_PTRACE & 1
    owner = int(status.get("Uid", "0").split()[0])
    if not privileged and owner != os.geteuid():
        return f"it belongs to {_user(owner)}; run renacer-otel as that user, or as root"
    scope = _read("/proc/sys/kernel/yama/ptrace_scope").strip()
    if scope == "3":
        return "Yama forbids all tracing (kernel.yama.ptrace_scope is 3); only a reboot undoes it"
    if not privileged and scope in ("1", "2"):
        return (
            f"Yama allows attaching to administrators only (kernel.yama.ptrace_scope is {scope});"
            " run as root, or sysctl kernel.yama.ptrace_scope=0"
        )
    if _status("self").get("Seccomp", "0") == "2":
        return (
            "a seccomp filter (a container's?) forbids ptrace;"
            " start the container with --cap-add SYS_PTRACE or another seccomp profile"
        )
    return (
        "it has more rights than we (a set-id program, capabilities, another user namespace),"
        " or a security policy protects it; try as root"
    )


def named(pid: int) -> str:
    """`123 (bash)`."""
    name = comm(pid)
    return f"{pid} ({one_line(name, 40)})" if name else str(pid)


def comm(pid: int) -> str:
    """The name of a process as the kernel has it, 15 bytes at most; "" = gone."""
    return _read(f"/proc/{pid}/comm").removesuffix("\n")


def program_of(pid: int) -> str:
    """The path of what a process runs, else its name, else its number."""
    try:
        return os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
    except OSError:
        return comm(pid) or str(pid)


def command_line(pid: int) -> str:
    """The arguments of a process, joined by blanks; "" = a kernel thread, a zombie, or gone."""
    return _read(f"/proc/{pid}/cmdline").rstrip("\0").replace("\0", " ")


def ancestors() -> set[int]:
    """Our parent, its parent, and so on, as far as they can be seen."""
    found: set[int] = set()
    pid = os.getppid()
    while pid > 0 and pid not in found:
        found.add(pid)
        pid = int(_status(pid).get("PPid", "0"))
    return found


def unique(pids: Sequence[int]) -> list[int]:
    """Processes (threads name theirs) in order, each once."""
    return list(dict.fromkeys(map(process_of, pids)))


def _processes() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _is_kernel_thread(pid: int) -> bool:
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return len(fields) > 6 and bool(int(fields[6]) & _KERNEL_THREAD)


def _user(number: int) -> str:
    import pwd

    try:
        return f"user {one_line(pwd.getpwuid(number).pw_name, 40)}"
    except KeyError:
        return f"user {number}"


def _status(pid: int | str) -> dict[str, str]:
    """/proc/PID/status; empty = there is no such process."""
    lines = (line.partition(":") for line in _read(f"/proc/{pid}/status").splitlines())
    return {name: value.strip() for name, _, value in lines}


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except OSError:
        return ""
