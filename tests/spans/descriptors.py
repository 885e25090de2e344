# SPDX-License-Identifier: MIT
"""Random work on descriptors by real processes and threads, and what /proc says that they have."""

from __future__ import annotations

import ctypes
import fcntl
import os
import random
import select
import signal
import socket
import stat
import struct
import subprocess
import time
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.engine.tools import LIMIT, environment

if TYPE_CHECKING:
    from collections.abc import Sequence

LANES, FIRST, LIMIT_FD = 12, 500, 200
_ORDER, _ANSWER = struct.Struct("8i"), struct.Struct("4i")
_CLONE_VM, _CLONE_FS, _CLONE_FILES, _CLONE_SIGHAND = 0x100, 0x200, 0x400, 0x800
_CLONE_PIDFD, _CLONE_VFORK, _CLONE_THREAD = 0x1000, 0x4000, 0x10000
_UNSHARE, _CLOEXEC = 2, 4  # CLOSE_RANGE_*
_MSG_CMSG_CLOEXEC = 0x40000000
_EFD_CLOEXEC = os.O_CLOEXEC
_KCMP = {"x86_64": 312, "aarch64": 272}.get(os.uname().machine)
_KCMP_FILES = 2
_libc = ctypes.CDLL(None, use_errno=True)


class Op(IntEnum):
    """enum op of descriptors.c."""

    CHECK = 0
    DUP = 1
    DUP2 = 2
    DUP3 = 3
    FCNTL = 4
    CLOSE = 5
    CLOSE_RANGE = 6
    OPEN = 7
    PIPE = 8
    SOCKETPAIR = 9
    EVENTFD = 10
    EPOLL = 11
    MEMFD = 12
    PIDFD_OPEN = 13
    PIDFD_GETFD = 14
    LISTEN = 15
    CONNECT = 16
    ACCEPT = 17
    SEND = 18
    RECEIVE = 19
    DRAIN = 20
    CLONE = 21
    CLONE3 = 22
    UNSHARE = 23
    EXEC = 24
    LEAVE = 25
    IOCTL = 26


class Held(NamedTuple):
    """A descriptor as /proc tells of it."""

    kind: str  # pipe, socket, file, eventfd, pidfd, path (O_PATH), or the name of another
    identity: tuple[int, ...]  # of the object, among those of its kind; () = none
    ways: int  # 1 read, 2 write
    cloexec: bool
    carried: int  # descriptors in messages to a socket


@dataclass
class Checkpoint:
    """All that all lanes have at a moment; `tables`: the threads of each table."""

    held: dict[int, dict[int, Held]] = field(default_factory=dict)  # by thread
    tables: list[list[int]] = field(default_factory=list)


def can_compare() -> bool:
    """Whether the kernel tells who shares a table."""
    return _KCMP is not None and _libc.syscall(_KCMP, os.getpid(), os.getpid(), _KCMP_FILES) == 0


def _share(one: int, other: int) -> bool:
    """Whether two threads have one table."""
    found = _libc.syscall(_KCMP, one, other, _KCMP_FILES)
    assert found >= 0, os.strerror(ctypes.get_errno())
    return bool(found == 0)


def _held(tid: int, fd: int) -> Held:
    path = f"/proc/{tid}/fd/{fd}"
    info = dict(
        line.split(":", 1) for line in Path(f"/proc/{tid}/fdinfo/{fd}").read_text().splitlines()
        if ":" in line
    )  # fmt: skip
    flags = int(info["flags"], 8)
    ways = 0 if flags & os.O_PATH else (1, 2, 3, 0)[flags & os.O_ACCMODE]
    link, st = os.readlink(path), os.stat(path)
    identity: tuple[int, ...] = (os.major(st.st_dev), os.minor(st.st_dev), st.st_ino)
    if flags & os.O_PATH:  # nothing passes through it
        kind, identity = "path", ()
    elif stat.S_ISFIFO(st.st_mode):
        kind = "pipe"
    elif stat.S_ISSOCK(st.st_mode):
        kind = "socket"
    elif link == "anon_inode:[eventfd]":
        kind, identity = "eventfd", (int(info["eventfd-id"]),)
    elif link.startswith("anon_inode:"):
        kind, identity = link[11:].strip("[]"), ()
    else:
        kind = "file"
    cloexec = bool(flags & os.O_CLOEXEC)
    return Held(kind, identity, ways, cloexec, int(info.get("scm_fds", 0)))


@dataclass
class Lane:
    """A thread that takes orders."""

    number: int
    pid: int = 0
    tid: int = 0
    made_by: Lane | None = None
    vfork: bool = False  # its maker waits for it
    waits: bool = False


class Lanes:
    """The subject's threads; orders go to them, answers come from all."""

    def __init__(self, program: Path, folder: Path, before: Sequence[str | Path]) -> None:
        folder.mkdir()
        os.mkfifo(folder / "fifo")
        pipes = [os.pipe() for _ in range(LANES)]
        self.orders = [write for _, write in pipes]
        self.answers, tell = os.pipe()
        theirs = [tell, *(read for read, _ in pipes)]
        self.process = subprocess.Popen(
            [*map(str, before), str(program), str(folder), *map(str, theirs)],
            pass_fds=theirs,
            env=environment(),
            stdin=subprocess.DEVNULL,
        )
        for fd in theirs:
            os.close(fd)
        self.alive: dict[int, Lane] = {0: Lane(0)}
        self.checkpoints: list[Checkpoint] = []
        self.log: list[str] = []
        self.take()

    def close(self) -> None:
        """All lanes end; so does the tracer."""
        for fd in self.orders:
            os.close(fd)
        try:
            self.process.wait(LIMIT)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self.answers)

    def put(self, lane: Lane, op: Op, *args: int, fds: Sequence[int] = ()) -> None:
        """Gives an order."""
        words = [*args, 0, 0, 0][:3] + [*fds, 0, 0, 0, 0][:4]
        self.log.append(f"{lane.number}: {op.name} {args} {list(fds)}")
        os.write(self.orders[lane.number], _ORDER.pack(op, *words))

    def take(self) -> tuple[Lane, int]:
        """The next answer, of whichever lane."""
        ready, _, _ = select.select([self.answers], [], [], LIMIT)
        assert ready, self.log[-5:]
        data = os.read(self.answers, _ANSWER.size)
        assert len(data) == _ANSWER.size, (self.process.wait(), self.log[-5:])
        number, tid, pid, result = _ANSWER.unpack(data)
        lane = self.alive[number]
        lane.tid, lane.pid = tid, pid
        self.log.append(f"  {number} ({pid}/{tid}) = {result}")
        return lane, result

    def do(self, lane: Lane, op: Op, *args: int, fds: Sequence[int] = ()) -> int:
        """Gives an order, and waits until it is done."""
        self.put(lane, op, *args, fds=fds)
        answered, result = self.take()
        assert answered is lane
        return result

    def fds(self, lane: Lane) -> list[int]:
        """What it has, but for the pipes that it is told by."""
        names = os.listdir(f"/proc/{lane.tid}/fd")
        return sorted(fd for fd in map(int, names) if 2 < fd < FIRST)

    def make(self, maker: Lane, flags: int, by_clone3: bool) -> None:
        number = next(n for n in range(LANES) if n not in self.alive)
        lane = Lane(number, made_by=maker, vfork=bool(flags & _CLONE_VFORK))
        self.alive[number] = lane
        maker.waits = lane.vfork
        self.put(maker, Op.CLONE3 if by_clone3 else Op.CLONE, number, flags)
        assert self.take()[0] in (lane, maker)
        if not lane.vfork:
            assert self.take()[0] in (lane, maker)

    def _release(self, lanes: list[Lane]) -> None:
        """Those who wait for their ends, or execs, go on."""
        for lane in lanes:
            if lane.vfork and lane.made_by:
                lane.made_by.waits = lane.vfork = False
                self.take()

    def execute(self, lane: Lane) -> None:
        """All other threads of its process end."""
        process = [other for other in self.alive.values() if other.pid == lane.pid]
        for other in process:
            if other is not lane:
                del self.alive[other.number]
        self.put(lane, Op.EXEC)
        self._release(process)
        self.take()

    def leave(self, lane: Lane, whole: bool) -> None:
        ending = [
            other
            for other in self.alive.values()
            if other is lane or (whole and other.pid == lane.pid)
        ]
        for other in ending:
            del self.alive[other.number]
        self.put(lane, Op.LEAVE, whole)
        self._release(ending)
        end = time.monotonic() + LIMIT
        while not all(_is_gone(other) for other in ending):
            assert time.monotonic() < end, self.log[-5:]
            time.sleep(0.0005)

    def check(self) -> None:
        """All is quiet: what all have is remembered, and a call of lane 0 marks the moment."""
        found = Checkpoint()
        lanes = list(self.alive.values())
        for lane in lanes:
            table = next(
                (t for t in found.tables if _share(t[0], lane.tid)), None
            )  # fmt: skip
            if table is not None:
                found.held[lane.tid] = found.held[table[0]]
                table.append(lane.tid)
                continue
            found.tables.append([lane.tid])
            names = os.listdir(f"/proc/{lane.tid}/fd")
            found.held[lane.tid] = {fd: _held(lane.tid, fd) for fd in sorted(map(int, names))}
        marker = next(lane for lane in lanes if not lane.waits)
        self.log.append(f"checkpoint {len(self.checkpoints)}")
        self.checkpoints.append(found)
        self.do(marker, Op.CHECK, len(self.checkpoints) - 1)


def _is_gone(lane: Lane) -> bool:
    try:
        state = Path(f"/proc/{lane.pid}/task/{lane.tid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state.rpartition(")")[2].split()[0] in "ZX"


class Work:
    """Random orders, by a seed."""

    def __init__(self, lanes: Lanes, seed: str, sockets_travel: bool) -> None:
        self.lanes = lanes
        self.random = random.Random(seed)
        self.sockets_travel = sockets_travel
        self.listeners = 0
        self.acts = [
            *[self.copy] * 8, *[self.close] * 6, *[self.make] * 10, *[self.flag] * 3,
            *[self.send] * 5, *[self.receive] * 5, *[self.spawn] * 5, *[self.race] * 2,
            self.close_range, self.close_range, self.unshare, self.execute, self.leave,
            self.leave, self.connect, self.accept, self.of_other, self.of_other,
        ]  # fmt: skip

    def step(self) -> None:
        free = [lane for lane in self.lanes.alive.values() if not lane.waits]
        lane = self.random.choice(free)
        self.random.choice(self.acts)(lane)

    def one_of(self, lane: Lane) -> int:
        """Most often one that is open."""
        fds = self.lanes.fds(lane)
        if fds and self.random.random() < 0.9:
            return self.random.choice(fds)
        return self.random.randrange(3, LIMIT_FD)

    def number(self) -> int:
        return self.random.choice((self.random.randrange(3, 30), self.random.randrange(3, 180)))

    def copy(self, lane: Lane) -> None:
        fd, flag = self.one_of(lane), self.random.choice((0, os.O_CLOEXEC))
        how = self.random.randrange(4)
        if how == 0:
            self.lanes.do(lane, Op.DUP, fd)
        elif how == 1:
            self.lanes.do(lane, Op.DUP2, fd, self.random.choice((fd, self.number())))
        elif how == 2:
            self.lanes.do(lane, Op.DUP3, fd, self.random.choice((fd, self.number())), flag)
        else:
            command = fcntl.F_DUPFD_CLOEXEC if flag else fcntl.F_DUPFD
            self.lanes.do(lane, Op.FCNTL, fd, command, self.number())

    def close(self, lane: Lane) -> None:
        self.lanes.do(lane, Op.CLOSE, self.one_of(lane))

    def close_range(self, lane: Lane) -> None:
        first, last = self.number(), self.number()
        flags = self.random.choice((0, 0, _CLOEXEC, _CLOEXEC, _UNSHARE, _UNSHARE | _CLOEXEC, 1))
        self.lanes.do(lane, Op.CLOSE_RANGE, first, min(last, first + 20), flags)

    def flag(self, lane: Lane) -> None:
        fd, on = self.one_of(lane), self.random.randrange(2)
        if self.random.random() < 0.3:
            self.lanes.do(lane, Op.IOCTL, fd, on)
        else:
            self.lanes.do(lane, Op.FCNTL, fd, fcntl.F_SETFD, on)

    def make(self, lane: Lane) -> None:
        self.lanes.do(lane, *self.new())

    def new(self) -> tuple[Op, int, int]:
        cloexec = self.random.choice((0, os.O_CLOEXEC))
        kinds = [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET]
        ways = self.random.choice((os.O_RDONLY, os.O_WRONLY, os.O_RDWR)) | os.O_CREAT
        return self.random.choice((
            (Op.OPEN, self.random.randrange(2), cloexec | ways),
            (Op.OPEN, self.random.randrange(5), cloexec | os.O_PATH),
            (Op.OPEN, 2, cloexec | os.O_RDWR),
            (Op.OPEN, 2, cloexec | os.O_RDONLY | os.O_NONBLOCK),
            (Op.OPEN, 3, cloexec | os.O_DIRECTORY),
            (Op.OPEN, 4, cloexec | os.O_RDWR),
            (Op.OPEN, 5, cloexec),
            (Op.PIPE, cloexec, 0),
            (Op.PIPE, cloexec, 0),
            (Op.SOCKETPAIR, cloexec | self.random.choice(kinds), 0),
            (Op.SOCKETPAIR, cloexec | self.random.choice(kinds), 0),
            (Op.EVENTFD, cloexec and _EFD_CLOEXEC, 0),
            (Op.EPOLL, cloexec, 0),
            (Op.MEMFD, int(bool(cloexec)), 0),
        ))  # fmt: skip

    def sockets(self, lane: Lane) -> list[int]:
        found = []
        for fd in self.lanes.fds(lane):
            path = f"/proc/{lane.tid}/fd/{fd}"
            if stat.S_ISSOCK(os.stat(path).st_mode):
                found.append(fd)
        return found

    def send(self, lane: Lane) -> None:
        sockets = self.sockets(lane)
        if not sockets:
            return
        fds = [fd for fd in self.lanes.fds(lane) if self.sockets_travel or fd not in sockets]
        number = self.random.randrange(4)
        sent = [self.random.choice(fds) for _ in range(number)] if fds else []
        self.lanes.do(lane, Op.SEND, self.random.choice(sockets), len(sent), fds=sent)

    def receive(self, lane: Lane) -> None:
        sockets = self.sockets(lane)
        if not sockets:
            return
        fd = self.random.choice(sockets)
        if self.random.random() < 0.15:
            self.lanes.do(lane, Op.DRAIN, fd)
            return
        flags = self.random.choice((0, 0, _MSG_CMSG_CLOEXEC, socket.MSG_PEEK))
        room = self.random.choice((socket.CMSG_SPACE(16), socket.CMSG_SPACE(4), 0))
        self.lanes.do(lane, Op.RECEIVE, fd, flags, room)

    def connect(self, lane: Lane) -> None:
        cloexec = self.random.choice((0, os.O_CLOEXEC))
        if self.listeners < 3:
            self.lanes.do(lane, Op.LISTEN, cloexec | socket.SOCK_NONBLOCK, self.listeners)
            self.listeners += 1
        else:
            self.lanes.do(lane, Op.CONNECT, cloexec, self.random.randrange(self.listeners))

    def accept(self, lane: Lane) -> None:
        for fd in self.sockets(lane):
            if self.lanes.do(lane, Op.ACCEPT, fd, self.random.choice((0, os.O_CLOEXEC))) >= 0:
                return

    def spawn(self, lane: Lane) -> None:
        if len(self.lanes.alive) == LANES:
            return
        thread = _CLONE_VM | _CLONE_FS | _CLONE_SIGHAND | _CLONE_THREAD
        flags = self.random.choice((
            thread | _CLONE_FILES,
            thread | _CLONE_FILES,
            thread,
            signal.SIGCHLD,
            signal.SIGCHLD,
            signal.SIGCHLD | _CLONE_PIDFD,
            signal.SIGCHLD | _CLONE_FILES,
            signal.SIGCHLD | _CLONE_VM | _CLONE_VFORK,
            signal.SIGCHLD | _CLONE_VM | _CLONE_VFORK | _CLONE_FILES,
        ))  # fmt: skip
        plain = not flags & (_CLONE_VM | _CLONE_VFORK)
        by_clone3 = plain and self.random.random() < 0.5
        self.lanes.make(lane, flags & ~0xFF if by_clone3 else flags, by_clone3)

    def is_last(self, *ending: Lane) -> bool:
        return not any(lane not in ending and not lane.waits for lane in self.lanes.alive.values())

    def unshare(self, lane: Lane) -> None:
        self.lanes.do(lane, Op.UNSHARE)

    def others(self, lane: Lane) -> list[Lane]:
        return [o for o in self.lanes.alive.values() if o.pid == lane.pid and o is not lane]

    def execute(self, lane: Lane) -> None:
        if not any(other.waits for other in self.others(lane)):
            self.lanes.execute(lane)

    def leave(self, lane: Lane) -> None:
        whole = self.random.random() < 0.3
        others = self.others(lane) if whole else []
        if lane.number == 0 or any(o.waits or o.number == 0 for o in others):
            return
        if not self.is_last(lane, *others):
            self.lanes.leave(lane, whole)

    def of_other(self, lane: Lane) -> None:
        """A pidfd, and a descriptor by it."""
        other = self.random.choice([*self.lanes.alive.values()])
        pidfd = self.lanes.do(lane, Op.PIDFD_OPEN, other.pid)
        if pidfd >= 0:
            self.lanes.do(lane, Op.PIDFD_GETFD, pidfd, self.one_of(other))

    def race(self, lane: Lane) -> None:
        """Threads of one table at once, each on numbers that are its own or that it gets."""
        near = [
            other
            for other in self.lanes.alive.values()
            if not other.waits and _share(lane.tid, other.tid)
        ]
        mine = self.lanes.fds(lane)
        self.random.shuffle(mine)
        stays, goes = mine[: len(mine) // 2], mine[len(mine) // 2 :]
        orders: list[tuple[Lane, Op, int, int]] = []
        for place, other in enumerate(near):
            low = 200 + 20 * place
            for _ in range(self.random.randrange(1, 5)):
                act = self.random.randrange(6)
                if act == 0 and goes:
                    orders.append((other, Op.CLOSE, goes.pop(), 0))
                elif act == 1 and stays:
                    orders.append((other, Op.DUP, self.random.choice(stays), 0))
                elif act == 2 and stays:
                    to = low + self.random.randrange(4)
                    orders.append((other, Op.DUP2, self.random.choice(stays), to))
                elif act == 3:
                    orders.append((other, Op.CLOSE_RANGE, low, low + 2))
                else:
                    orders.append((other, *self.new()))
        for order in orders:
            self.lanes.put(*order)
        for _ in orders:
            self.lanes.take()

    def steps(self, number: int, every: int) -> None:
        """Random work; a checkpoint after every `every` steps."""
        for step in range(number):
            self.step()
            if step % every == every - 1:
                self.lanes.check()
