# SPDX-License-Identifier: MIT
"""A hash of what a call has written or sent, as the python engine takes it: content.h.

By a table of its own, and by arithmetic on whole numbers where the core has words: a second
opinion.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from renacer_otel.engine import python_record as form
from renacer_otel.engine.python_capture import Memory

#: Of the lanes: RN_CONTENT_PRIME_…
PRIMES = (0x6487ED5110B45DE7, 0x56FC2A2C515DA2F7)
_MOST = 0x7FFFF000  # that one call writes
_CHUNK = 65536
_LIST = 1024  # buffers of a call, messages of one
_CONTENT = struct.Struct("<3Q")
_WIDE = (1, 4)  # x86_64, aarch64: words of 64 bits
_BYTES = "write pwrite64 send sendto".split()
_LETTERS = "mq_timedsend mq_timedsend_time64".split()
_VECTORS = "writev pwritev pwritev2".split()
_SEND, _SENDTO, _SENDMSG, _SENDMMSG = 9, 11, 16, 20  # socketcall(2)
_SOCKETCALLS = {_SEND: "send", _SENDTO: "sendto", _SENDMSG: "sendmsg", _SENDMMSG: "sendmmsg"}
_MSGSND = 11  # ipc(2)
_WRITES = 0o3  # O_ACCMODE


def appended(lanes: tuple[int, int], data: bytes) -> tuple[int, int]:
    """The hash of some bytes of this hash with `data` behind them."""
    number = int.from_bytes(data, "little")
    ones = int.from_bytes(b"\1" * len(data), "little")
    first, second = (
        (before + number + ones) * pow(256, -len(data), prime) % prime
        for before, prime in zip(lanes, PRIMES, strict=True)
    )
    return first, second


class _Written(NamedTuple):
    """Where the bytes are: parts of memory; None: not known any more."""

    total: int
    parts: list[tuple[int, int]] | None


class _Call(NamedTuple):
    memory: Memory
    name: str
    args: tuple[int, ...]
    word: int


def at_exit(tid: int, abi: int, name: str, args: tuple[int, ...], result: int) -> list[bytes]:
    """The piece of a call that returned `result`, which is no error; none: it writes nothing."""
    call = _unpacked(_Call(Memory(tid), name, args, 8 if abi in _WIDE else 4))
    if call.name == "vmsplice" and not _is_writable(tid, args[0]):
        return []
    written = _written(call, result)
    if written is None:
        return []
    lanes, size, whole = (0, 0), 0, written.parts is not None
    for address, length in written.parts or []:
        at = 0
        while whole and at < length:
            data = call.memory.read(address + at, min(_CHUNK, length - at))
            whole = len(data) == min(_CHUNK, length - at)
            lanes = appended(lanes, data)
            at += len(data)
        size += length
    data = _CONTENT.pack(size, *lanes) if whole else b""
    flags = form.AT_EXIT | (0 if whole else form.UNREAD)
    return [form.piece(form.CONTENT, form.NO_ARG, data, written.total, flags)]


def _unpacked(call: _Call) -> _Call:
    """The one call that i386's calls for several stand for."""
    args = call.args
    if call.name == "ipc":
        name = "msgsnd" if args[0] & 0xFFFF == _MSGSND else ""
        return call._replace(name=name, args=(args[1], args[4], args[2]))
    if call.name != "socketcall":
        return call
    name = _SOCKETCALLS.get(args[0], "")
    size = 8 if name == "sendmsg" else 12
    data = call.memory.read(args[1], size) if name else b""
    given = struct.unpack(f"<{size // 4}I", data) if len(data) == size else (0, 0, 0)
    return call._replace(name=name, args=(*given, 0))


def _written(call: _Call, result: int) -> _Written | None:
    name, args = call.name, call.args
    if name in _BYTES:
        return _bounded(result, [(args[1], result)] if result <= args[2] else None)
    if name in _LETTERS:
        return _bounded(args[2], [(args[1], args[2])])
    if name == "msgsnd":
        return _bounded(args[2], [(args[1] + call.word, args[2])])
    if name in _VECTORS or name == "vmsplice":
        return _bounded(result, _vector(call, args[1], args[2], result))
    if name == "sendmsg":
        return _bounded(result, _message(call, args[1], result))
    if name == "sendmmsg":
        return _messages(call, result)
    return None


def _bounded(total: int, parts: list[tuple[int, int]] | None) -> _Written:
    return _Written(total, parts if total <= _MOST else None)


def _words(call: _Call, address: int, count: int) -> list[int] | None:
    data = call.memory.read(address, count * call.word) if count else b""
    if len(data) < count * call.word:
        return None
    return list(struct.unpack(f"<{count}{'Q' if call.word == 8 else 'I'}", data))


def _vector(call: _Call, address: int, count: int, given: int) -> list[tuple[int, int]] | None:
    """The first `given` bytes of the buffers."""
    if not given:
        return []
    words = _words(call, address, 2 * count) if count <= _LIST else None
    parts: list[tuple[int, int]] = []
    for base, length in zip((words or [])[::2], (words or [])[1::2], strict=True):
        if given:
            parts.append((base, min(length, given)))
            given -= min(length, given)
    return None if given else parts


def _message(call: _Call, address: int, given: int) -> list[tuple[int, int]] | None:
    if not given:
        return []
    head = _words(call, address, 4)
    return None if head is None else _vector(call, head[2], head[3], given)


def _messages(call: _Call, count: int) -> _Written:
    total, parts = 0, []
    if count > _LIST:
        return _Written(0, None)
    for at in range(call.args[1], call.args[1] + count * 8 * call.word, 8 * call.word):
        data = call.memory.read(at + 7 * call.word, 4)
        sent = int.from_bytes(data, "little")
        if len(data) < 4 or total + sent > _MOST:
            return _Written(total, None)
        total += sent
        some = _message(call, at, sent)
        if some is None:
            return _Written(total, None)
        parts += some
    return _Written(total, parts)


def _is_writable(tid: int, fd: int) -> bool:
    try:
        with open(f"/proc/{tid}/fdinfo/{fd & 0xFFFFFFFF}", encoding="ascii") as file:
            flags = [line for line in file if line.startswith("flags:")]
    except OSError:
        return False
    return bool(flags) and int(flags[0].split()[1], 8) & _WRITES != 0
