# SPDX-License-Identifier: MIT
"""One connection to the sidecar: frames and descriptors, as a stranger sends them.

Nothing of a peer is believed: lengths are bounded before anything is kept, descriptors that were
not asked for are closed, and whoever takes too long over a frame is cut off.
"""

from __future__ import annotations

import array
import errno
import os
import socket
import stat
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from renacer_otel.errors import one_line
from renacer_otel.sidecar import wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renacer_otel.sidecar.taken import TakenRun

FRAME_S = 5.0  # a frame's last byte comes so long after its first, at most
_READ = 65_536
_MAX_FDS = 4  # a tracer sends two
_NONE_LEFT = (errno.EMFILE, errno.ENFILE)
_TOLD_NONE_LEFT = "the sidecar has no descriptors left; raise its limit on open files (ulimit -n)"
_CREDENTIALS = struct.Struct("3i")


class PeerError(Exception):
    """A peer that is to be cut off; the reason."""


class Peer:
    """`uid` and `pid` are the kernel's word, of when it connected. `run`: what it handed over."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        connection.setblocking(False)
        credentials = connection.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size
        )
        self.pid, self.uid, _ = _CREDENTIALS.unpack(credentials)
        self.run: TakenRun | None = None
        self.greeted = False
        self.ending = False  # nothing more comes from it: its run is drained
        self.ring_bytes = 0
        self.pidfd = -1
        self.deadline: float | None = time.monotonic() + FRAME_S
        self._buffer = bytearray()
        self._descriptors: list[int] = []

    def __str__(self) -> str:
        return f"pid {self.pid} of uid {self.uid}"

    def receive(self) -> Iterator[tuple[str, Any]]:
        """Frames that are whole by now: the name of the message, and it. Raises PeerError.

        EOFError: it has gone.
        """
        space = socket.CMSG_SPACE(_MAX_FDS * array.array("i").itemsize)
        try:
            data, control, flags, _ = self.socket.recvmsg(
                _READ, space, socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT
            )
        except BlockingIOError:
            return
        except OSError as error:
            raise EOFError from error
        self._keep(control)
        if len(self._descriptors) > _MAX_FDS:
            raise PeerError("more descriptors than any frame has")
        if flags & socket.MSG_CTRUNC:
            raise PeerError(_why_cut())
        if not data:
            raise EOFError
        self._buffer += data
        while (body := self._next_frame()) is not None:
            yield self._parsed(body)
        waits = bool(self._buffer) or self.run is None
        if not waits:
            self.deadline = None
        elif self.deadline is None:
            self.deadline = time.monotonic() + FRAME_S

    def _keep(self, control: list[tuple[int, int, bytes]]) -> None:
        for level, kind, data in control:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                found = array.array("i")
                found.frombytes(data[: len(data) - len(data) % found.itemsize])
                self._descriptors += found

    def _next_frame(self) -> bytes | None:
        if len(self._buffer) < wire.HEAD:
            return None
        try:
            length = wire.length_of(self._buffer)
        except wire.WireError as error:
            raise PeerError(str(error)) from error
        if len(self._buffer) < wire.HEAD + length:
            return None
        body = bytes(self._buffer[wire.HEAD : wire.HEAD + length])
        del self._buffer[: wire.HEAD + length]
        return body

    @staticmethod
    def _parsed(body: bytes) -> tuple[str, Any]:
        from google.protobuf.message import DecodeError

        from renacer_otel.sidecar.sidecar_pb2 import Frame

        frame = Frame()
        try:
            frame.ParseFromString(body)
        except DecodeError as error:
            raise PeerError("a frame that is no message") from error
        fields = frame.ListFields()
        if len(fields) != 1:
            raise PeerError("a frame of no known kind" if not fields else "several messages")
        return fields[0][0].name, fields[0][1]

    def take_descriptors(self) -> list[int]:
        """Those that came so far; from now on the caller's."""
        found, self._descriptors = self._descriptors, []
        return found

    @property
    def has_strays(self) -> bool:
        """Whether descriptors came, and nothing more of the frame that they came with."""
        return bool(self._descriptors) and not self._buffer

    def send(self, data: bytes) -> None:
        """A small frame. Raises PeerError for a peer that does not read."""
        try:
            sent = self.socket.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError as error:
            raise PeerError(f"it takes no answer: {error.strerror}") from error
        if sent != len(data):
            raise PeerError("it does not read")

    def refuse(self, reason: str) -> None:
        """Says why, if it can be said."""
        with suppress(PeerError):
            self.send(wire.frame(wire.REFUSED, {1: one_line(reason, 300)}))

    def close(self) -> None:
        """The connection and all descriptors of it. Idempotent."""
        for descriptor in self.take_descriptors():
            os.close(descriptor)
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
        self.socket.close()


def _why_cut() -> str:
    """Why not all descriptors of a frame have come."""
    try:
        os.close(os.dup(0))
    except OSError as error:
        if error.errno in _NONE_LEFT:
            return _TOLD_NONE_LEFT
    return "more descriptors than any frame has"


def ring_size(descriptor: int) -> int:
    """Bytes of what is to be a ring. Raises PeerError where it cannot be one."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise PeerError("the ring is no memfd")
    return found.st_size


def check_pidfd(descriptor: int, pid: int) -> None:
    """Raises PeerError where it is no pidfd, or one of another process than the peer."""
    try:
        kind = os.readlink(f"/proc/self/fd/{descriptor}")
        with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) in _NONE_LEFT:
            raise PeerError(_TOLD_NONE_LEFT) from error
        raise PeerError("the pidfd cannot be looked at") from error
    # "[pidfd]" of an anonymous inode; since Linux 6.9 pidfds have a file system of their own.
    if "pidfd" not in kind or "Pid" not in fields:
        raise PeerError("the second descriptor is no pidfd")
    told = int(fields["Pid"])
    # 0: in a PID namespace that we do not see into.
    if pid > 0 and told > 0 and told != pid:
        raise PeerError("the pidfd is another process's")
