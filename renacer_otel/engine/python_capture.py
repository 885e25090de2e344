# SPDX-License-Identifier: MIT
"""What the python engine reads of a call's memory: paths, strings, buffers, argv, addresses.

Less than the native engine does, and by a table of its own: a second opinion. What is not read
is shown as its address. `man 2` of each call is the source.
"""

from __future__ import annotations

import os

from renacer_otel.engine import python_record as form

_PATH_LIMIT = 4096
_ARGV_LIMIT = 32
_PAGE = 4096

_FIRST = (
    "open creat stat lstat access chdir chmod chown lchown mkdir rmdir unlink readlink truncate"
    " statfs mknod utime utimes chroot acct uselib swapon swapoff execve umount2 getxattr lgetxattr"
    " setxattr lsetxattr listxattr llistxattr removexattr lremovexattr"
)
_SECOND = (
    "openat openat2 mkdirat mknodat fchownat futimesat newfstatat unlinkat fchmodat fchmodat2"
    " faccessat faccessat2 readlinkat utimensat statx execveat name_to_handle_at inotify_add_watch"
    " open_tree fspick"
)
# Call: (argument, kind) of what is a string that ends with NUL.
_STRINGS: dict[str, tuple[tuple[int, int], ...]] = {
    **dict.fromkeys(_FIRST.split(), ((0, form.PATH),)),
    **dict.fromkeys(_SECOND.split(), ((1, form.PATH),)),
    **dict.fromkeys("rename link symlink pivot_root".split(), ((0, form.PATH), (1, form.PATH))),
    **dict.fromkeys(("renameat", "renameat2", "linkat"), ((1, form.PATH), (3, form.PATH))),
    "symlinkat": ((0, form.PATH), (2, form.PATH)),
    "memfd_create": ((0, form.STRING),),
}
# Call: (argument, argument of its length).
_BUFFERS_IN = dict.fromkeys("write pwrite64 sendto".split(), (1, 2))
_BUFFERS_OUT = {
    **dict.fromkeys("read pread64 recvfrom".split(), (1, 2)),
    "getrandom": (0, 1),
}
_PATHS_OUT = {"readlink": 1, "readlinkat": 2, "getcwd": 0}
_ADDRESSES_IN = {"connect": (1, 2), "bind": (1, 2), "sendto": (4, 5)}


class Memory:
    """A tracee's memory, by /proc/PID/mem; whatever cannot be read is told as such."""

    def __init__(self, tid: int) -> None:
        self._tid = tid

    def read(self, address: int, size: int) -> bytes:
        """At most `size` bytes: what can be read from `address` on; b"" for nothing."""
        try:
            file = os.open(f"/proc/{self._tid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return b""
        try:
            return os.pread(file, size, address)
        except (OSError, OverflowError, ValueError):
            return b""
        finally:
            os.close(file)

    def string(self, address: int, limit: int) -> tuple[bytes, int]:
        """(bytes before the NUL, flags of the piece), page by page."""
        found = b""
        while len(found) < limit:
            step = min(_PAGE - (address + len(found)) % _PAGE, limit - len(found))
            more = self.read(address + len(found), step)
            head, nul, _ = more.partition(b"\0")
            found += head
            if nul:
                return found, 0
            if len(more) < step:
                return found, form.CUT if found else form.UNREAD
        return found, form.CUT


def at_entry(
    tid: int, name: str, args: tuple[int, ...], limit: int, *, narrow: bool = False
) -> list[bytes]:
    """Pieces of a call that begins; `limit`: bytes of a buffer; `narrow`: pointers of 32 bits."""
    memory, pieces = Memory(tid), []
    for arg, kind in _STRINGS.get(name, ()):
        if args[arg]:
            data, flags = memory.string(args[arg], _PATH_LIMIT)
            pieces.append(form.piece(kind, arg, data, len(data), flags))
    if name in _BUFFERS_IN:
        arg, length = _BUFFERS_IN[name]
        pieces += _part(memory, form.BUFFER, arg, args, args[length], limit)
    if name in _ADDRESSES_IN:
        arg, length = _ADDRESSES_IN[name]
        pieces += _part(memory, form.STRUCT, arg, args, min(args[length] & 0xFFFFFFFF, 128), 128)
    if name in ("execve", "execveat"):
        pieces += _argv(memory, 1 if name == "execve" else 2, args, 4 if narrow else 8)
    return pieces


def at_exit(tid: int, name: str, args: tuple[int, ...], result: int, limit: int) -> list[bytes]:
    """Pieces of a call that returned `result`, which is no error."""
    memory = Memory(tid)
    if name in _BUFFERS_OUT:
        arg, length = _BUFFERS_OUT[name]
        size = min(result, args[length])
        return _part(memory, form.BUFFER, arg, args, size, limit, form.AT_EXIT)
    if name in _PATHS_OUT:
        arg = _PATHS_OUT[name]
        size = result - (name == "getcwd")  # which counts the NUL
        return _part(memory, form.PATH, arg, args, size, _PATH_LIMIT, form.AT_EXIT)
    return []


def _part(
    memory: Memory, kind: int, arg: int, args: tuple[int, ...], total: int, limit: int,
    flags: int = 0,
) -> list[bytes]:  # fmt: skip
    if not args[arg]:
        return []
    wanted = min(total, limit)
    data = memory.read(args[arg], wanted) if wanted else b""
    if wanted and not data:
        flags |= form.UNREAD
    elif len(data) < total:
        flags |= form.CUT
    return [form.piece(kind, arg, data, total, flags)]


def _argv(memory: Memory, arg: int, args: tuple[int, ...], size: int) -> list[bytes]:
    """The strings of an argument vector; `size`: bytes of a pointer."""
    data, flags = b"", 0
    count = 0
    while args[arg] and count < _ARGV_LIMIT:
        word = memory.read(args[arg] + size * count, size)
        if len(word) < size:
            flags |= form.CUT if count else form.UNREAD
            break
        address = int.from_bytes(word, "little")
        if not address:
            break
        text, cut = memory.string(address, _PATH_LIMIT)
        flags |= form.CUT if cut else 0
        data += text + b"\0"
        count += 1
    else:
        flags |= form.CUT if args[arg] else 0
    return [form.piece(form.ARGV, arg, data, count, flags)] if args[arg] else []
