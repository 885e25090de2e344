# SPDX-License-Identifier: MIT
"""Structures that the python engine reads for what interprets records: whom a call was about.

In the form of event.h and syscalls.h. No more than causes are found by; `man 2` of each call and
`man 7 unix`, `man 3 cmsg` are the source.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.engine import python_record as form
from renacer_otel.engine.python_capture import Memory

if TYPE_CHECKING:
    from collections.abc import Callable

_X86_64, _I386, _X32, _AARCH64, _ARM = range(1, 6)
_WORD = {_X86_64: 8, _AARCH64: 8}
_NARROW = (_I386, _ARM)
_EVERY, _ANY = 0xFFFFFFFF, (1 << 64) - 1
_SIGINFO = 128
_CLONE_ARGS, _CLONE_PIDFD, _CLONE_PARENT_SETTID = 88, 0x1000, 0x100000
_ARRAY_LIMIT, _FD_SET_LIMIT = 1024, 8192
_MESSAGES, _NAME_LIMIT, _CONTROL_LIMIT = 8, 128, 512
_BUFFERS, _BUFFER_LIMIT, _BUFFER_LEAST = 32, 256, 16
_HEAD = struct.Struct("<5Q6I")
_BUFFER = struct.Struct("<4Q")
# fcntl: F_SETLK, F_SETLKW; those of 64 bits, F_OFD_SETLK and F_OFD_SETLKW.
_LOCKS, _WIDE_LOCKS = (6, 7), (13, 14, 37, 38)
_FCNTLS = ("fcntl", "fcntl64")


class Call(NamedTuple):
    """A call that stops; `limit`: bytes of a buffer; `result`: None at its entry."""

    tid: int
    abi: int
    name: str
    args: tuple[int, ...]
    limit: int
    result: int | None = None


def pieces_of(call: Call) -> list[bytes]:
    """What is to be read of it at this stop."""
    if call.result is None:
        return _read(call, _ENTRY[call.name](call)) if call.name in _ENTRY else []
    if call.result < 0 or call.name not in _EXIT:
        return []
    return _read(call, _EXIT[call.name](call))


class _Part(NamedTuple):
    """Bytes that argument `arg` leads to."""

    arg: int
    total: int
    limit: int = 4096


_Found = list["_Part | bytes"]


def _read(call: Call, found: _Found) -> list[bytes]:
    memory, pieces = Memory(call.tid), []
    at_exit = 0 if call.result is None else form.AT_EXIT
    for one in found:
        if isinstance(one, bytes):
            pieces.append(one)
        elif call.args[one.arg]:
            wanted, flags = min(one.total, one.limit), at_exit
            data = memory.read(call.args[one.arg], wanted) if wanted else b""
            if wanted and not data:
                flags |= form.UNREAD
            elif len(data) < one.total:
                flags |= form.CUT
            pieces.append(form.piece(form.STRUCT, one.arg, data, one.total, flags))
    return pieces


def _always(arg: int, size: int) -> Callable[[Call], _Found]:
    return lambda _: [_Part(arg, size)]


def _lock(call: Call) -> _Found:
    """But for the last member, the process."""
    command = call.args[1] & _EVERY
    if command in _WIDE_LOCKS:
        return [_Part(2, 20 if call.abi == _I386 else 24)]
    return [_Part(2, 12 if call.abi in _NARROW else 24)] if command in _LOCKS else []


def _polled(call: Call) -> _Found:
    if call.result == 0:
        return []  # nothing is ready
    return [_Part(0, (call.args[1] & _EVERY) * 8, _ARRAY_LIMIT)]


def _selected(call: Call) -> _Found:
    count = call.args[0] & _EVERY
    if call.result == 0 or count >= 1 << 31 or (call.name == "select" and call.abi in _NARROW):
        return []
    return [_Part(arg, (count + 63) // 64 * 8, _FD_SET_LIMIT) for arg in (1, 2, 3)] if count else []


def _queue_state(call: Call) -> _Found:
    return [_Part(2, 8 * _WORD.get(call.abi, 4))]


def _cloned(call: Call) -> _Found:
    """What the call has written where its structure says: a pidfd, the new thread's number."""
    memory = Memory(call.tid)
    data = memory.read(call.args[0], 32)
    if len(data) < 32:
        return []
    flags, pidfd, _, parent = struct.unpack("<4Q", data)
    if not flags & (_CLONE_PIDFD | _CLONE_PARENT_SETTID):
        return []
    written = [
        memory.read(address, 4).ljust(4, b"\0") if flags & flag else bytes(4)
        for flag, address in ((_CLONE_PIDFD, pidfd), (_CLONE_PARENT_SETTID, parent))
    ]
    return [form.piece(form.STRUCT, 0, b"".join(written), 8, form.AT_EXIT)]


# Messages: msghdr(3type), mmsghdr: sendmmsg(2).


class _Messages(NamedTuple):
    """How many there are, and how many bytes of their buffers count: None = as each tells."""

    number: int
    given: int | None = _ANY
    many: bool = False
    heads_only: bool = False


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


def _words(data: bytes, word: int) -> list[int]:
    return [int.from_bytes(data[at : at + word], "little") for at in range(0, len(data), word)]


def _appended(memory: Memory, address: int, size: int) -> tuple[int, bytes]:
    """How many bytes could be read, and these, padded."""
    if not address or not size:
        return 0, b""
    data = memory.read(address, size)
    return (len(data), _padded(data)) if data else (_EVERY, b"")


def _buffers(memory: Memory, call: Call, address: int, count: int, given: int) -> bytes | None:
    """Heads of buffers, each with its first bytes behind it; None: they cannot be read."""
    word = _WORD.get(call.abi, 4)
    if count == 0:
        return b""
    data = memory.read(address, min(count, _BUFFERS) * 2 * word)
    words = _words(data[: len(data) // (2 * word) * 2 * word], word)
    if not words:
        return None
    found, most = b"", max(min(call.limit, _BUFFER_LIMIT), _BUFFER_LEAST)
    for base, size in zip(words[::2], words[1::2], strict=True):
        shown = min(size, given)
        given -= shown
        head = memory.read(base, min(shown, most)) if shown else b""
        captured = len(head) if head or not shown else _ANY
        found += _BUFFER.pack(base, size, shown, captured) + _padded(head)
    return found


def _message(memory: Memory, call: Call, raw: bytes, given: int) -> bytes:
    word = _WORD.get(call.abi, 4)
    name, _, iov, count, control, control_size, flags = _words(raw[: 7 * word], word)
    name_size = int.from_bytes(raw[word : word + 4], "little")
    sent = int.from_bytes(raw[7 * word : 7 * word + 4], "little")
    name_bytes, body = _appended(memory, name, min(name_size, _NAME_LIMIT))
    buffers = _buffers(memory, call, iov, count, given) if iov else b""
    body += buffers or b""
    control_bytes, more = _appended(memory, control, min(control_size, _CONTROL_LIMIT))
    return _HEAD.pack(
        name, iov, count, control, control_size, name_size, flags & _EVERY, sent,
        name_bytes, _EVERY if buffers is None else len(buffers), control_bytes,
    ) + body + more  # fmt: skip


def _messages(call: Call, what: _Messages) -> _Found:
    if not what.number or not call.args[1]:
        return []
    memory, word = Memory(call.tid), _WORD.get(call.abi, 4)
    step, flags = (8 if what.many else 7) * word, 0 if call.result is None else form.AT_EXIT
    data = memory.read(call.args[1], min(what.number, _MESSAGES) * step)
    if len(data) < step:
        return [form.piece(form.STRUCT, 1, b"", what.number, flags | form.UNREAD)]
    found = b""
    for at in range(0, len(data) // step * step, step):
        raw = data[at : at + step]
        if what.heads_only:
            size = int.from_bytes(raw[word : word + 4], "little")
            found += _HEAD.pack(0, 0, 0, 0, 0, size, 0, 0, 0, 0, 0)
            continue
        filled = int.from_bytes(raw[7 * word :][:4], "little")
        found += _message(memory, call, raw, filled if what.given is None else what.given)
    return [form.piece(form.STRUCT, 1, found, what.number, flags)]


def _several(call: Call, given: int | None = _ANY, *, heads_only: bool = False) -> _Found:
    count = call.args[2] & _EVERY if call.result is None else call.result
    return _messages(call, _Messages(count, given, many=True, heads_only=heads_only))


_RECEIVE_MANY = ("recvmmsg", "recvmmsg_time64")
_POLLS = ("poll", "ppoll", "ppoll_time64")
_SELECTS = ("select", "_newselect", "pselect6", "pselect6_time64")
_ENTRY: dict[str, Callable[[Call], _Found]] = {
    "clone3": _always(0, _CLONE_ARGS),
    "openat2": _always(2, 24),
    "rt_sigqueueinfo": _always(2, _SIGINFO),
    "rt_tgsigqueueinfo": _always(3, _SIGINFO),
    "pidfd_send_signal": _always(2, _SIGINFO),
    **dict.fromkeys(_FCNTLS, _lock),
    **dict.fromkeys(_POLLS, _polled),
    **dict.fromkeys(_SELECTS, _selected),
    "sendmsg": lambda call: _messages(call, _Messages(1)),
    "sendmmsg": _several,
    "recvmsg": lambda call: _messages(call, _Messages(1, heads_only=True)),
    **dict.fromkeys(_RECEIVE_MANY, lambda call: _several(call, heads_only=True)),
}
_EXIT: dict[str, Callable[[Call], _Found]] = {
    "clone3": _cloned,
    **dict.fromkeys(("wait4", "waitpid"), _always(1, 4)),
    "waitid": _always(2, _SIGINFO),
    **dict.fromkeys(("rt_sigtimedwait", "rt_sigtimedwait_time64"), _always(1, _SIGINFO)),
    **dict.fromkeys(("mq_timedreceive", "mq_timedreceive_time64"), _always(3, 4)),
    "mq_getsetattr": _queue_state,
    **dict.fromkeys(_POLLS, _polled),
    **dict.fromkeys(_SELECTS, _selected),
    "recvmsg": lambda call: _messages(call, _Messages(1, call.result)),
    "sendmmsg": _several,
    **dict.fromkeys(_RECEIVE_MANY, lambda call: _several(call, None)),
}
