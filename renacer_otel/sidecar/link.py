# SPDX-License-Identifier: MIT
"""The tracer's side of the sidecar: hands the ring over, and joins another one if that dies.

Before the command starts there is one handshake, of five seconds at most. While it runs a thread
waits for the connection's end, and then asks again for a sidecar at intervals: whoever comes goes
on where the one before had stopped reading. The command never waits for any of that; the ring's
policy is what it feels.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.errors import EngineError, one_line
from renacer_otel.sidecar import handover, wire
from renacer_otel.sidecar.place import PlaceError, check_folder, open_folder

if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable

    from renacer_otel.engine.halves import ProducerRun
    from renacer_otel.sidecar.identity import Identity
    from renacer_otel.sidecar.session_config import SessionConfig

ANSWER_S = 5.0
_INTERVALS_S = (0.05, 0.1, 0.25, 0.5, 1.0)  # the last one again and again
_SLICE_S = 0.05
_LONG_S = 3600.0  # a wait that is woken
_NEVER_S = 0.2  # where there never was one, nobody waits for one to come


class NoSidecar(EngineError):  # noqa: N818 (as the others of errors.py)
    """Nobody takes the ring, and why."""


class Handed(NamedTuple):
    """What became of a run that was handed over.

    `spans`: that sidecars say they have made; `dropped`: of these, that their queues had no room
    for. `calls` and `events`: recorded, and read by nobody. `parts`: how many had the ring.
    `unsure`: spans that one had made when it died, and may not have sent.
    """

    spans: int = 0
    dropped: int = 0
    calls: int = 0
    events: int = 0
    corrupt: int = 0
    lost_calls: int = 0
    lost_events: int = 0
    parts: int = 0
    unsure: int = 0
    reason: str = ""

    def open_calls(self, lost: int) -> int:
        """Calls whose beginning one sidecar had, and whose end another; `lost`: by the tracer."""
        return max(self.lost_calls - lost, 0)

    def lost_beyond(self, lost: int) -> int:
        """Spans and calls that were lost behind the tracer, which itself has lost `lost` calls."""
        return self.dropped + self.calls + self.open_calls(lost)

    @property
    def complete(self) -> bool:
        """Whether all that was recorded is with a sidecar."""
        return not (self.dropped or self.calls or self.events or self.corrupt or self.unsure)


class _Connection:
    """A connected socket, and what of a frame has come."""

    def __init__(self, path: str) -> None:
        """Raises NoSidecar."""
        import _socket as socket  # without the enums of `socket`, a tenth of our start
        import struct

        shown = one_line(path, 120)
        try:
            folder, name = open_folder(path)
        except PlaceError as error:
            raise NoSidecar(f"no sidecar at {shown}: {error.message}") from error
        try:
            owner = os.fstat(folder).st_uid
            check_folder(folder, path, frozenset({owner}))
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            self.socket.settimeout(ANSWER_S)
            self.socket.connect(f"/proc/self/fd/{folder}/{name}")
        except OSError as error:
            self.close()
            reason = error.strerror or "it does not answer"
            raise NoSidecar(f"no sidecar at {shown}: {reason}") from error
        finally:
            os.close(folder)
        peer = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        _, uid, _ = struct.unpack("3i", peer)
        if uid not in (os.geteuid(), 0, owner):
            self.close()
            raise NoSidecar(f"{shown} is served by uid {uid}, and the folder is uid {owner}'s")
        self._buffer = bytearray()

    def send(self, data: bytes, descriptors: tuple[int, ...] = ()) -> None:
        """All of it, within ANSWER_S. Raises OSError."""
        import _socket as socket
        import array

        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors).tobytes())]
        sent = self.socket.sendmsg([data], rights if descriptors else [], socket.MSG_NOSIGNAL)
        self.socket.sendall(data[sent:], socket.MSG_NOSIGNAL)

    def receive(self, seconds: float, wake: int = -1) -> tuple[int, wire.Fields] | None:
        """The next frame; None: none in that time, or `wake` became readable. Raises EOFError,
        WireError."""
        import select

        end = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        if wake >= 0:
            poll.register(wake, select.POLLIN)
        while True:
            if len(self._buffer) >= wire.HEAD:
                length = wire.length_of(self._buffer)
                if len(self._buffer) >= wire.HEAD + length:
                    body = bytes(self._buffer[wire.HEAD : wire.HEAD + length])
                    del self._buffer[: wire.HEAD + length]
                    return wire.opened(body)
            left = end - time.monotonic()
            ready = [each for each, _ in poll.poll(max(left, 0.0) * 1000)]
            if self.socket.fileno() not in ready:
                return None
            try:
                data = self.socket.recv(4096)
            except OSError as error:
                raise EOFError from error
            if not data:
                raise EOFError
            self._buffer += data

    def close(self) -> None:
        """Idempotent."""
        made: socket | None = getattr(self, "socket", None)
        if made is not None:
            made.close()


class SidecarLink:
    """See the module's docstring. Use: connect(), start() once the command runs, end().

    Where it is no error that there is no sidecar, note_absence() stands for connect().
    """

    def __init__(self, path: str, config: SessionConfig, identity: Identity) -> None:
        self._path = path
        self._config = config
        self._identity = identity
        self._connection: _Connection | None = None
        self._keeps = False  # the sidecar has on disk what it has taken
        self._run: ProducerRun | None = None
        self._pidfd = -1
        self._parts = self._turn = 0
        self._spans = self._dropped = self._corrupt = self._unsure = 0
        self._lost_calls = self._lost_events = 0
        self._reason = ""
        self._over = threading.Event()  # nothing more is recorded
        self._settled = threading.Event()  # a sidecar has all
        self._stop = threading.Event()
        self._wake = -1  # readable once the thread is to look at these
        self._thread: threading.Thread | None = None

    def connect(self, run: ProducerRun) -> None:
        """Hands the ring over. Raises NoSidecar."""
        self._run = run
        if self._pidfd < 0:
            try:
                self._pidfd = os.pidfd_open(os.getpid())
            except (AttributeError, OSError) as error:
                raise NoSidecar(
                    "--sidecar needs pidfd_open: Linux 5.3 or newer, and no sandbox that"
                    " withholds it"
                ) from error
        connection = _Connection(self._path)
        try:
            self._keeps = self._shake_hands(connection, run)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._parts += 1

    def _shake_hands(self, connection: _Connection, run: ProducerRun) -> bool:
        """Whether the sidecar keeps what it takes. Raises NoSidecar."""
        shown = one_line(self._path, 120)
        try:
            self._turn += 1
            said = handover.register(
                self._config, self._identity, self._turn, resumed=self._parts > 0
            )
            run.offer(self._turn)
            connection.send(handover.hello())
            connection.send(said, (run.ring(), self._pidfd))
        except wire.WireError as error:
            raise NoSidecar(f"the sidecar cannot be told of this run: {error}") from error
        except OSError:
            pass  # it may have said why before it closed
        try:
            answer = connection.receive(ANSWER_S)
        except (EOFError, wire.WireError) as error:
            raise NoSidecar(f"the sidecar at {shown} closed the connection") from error
        if answer is None:
            raise NoSidecar(f"the sidecar at {shown} does not answer")
        kind, fields = answer
        if kind == wire.REFUSED:
            reason = one_line(wire.text(fields, 1), 300)
            raise NoSidecar(f"the sidecar at {shown} refuses: {reason}")
        if kind != wire.ACCEPTED:
            raise NoSidecar(f"the sidecar at {shown} is another program, or another version")
        return wire.number(fields, 2) != 0

    def note_absence(self, run: ProducerRun, reason: str) -> None:
        """There is no sidecar, and the command is to run all the same: one may come."""
        self._run = run
        self._reason = reason

    def start(self) -> None:
        """The command is about to run. Raises EngineError where there can be no thread."""
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._follow, name="renacer-sidecar", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            self._thread = None
            raise EngineError(f"{one_line(str(error))}: raise the limit (ulimit -u, -v)") from error

    def abandon(self) -> None:
        """The command was not started: there is no run."""
        self._halt()
        if self._connection is not None:
            with suppress(OSError):
                self._connection.send(handover.end(abandoned=True))
        self.close()

    # --- the thread ---------------------------------------------------------------------------

    def _follow(self) -> None:
        tries = 0
        said_end = False
        while not self._stop.is_set():
            if self._connection is None:
                pause = _INTERVALS_S[min(tries, len(_INTERVALS_S) - 1)]
                if self._over.is_set():
                    self._stop.wait(min(pause, 0.1))
                else:
                    self._over.wait(pause)
                tries += 1
                said_end = False
                self._try_again()
                continue
            tries = 0
            if self._over.is_set() and not said_end:
                said_end = self._say_end()
                continue
            if self._hear_one():
                return

    def _try_again(self) -> None:
        assert self._run is not None
        if self._stop.is_set():
            return
        try:
            self.connect(self._run)
        except EngineError as error:
            self._reason = error.message

    def _say_end(self) -> bool:
        assert self._connection is not None
        try:
            self._connection.send(handover.end())
        except OSError:
            self._lose("the sidecar ended")
            return False
        return True

    def _hear_one(self) -> bool:
        """Waits a little for a frame; True: the sidecar has all."""
        assert self._connection is not None
        try:
            found = self._connection.receive(_LONG_S, self._wake)
        except (EOFError, wire.WireError):
            self._lose("the sidecar died")
            return False
        if found is None:
            self._sleep_again()
            return False
        kind, fields = found
        if kind == wire.ENDED:
            self._spans += wire.number(fields, 1)
            self._dropped += wire.number(fields, 2)
            self._corrupt += wire.number(fields, 3)
            self._lost_calls = wire.number(fields, 4)
            self._lost_events = wire.number(fields, 5)
            self._settled.set()
            return True
        if kind == wire.GOODBYE:
            self._drop(wire.text(fields, 1) or "the sidecar ended")
        elif kind == wire.REFUSED:
            self._lose(f"the sidecar refuses: {wire.text(fields, 1)}")
        return False

    def _sleep_again(self) -> None:
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake)

    def _halt(self) -> None:
        """Ends the thread. Idempotent."""
        self._stop.set()
        self._over.set()
        if self._thread is not None:
            os.eventfd_write(self._wake, 1)
            self._thread.join()
            self._thread = None

    def _drop(self, reason: str) -> None:
        """The connection ends in good order: what was read is with the exporter."""
        assert self._connection is not None
        assert self._run is not None
        self._spans += self._run.taken_spans()
        self._reason = one_line(reason, 200)
        self._connection.close()
        self._connection = None

    def _lose(self, reason: str) -> None:
        """The connection ends, and of what was read nobody knows whether it was sent, or kept."""
        assert self._run is not None
        self._unsure += 0 if self._keeps else self._run.taken_spans()
        self._drop(reason)

    # --- the end ------------------------------------------------------------------------------

    def end(self, seconds: float, gives_up: Callable[[], bool]) -> Handed:
        """The run is over: waits until a sidecar has read all, at most `seconds`."""
        self._over.set()
        os.eventfd_write(self._wake, 1)
        until = time.monotonic() + (seconds if self._parts else min(seconds, _NEVER_S))
        while not self._settled.wait(min(_SLICE_S, max(until - time.monotonic(), 0.0))):
            if time.monotonic() >= until or gives_up():
                break
        self._halt()
        calls = events = 0
        if not self._settled.is_set() and self._run is not None:
            if self._connection is not None:  # it may be at it still: stopped, or slow
                self._unsure += 0 if self._keeps else self._run.taken_spans()
                self._reason = "the sidecar does not answer"
            calls, events = self._run.unread()
        self.close()
        return Handed(
            self._spans,
            self._dropped,
            calls,
            events,
            self._corrupt,
            self._lost_calls,
            self._lost_events,
            self._parts,
            self._unsure,
            "" if self._settled.is_set() and self._parts == 1 else self._reason,
        )

    def close(self) -> None:
        """Idempotent."""
        self._halt()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        for descriptor in (self._pidfd, self._wake):
            if descriptor >= 0:
                os.close(descriptor)
        self._pidfd = self._wake = -1
