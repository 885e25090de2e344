# SPDX-License-Identifier: MIT
"""The real state of what a run left of System V's objects: what is in them."""

from __future__ import annotations

import ctypes
import errno
import hashlib
from typing import TYPE_CHECKING

from renacer_otel.analysis.equivalence.ipc_calls import MSG, SEM, SHM
from renacer_otel.analysis.equivalence.state import IPC, Aspect, Bytes, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from renacer_otel.analysis.equivalence.ipc_calls import Left

_IPC_RMID, _SHM_RDONLY, _GETALL, _MSG_COPY, _IPC_NOWAIT = 0, 0o10000, 13, 0o40000, 0o4000
_MOST_MEMORY = 64 << 20
_MOST_MESSAGES, _LONGEST = 1000, 1 << 16


#: (kind, number) of an object of System V.
Number = tuple[str, int]
_LISTS = {SHM: "shm", SEM: "sem", MSG: "msg"}


def present() -> frozenset[Number] | None:
    """Those that there are; None: this kernel does not list them."""
    found = set()
    try:
        for kind, name in _LISTS.items():
            with open(f"/proc/sysvipc/{name}", encoding="ascii") as file:
                found |= {(kind, int(line.split()[1])) for line in list(file)[1:]}
    except (OSError, ValueError, IndexError):
        return None
    return frozenset(found)


def is_removed(each: Left, before: frozenset[Number] | None) -> bool:
    """Removes what is not among those of `before`; False: it stays."""
    if each.id < 0 or before is None or (each.kind, each.id) in before:
        return False
    libc = ctypes.CDLL(None)
    if each.kind == SEM:
        return bool(libc.semctl(each.id, 0, _IPC_RMID) == 0)
    control = libc.shmctl if each.kind == SHM else libc.msgctl
    return bool(control(each.id, _IPC_RMID, None) == 0)


def tell(state: State, left: Iterable[Left], *, look: bool) -> None:
    """Adds what is left as aspects. `look`: it is there now, as the run left it."""
    libc = ctypes.CDLL(None, use_errno=True) if look else None
    by_name: dict[str, list[Left]] = {}
    for each in left:
        by_name.setdefault(each.shown, []).append(each)
    for name, alike in by_name.items():
        contents = [None if libc is None else _content(libc, each) for each in alike]
        rows = sorted(
            (_words(each), b"" if content is None else content)
            for each, content in zip(alike, contents, strict=True)
        )
        state.aspects[Aspect(IPC, name, "left behind")] = "; ".join(words for words, _ in rows)
        known = [content for content in contents if content is not None]
        if len(known) < len(contents) and any(each.used for each in alike):
            state.doubt("content", f"{name}: what is in it is not known")
        elif known:
            digest = hashlib.sha256(repr([data for _, data in rows]).encode()).digest()
            total = sum(map(len, known))
            state.aspects[Aspect(IPC, name, "content")] = Bytes(total, digest)


def _words(each: Left) -> str:
    size = ""
    if each.size is not None:
        size = f"{each.size:,} {'bytes' if each.kind == SHM else 'of them'}, "
    return f"{size}mode {each.mode:04o}"


def _content(libc: ctypes.CDLL, each: Left) -> bytes | None:
    """Its bytes, or a hash of many; None: not to be had."""
    if each.id < 0:
        return None
    if each.kind == SHM:
        return _memory(libc, each.id, each.size or 0)
    if each.kind == SEM:
        return _semaphores(libc, each.id, each.size or 0)
    return _messages(libc, each.id) if each.kind == MSG else None


def _memory(libc: ctypes.CDLL, number: int, size: int) -> bytes | None:
    if size > _MOST_MEMORY:
        return None
    libc.shmat.restype = ctypes.c_void_p
    at = libc.shmat(number, None, _SHM_RDONLY)
    if at is None or at == ctypes.c_void_p(-1).value:
        return None
    try:
        return ctypes.string_at(at, size)
    finally:
        libc.shmdt(ctypes.c_void_p(at))


def _semaphores(libc: ctypes.CDLL, number: int, count: int) -> bytes | None:
    values = (ctypes.c_ushort * max(count, 1))()
    done = libc.semctl(number, 0, _GETALL, ctypes.byref(values))
    return bytes(values) if done >= 0 else None


def _messages(libc: ctypes.CDLL, number: int) -> bytes | None:
    """Copies, which leaves them there (CONFIG_CHECKPOINT_RESTORE)."""
    found = b""
    letter = ctypes.create_string_buffer(ctypes.sizeof(ctypes.c_long) + _LONGEST)
    libc.msgrcv.restype = ctypes.c_ssize_t
    for at in range(_MOST_MESSAGES):
        length = libc.msgrcv(
            number, letter, ctypes.c_size_t(_LONGEST), ctypes.c_long(at), _MSG_COPY | _IPC_NOWAIT
        )
        if length < 0:
            return found if ctypes.get_errno() == errno.ENOMSG else None
        kept = letter.raw[: ctypes.sizeof(ctypes.c_long) + length]
        found += b"%d:" % length + kept
    return None
