# SPDX-License-Identifier: MIT
"""Which object of the kernel's a descriptor is, for the python engine: pieces of type OBJECT.

By /proc and sock_diag(7), at the calls that make descriptors; see docs/decisions/0061.
"""

from __future__ import annotations

import ctypes
import os
import socket
import stat
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from renacer_otel.engine import python_ptrace as trace
from renacer_otel.engine import python_record as form
from renacer_otel.engine.python_capture import Memory

OTHER, FILE, PIPE, SOCKET, EVENTFD, MQUEUE, PIDFD, SIGNALFD = range(8)
_READ, _WRITE, _BOTH = 1, 2, 3
_LOCAL, _REMOTE, _REGULAR = 1, 2, 4
_O_CLOEXEC, _O_PATH, _CLONE_PIDFD = 0o2000000, 0o10000000, 0x1000
_IN_PROGRESS = -115
_MOST = ((256 << 10) - form.HEADER_BYTES) // (16 + 72)  # pieces of a record
_RIGHTS_BYTES = 512
_MESSAGES = 8
_WAYS = (_READ, _WRITE, _BOTH, 0)
_BY_NUMBER = ("bind", "connect")
_ID = struct.Struct("<BBBBHHIIQQHHI16s16s")
_DIAG, _DUMP, _REQUEST, _BY_FAMILY = 4, 0x300, 1, 20
_EVERY_STATE = 0xFFFFFFBF  # but those that wait for their time to end
_CONNECTED = 0xFFFFCB3F  # nor closed, listening, half open, merely bound
_TCP, _LISTENING = 6, 10
_EVERY, _ANY = 0xFFFFFFFF, (1 << 64) - 1
_AT_FDCWD, _NO_WAIT = -100, 0x4800  # AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT
_TYPE_INO_BTIME, _BTIME = 0x901, 0x800
_GOLDEN = 0x9E3779B97F4A7C15
_FILES = (stat.S_IFIFO, stat.S_IFREG, stat.S_IFDIR, stat.S_IFCHR, stat.S_IFBLK)
_QUEUES = "/dev/mqueue"

# The kernel's name of a protocol: family, number, type.
_PROTOCOLS = {
    "TCP": (socket.AF_INET, 6, socket.SOCK_STREAM),
    "TCPv6": (socket.AF_INET6, 6, socket.SOCK_STREAM),
    "UDP": (socket.AF_INET, 17, socket.SOCK_DGRAM),
    "UDPv6": (socket.AF_INET6, 17, socket.SOCK_DGRAM),
    "UDP-Lite": (socket.AF_INET, 136, socket.SOCK_DGRAM),
    "UDPLITEv6": (socket.AF_INET6, 136, socket.SOCK_DGRAM),
    "DCCP": (socket.AF_INET, 33, 6),
    "DCCPv6": (socket.AF_INET6, 33, 6),
    "SCTP": (socket.AF_INET, 132, 0),
    "SCTPv6": (socket.AF_INET6, 132, 0),
    "RAW": (socket.AF_INET, 255, socket.SOCK_RAW),
    "RAWv6": (socket.AF_INET6, 255, socket.SOCK_RAW),
    "PING": (socket.AF_INET, 1, socket.SOCK_DGRAM),
    "PINGv6": (socket.AF_INET6, 58, socket.SOCK_DGRAM),
    "NETLINK": (socket.AF_NETLINK, 0, 0),
    "UNIX": (socket.AF_UNIX, 0, 0),
    "UNIX-STREAM": (socket.AF_UNIX, 0, socket.SOCK_STREAM),
}
# i386 and its socketcall(2).
_SOCKETCALLS = {
    1: "socket", 2: "bind", 3: "connect", 5: "accept", 8: "socketpair", 17: "recvmsg",
    18: "accept4", 19: "recvmmsg",
}  # fmt: skip


class Identity:
    """What is known of one object."""

    def __init__(self, kind: int = OTHER, ways: int = 0) -> None:
        self.kind, self.ways, self.known = kind, ways, 0
        self.family = self.type = self.more = 0
        self.major = self.minor = self.inode = self.peer = 0
        self.port = self.peer_port = 0
        self.address = self.peer_address = b""

    def piece(self, fd: int, flags: int = form.AT_EXIT) -> bytes:
        """As event.h lays it out."""
        data = _ID.pack(
            self.kind, self.ways, self.known, 0, self.family, self.type,
            self.major, self.minor, self.inode, self.peer,
            self.port, self.peer_port, self.more, self.address, self.peer_address,
        )  # fmt: skip
        return form.piece(form.OBJECT, form.NO_ARG, data, fd, flags)


def at_exit(
    tid: int, name: str, args: tuple[int, ...], result: int, *, narrow: bool
) -> list[bytes]:
    """Pieces of a call that has returned; none of most. `narrow`: pointers of 32 bits."""
    if name not in _CALLS and name != "socketcall":
        return []
    memory = Memory(tid)
    if name == "socketcall":
        name = _SOCKETCALLS.get(args[0], "")
        args = tuple(_words(memory, args[1], 6, 4))
    if name not in _CALLS or (result < 0 and (name, result) != ("connect", _IN_PROGRESS)):
        return []
    numbers = (args[0] & _EVERY, *args[1:])
    call = _Call(memory, tid, numbers if name in _BY_NUMBER else args, result, 4 if narrow else 8)
    return [one.piece(fd) for fd, one in _CALLS[name](call) if one]


def at_start(tid: int) -> Iterator[list[bytes]]:
    """Pieces of all that the command starts with, for one record or more."""
    try:
        descriptors = sorted(map(int, os.listdir(f"/proc/{tid}/fd")))
    except OSError:
        descriptors = []
    pieces: list[bytes] = []
    for fd in descriptors:
        text = _fdinfo(tid, fd)
        flags = text.partition("flags:\t")[2].split("\n", 1)[0]
        if not flags or int(flags, 8) & _O_CLOEXEC:
            continue
        one = _any(tid, fd, text, _ways_by(int(flags, 8)))
        if one is None:
            continue
        if len(pieces) == _MOST:
            yield pieces
            pieces = []
        pieces.append(one.piece(fd, 0))
    yield pieces


def _ways_by(flags: int) -> int:
    return 0 if flags & _O_PATH else _WAYS[flags & 3]


def _words(memory: Memory, address: int, count: int, size: int) -> list[int]:
    data = memory.read(address, count * size).ljust(count * size, b"\0")
    return [int.from_bytes(data[at : at + size], "little") for at in range(0, len(data), size)]


class _Looked(NamedTuple):
    mode: int
    major: int
    minor: int
    inode: int
    made: int  # tells it from those that had its inode before; 0 = not known


def _look(path: str) -> _Looked | None:
    """As stat(2), but no file system is waited for: a tracee may serve it. None = it is gone."""
    statx = getattr(trace.library(), "statx", None)
    room = ctypes.create_string_buffer(256)
    if statx is None or statx(_AT_FDCWD, path.encode(), _NO_WAIT, _TYPE_INO_BTIME, room) != 0:
        return None
    mode, inode = struct.unpack_from("<28xH2xQ", room)
    major, minor = struct.unpack_from("<II", room, 136)
    mask, seconds, nanoseconds = struct.unpack_from("<I76xQI", room)
    when = (seconds * 1_000_000_000 + nanoseconds) & _ANY if mask & _BTIME else 0
    made = (when * _GOLDEN & _ANY) >> 32 | 1 if when else 0
    return _Looked(mode, major, minor, inode, made)


def _be_of(one: Identity, kind: int, st: _Looked) -> Identity:
    one.kind, one.major, one.minor, one.inode = kind, st.major, st.minor, st.inode
    return one


def _file(tid: int, fd: int, ways: int) -> Identity | None:
    """Of what was opened so; nothing goes through it without any way."""
    st = _look(f"/proc/{tid}/fd/{fd}")
    return _file_of(st, ways) if st and ways else None


def _file_of(st: _Looked, ways: int) -> Identity | None:
    if stat.S_IFMT(st.mode) not in _FILES:
        return None
    if stat.S_ISFIFO(st.mode):
        return _be_of(Identity(ways=ways), PIPE, st)
    queues = _look(_QUEUES) if stat.S_ISREG(st.mode) and os.path.ismount(_QUEUES) else None
    is_queue = queues is not None and queues[1:3] == st[1:3]
    one = _be_of(Identity(ways=ways), MQUEUE if is_queue else FILE, st)
    one.more = st.made if one.kind == FILE else 0
    one.known = _REGULAR if stat.S_ISREG(st.mode) and not is_queue else 0
    return one


def _fdinfo(tid: int, fd: int) -> str:
    try:
        with open(f"/proc/{tid}/fdinfo/{fd}", encoding="ascii", errors="replace") as file:
            return file.read(512)
    except OSError:
        return ""


def _number(text: str, label: str) -> int:
    words = text.partition(label)[2].split(None, 1)
    return int(words[0]) if words and words[0].isdigit() else 0


def _ways_of(tid: int, fd: int) -> int:
    try:
        mode = os.lstat(f"/proc/{tid}/fd/{fd}").st_mode
    except OSError:
        return 0
    return (_READ if mode & stat.S_IRUSR else 0) | (_WRITE if mode & stat.S_IWUSR else 0)


def _any(tid: int, fd: int, text: str, ways: int) -> Identity | None:
    """Of one that may be anything; `text`: of its fdinfo."""
    st = _look(f"/proc/{tid}/fd/{fd}")
    if st is None:
        return None
    if stat.S_ISSOCK(st.mode):
        return _socket(tid, fd) if ways else _be_of(Identity(), SOCKET, st)
    try:
        link = os.readlink(f"/proc/{tid}/fd/{fd}")
    except OSError:
        return None
    if link == "anon_inode:[pidfd]":
        return _pidfd(text)
    if link == "anon_inode:[eventfd]":
        one = Identity(EVENTFD, ways)
        one.more = int(_number(text, "\neventfd-semaphore: ") != 0)
        return one
    if link == "anon_inode:[signalfd]":
        return Identity(SIGNALFD, ways)
    if link.startswith("anon_inode:") or not stat.S_IFMT(st.mode):
        return Identity(ways=ways)
    return _file_of(st, ways)


def _pidfd(text: str) -> Identity | None:
    one = Identity(PIDFD)
    one.peer = _number(text, "\nPid:\t")
    return one if text else None


# Sockets.


def _new_socket(tid: int, fd: int, family: int = 0, form_of_it: int = 0) -> Identity | None:
    st = _look(f"/proc/{tid}/fd/{fd}")
    if st is None or not stat.S_ISSOCK(st.mode):
        return None
    one = _be_of(Identity(ways=_BOTH), SOCKET, st)
    one.family, one.type = family & 0xFFFF, form_of_it & 0xF
    return one


def _socket(tid: int, fd: int, states: int = _EVERY_STATE) -> Identity | None:
    one = _new_socket(tid, fd)
    if one is None:
        return None
    try:
        name = os.getxattr(f"/proc/{tid}/fd/{fd}", "system.sockprotoname")
        protocol = _PROTOCOLS.get(name.rstrip(b"\0").decode("ascii", "replace"))
        if protocol:
            one.family, number, one.type = protocol
            _ask(one, number, states)
            if states == _CONNECTED and number == _TCP and one.known == _LOCAL | _REMOTE:
                one.peer = _other_end(one)
    except OSError:
        pass
    return one


def _other_end(one: Identity) -> int:
    """The inode of the other end of a connection; 0: it has none yet, or is not of this host."""
    body = struct.pack(
        "<BBBBI", one.family, _TCP, 0, 0, _EVERY
    ) + struct.pack(
        ">HH16s16sIQ", one.peer_port, one.port, one.peer_address, one.address, 0, _ANY
    )  # fmt: skip
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _DIAG) as diag:
        diag.send(struct.pack("<IHHII", 16 + len(body), _BY_FAMILY, _REQUEST, 0, 0) + body)
        data = diag.recv(1024, socket.MSG_DONTWAIT)
    kind = int.from_bytes(data[4:6], "little")
    if kind != _BY_FAMILY or len(data) < 88 or data[17] == _LISTENING or data[20:24] != body[8:12]:
        return 0
    return int.from_bytes(data[84:88], "little")


def _ask(one: Identity, number: int, states: int) -> None:
    """Family and inode are known. Of Unix sockets it is that one which is asked for, else all."""
    flags = _REQUEST | _DUMP
    if one.family == socket.AF_UNIX:
        body = struct.pack("<BBHIIIQ", one.family, 0, 0, _EVERY, one.inode & _EVERY, 4, _ANY)
        flags = _REQUEST
    elif one.family == socket.AF_NETLINK:
        body = struct.pack("<BB18x", one.family, 255)
    else:
        body = struct.pack("<BBBBI48x", one.family, number, 0, 0, states)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _DIAG) as diag:
        diag.send(struct.pack("<IHHII", 16 + len(body), _BY_FAMILY, flags, 0, 0) + body)
        while True:
            data = diag.recv(32768, socket.MSG_DONTWAIT)
            while len(data) >= 16:
                size, kind = struct.unpack_from("<IH", data)
                if kind != _BY_FAMILY or not 16 <= size <= len(data):
                    return
                if _take(one, data[16:size]) or one.family == socket.AF_UNIX:
                    return
                data = data[(size + 3) & ~3 :]


def _take(one: Identity, body: bytes) -> bool:
    """Whether the message is about it, which is then known."""
    if one.family == socket.AF_UNIX:
        _, form_of_it, _, _, inode = struct.unpack_from("<BBBBI", body)
        if inode != one.inode & _EVERY:
            return False
        one.type, at = form_of_it, 16
        while at + 4 <= len(body):
            size, kind = struct.unpack_from("<HH", body, at)
            if kind == 2 and size >= 8:  # UNIX_DIAG_PEER
                (one.peer,) = struct.unpack_from("<I", body, at + 4)
            at += max(4, (size + 3) & ~3)
        return True
    if one.family == socket.AF_NETLINK:
        _, form_of_it, inode = struct.unpack_from("<BB14xI", body)
        if inode == one.inode & _EVERY:
            one.type = form_of_it
        return bool(inode == one.inode & _EVERY)
    port, peer_port, source, target = struct.unpack_from(">4xHH16s16s", body)
    if struct.unpack_from("<I", body, 68)[0] != one.inode & _EVERY:
        return False
    size = 4 if one.family == socket.AF_INET else 16
    one.known, one.port, one.address = _LOCAL, port, source[:size]
    if peer_port or any(target[:size]):
        one.known |= _REMOTE
        one.peer_port, one.peer_address = peer_port, target[:size]
    return True


# Calls, by name: what each gives.


class _Call(NamedTuple):
    memory: Memory
    tid: int
    args: tuple[int, ...]
    fd: int  # its result
    word: int  # bytes of a pointer


_Found = Iterable[tuple[int, "Identity | None"]]


def _pair_at(call: _Call, address: int) -> list[int]:
    return _words(call.memory, address, 2, 4)


def _pipe(call: _Call) -> _Found:
    read, write = _pair_at(call, call.args[0])
    for fd, ways in ((read, _READ), (write, _WRITE)):
        yield fd, _file(call.tid, read, ways)


def _socketpair(call: _Call) -> _Found:
    found = [
        (fd, _new_socket(call.tid, fd, call.args[0], call.args[1]))
        for fd in _pair_at(call, call.args[3])
    ]
    (_, one), (_, two) = found
    if one and two:
        one.peer, two.peer = two.inode, one.inode
    return found


def _queue(call: _Call) -> _Found:
    one = _file(call.tid, call.fd, _ways_by(call.args[1]))
    if one and one.kind != PIPE:
        one.kind = MQUEUE
        yield call.fd, one


def _event(call: _Call, flags: int = 0) -> _Found:
    one = Identity(EVENTFD, _BOTH)
    one.more = flags & 1
    yield call.fd, one


def _bound(call: _Call) -> _Found:
    one = _socket(call.tid, call.args[0])
    if one and one.type != socket.SOCK_STREAM:
        yield call.args[0], one


def _born(call: _Call, flags: int, where: int) -> _Found:
    if flags & _CLONE_PIDFD and where:
        (fd,) = _words(call.memory, where, 1, 4)
        yield fd, _pidfd(_fdinfo(call.tid, fd))


def _born_3(call: _Call) -> _Found:
    return _born(call, *_words(call.memory, call.args[0], 2, 8))


def _whatever(call: _Call, fd: int) -> tuple[int, Identity | None]:
    return fd, _any(call.tid, fd, _fdinfo(call.tid, fd), _ways_of(call.tid, fd))


def _received(call: _Call, count: int, step: int) -> _Found:
    """Descriptors in the control data of messages: unix(7), cmsg(3)."""
    word = call.word
    for message in range(min(count, _MESSAGES)):
        head = _words(call.memory, call.args[1] + message * step, 7, word)
        # msg_controllen has been set to what is there.
        data = call.memory.read(head[4], min(head[5], _RIGHTS_BYTES)) if head[4] else b""
        while len(data) >= word + 8:
            size = int.from_bytes(data[:word], "little")
            if not word + 8 <= size <= len(data):
                break
            level, kind = struct.unpack_from("<II", data, word)
            rights = data[word + 8 : size] if (level, kind) == (1, 1) else b""
            for at in range(0, len(rights) // 4 * 4, 4):
                yield _whatever(call, int.from_bytes(rights[at : at + 4], "little"))
            data = data[(size + word - 1) & ~(word - 1) :]


def _opened(ways: Callable[[_Call], int]) -> Callable[[_Call], _Found]:
    return lambda call: [(call.fd, _file(call.tid, call.fd, ways(call)))]


_CALLS: dict[str, Callable[[_Call], _Found]] = {
    "open": _opened(lambda call: _ways_by(call.args[1])),
    "openat": _opened(lambda call: _ways_by(call.args[2])),
    "open_by_handle_at": _opened(lambda call: _ways_by(call.args[2])),
    "openat2": _opened(lambda call: _ways_of(call.tid, call.fd)),
    "creat": _opened(lambda _: _WRITE),
    **dict.fromkeys(("memfd_create", "memfd_secret"), _opened(lambda _: _BOTH)),
    "mq_open": _queue,
    "eventfd": _event,
    "eventfd2": lambda call: _event(call, call.args[1]),
    "pidfd_open": lambda call: [(call.fd, _pidfd(_fdinfo(call.tid, call.fd)))],
    "clone": lambda call: _born(call, call.args[0], call.args[2]),
    "clone3": _born_3,
    "pidfd_getfd": lambda call: [_whatever(call, call.fd)],
    "socket": lambda call: [(call.fd, _new_socket(call.tid, call.fd, *call.args[:2]))],
    **dict.fromkeys(
        ("accept", "accept4"), lambda call: [(call.fd, _socket(call.tid, call.fd, _CONNECTED))]
    ),
    "connect": lambda call: [(call.args[0], _socket(call.tid, call.args[0], _CONNECTED))],
    "bind": _bound,
    **dict.fromkeys(("pipe", "pipe2"), _pipe),
    "socketpair": _socketpair,
    "recvmsg": lambda call: _received(call, 1, 0),
    **dict.fromkeys(
        ("recvmmsg", "recvmmsg_time64"),
        lambda call: _received(call, call.fd, 8 * call.word),
    ),
}
