# SPDX-License-Identifier: MIT
"""Fuzz target: the socket of a real sidecar: frames, descriptors, rings, and their writers.

The sidecar is a process of its own, its core with sanitizers. A peer may be cut off or served; but
nothing of it is left open, and an honest tracer is served whatever came before.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import socket
import struct
import subprocess
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, cast

from google.protobuf.message import EncodeError

from renacer_otel.exporters.receiver import Receiver
from renacer_otel.sidecar import wire
from renacer_otel.sidecar.sidecar_pb2 import Frame
from tests.fuzz import built, corpus
from tests.fuzz.commands import BrokenPromise
from tests.fuzz.mutation import damaged, number
from tests.sidecar.serving import handed, sidecar, traced

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from typing_extensions import Self

    from tests.fuzz.corpus import Handed

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_CONTROL = 4096
_ANSWER_S = 20.0
_HONEST_EVERY = 500
_GROWTH = 300 << 20  # bytes: the sanitizer keeps freed memory back
_BAD = ("Traceback", "internal error", "AddressSanitizer", "runtime error", "Sanitizer:")
#: Of the ring's control page: magic, version, size, head, closed, tail, sleeping, wake_at, blocked,
#: told, taken.
_WORDS = (0, 8, 12, 16, 64, 72, 128, 192, 200, 256, 320, 328, 336, 376, 384, 392)
_ODD = ("pipe", "file", "memfd", "unsealed", "socket", "parent", "null")

Step = tuple[Any, ...]


class Target:
    """See the module's docstring. An input: steps, as _Peer has them."""

    def __init__(self, folder: Path) -> None:
        self._real = corpus.handed(folder)
        self._open = ExitStack()
        self._turn = 0
        self._log = folder / "sidecar.log"
        with ExitStack() as opened:
            receiver = opened.enter_context(Receiver("null"))
            environ = built.build().python_environ
            self._sidecar = opened.enter_context(
                sidecar(folder, receiver.endpoint, env=environ, cwd=folder)
            )
            self._open = opened.pop_all()
        self._follow()
        self._honest()
        assert built.is_in(self._sidecar.pid), "the core without sanitizers"
        self._descriptors = self._sidecar.descriptors()
        self._resident = self._sidecar.resident()

    def _follow(self) -> None:
        """Its standard error goes on into a file: a pipe would fill."""
        pipe = self._sidecar.process.stderr
        assert pipe is not None
        with self._log.open("wb") as log:
            self._copier = subprocess.Popen(["cat"], stdin=pipe, stdout=log)

    # --- inputs -------------------------------------------------------------------------------

    def make(self, rng: random.Random) -> bytes:
        """What a tracer does, and some of it otherwise."""
        real = rng.choice(self._real)
        ring = self._ring(rng, real)
        register = real.register
        if rng.random() < 0.5:
            register = self._frame(rng, register)
        steps: list[Step] = [
            ("send", real.hello, []),
            ("ring", ring, real.ring_size),
            ("send", register, ["ring", "pidfd"]),
            ("answer",),
        ]
        writes = rng.choice([0, 0, 5, 50])
        steps += [("write", *self._word(rng, real)) for _ in range(writes)]
        end = wire.frame(wire.END, {1: rng.random() < 0.1})
        steps += [("send", end, []), ("write", *self._word(rng, real)), ("answer",)]
        if rng.random() < 0.5:
            self._disturb(rng, steps)
        return corpus.packed(steps)

    def _disturb(self, rng: random.Random, steps: list[Step]) -> None:
        at = rng.randrange(len(steps))
        match rng.randrange(6):
            case 0:
                del steps[at]
            case 1:
                steps.insert(rng.randrange(len(steps)), steps[at])
            case 2 if steps[at][0] == "send":
                kinds = rng.choices(
                    ("ring", "pidfd", *_ODD), k=rng.choice([0, 1, 2, 2, 2, 3, 5, 200])
                )
                steps[at] = ("send", steps[at][1], kinds)
            case 3 if steps[at][0] == "send":
                steps[at] = ("send", damaged(rng, steps[at][1]), steps[at][2])
            case 4:
                steps.insert(at, ("send", self._frame(rng, self._real[0].register), []))
            case _:
                del steps[at:]

    @staticmethod
    def _frame(rng: random.Random, sent: bytes) -> bytes:
        """A frame whose length is right, and some field of it not."""
        if rng.random() < 0.3:
            body = damaged(rng, sent[wire.HEAD :])
            return len(body).to_bytes(wire.HEAD, "big") + body
        frame = Frame.FromString(sent[wire.HEAD :])
        said = frame.register
        field = rng.choice(said.DESCRIPTOR.fields)
        value = getattr(said, field.name)
        with suppress(ValueError, TypeError, EncodeError):
            match value:
                case bool():
                    setattr(said, field.name, not value)
                case int():
                    setattr(said, field.name, number(rng) >> rng.choice([0, 1, 32, 33]))
                case str():
                    odd = ["", "\0", "x" * 5000, "\u202e\x1b[2J", "a=b,c=d", "off", "é" * 300]
                    setattr(said, field.name, rng.choice(odd))
                case bytes():
                    setattr(said, field.name, damaged(rng, value or b"abc"))
                case _:
                    some = value[0] if len(value) else 1
                    value.extend([some] * rng.choice([1, 2, 100, 3000]))
        body = cast("bytes", frame.SerializeToString())
        return len(body).to_bytes(wire.HEAD, "big") + body

    @staticmethod
    def _ring(rng: random.Random, real: Handed) -> bytes:
        if rng.random() < 0.2:
            return damaged(rng, real.ring)
        control, data = bytearray(real.ring[:_CONTROL]), real.ring[_CONTROL:]
        if rng.random() < 0.7:
            data = damaged(rng, data, 12)
        for _ in range(rng.choice([0, 0, 1, 2])):
            at = rng.choice(_WORDS)
            control[at : at + 8] = struct.pack("<Q", number(rng))
        return bytes(control) + data

    @staticmethod
    def _word(rng: random.Random, real: Handed) -> tuple[int, bytes]:
        """Where in the ring's file what is written while it is read."""
        if rng.random() < 0.4:
            at, near = rng.choice(_WORDS), len(real.ring) - _CONTROL
            value = rng.choice([number(rng), near, near + 8, near - 8, near + real.ring_size])
            return at, struct.pack("<Q", value & (1 << 64) - 1)
        at = _CONTROL + 4 * rng.randrange(max(len(real.ring) - _CONTROL, 8) // 4)
        return at, struct.pack("<I", number(rng) & 0xFFFFFFFF)

    # --- runs ---------------------------------------------------------------------------------

    def run(self, data: bytes) -> None:
        """Raises BrokenPromise."""
        with _Peer(self._sidecar.connect()) as peer:
            for step in cast("list[Step]", corpus.unpacked(data)):
                if not peer.does(step):
                    break
        self._turn += 1
        if self._turn % 20 == 0:
            self._look()
        if self._turn % _HONEST_EVERY == 0:
            self._honest()

    def _look(self) -> None:
        if self._sidecar.process.poll() is not None:
            raise BrokenPromise(f"it ended with {self._sidecar.process.returncode}: {self._said()}")
        said = self._said()
        if any(word in said for word in _BAD):
            raise BrokenPromise(said)
        if self._sidecar.resident() > self._resident + _GROWTH:
            raise BrokenPromise(f"{self._sidecar.resident()} bytes, {self._resident} at first")

    def _said(self) -> str:
        text = self._log.read_text(errors="backslashreplace")
        return text[-5000:]

    def _honest(self) -> None:
        """A real tracer is served, and what strangers had open is closed."""
        done = traced(self._sidecar.path, "true")
        if done.code != 0 or handed(done)[1] < 5:
            raise BrokenPromise(f"an honest tracer: {done.code}, {done.err}; it: {self._said()}")
        until = time.monotonic() + _ANSWER_S
        while self._sidecar.descriptors() > getattr(self, "_descriptors", 1 << 20):
            if time.monotonic() > until:
                raise BrokenPromise(f"{self._sidecar.descriptors()} descriptors are left open")
            time.sleep(0.01)

    def close(self) -> None:
        """It ends in order, and has said nothing that it should not have."""
        try:
            self._look()
            self._honest()
            process = self._sidecar.process
            process.terminate()
            code = process.wait(_ANSWER_S)
            self._copier.wait(_ANSWER_S)
            if code != 0:
                raise BrokenPromise(f"it ended with {code}: {self._said()}")
            said = self._said()
            if any(word in said for word in _BAD):
                raise BrokenPromise(said)
        finally:
            self._sidecar.process.kill()
            self._copier.wait()
            self._open.close()


class _Peer:
    """One connection, and what was opened for it."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._socket.settimeout(_ANSWER_S)
        self._ring = -1
        self._map: mmap.mmap | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._map is not None:
            self._map.close()
        if self._ring >= 0:
            os.close(self._ring)
        self._socket.close()

    def does(self, step: Step) -> bool:
        """One step; False: it has been cut off."""
        match step:
            case ("send", bytes(data), list(kinds)):
                return self._send(data, kinds)
            case ("ring", bytes(content), int(size)):
                self._make_ring(content, size)
            case ("write", int(at), bytes(data)):
                if self._map is not None and at + len(data) <= len(self._map):
                    self._map[at : at + len(data)] = data
            case ("answer",):
                return self._answer()
        return True

    def _make_ring(self, content: bytes, size: int) -> None:
        if self._map is not None:
            return
        self._ring = os.memfd_create("ring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self._ring, size)
        os.pwrite(self._ring, content[:size], 0)
        fcntl.fcntl(self._ring, fcntl.F_ADD_SEALS, _SEALS)
        self._map = mmap.mmap(self._ring, size)

    def _send(self, data: bytes, kinds: list[str]) -> bool:
        made = [self._made(kind) for kind in kinds]
        try:
            socket.send_fds(self._socket, [data or b"\0"], made)
        except (BrokenPipeError, ConnectionResetError):
            return False
        finally:
            for descriptor in made:
                os.close(descriptor)
        return True

    def _made(self, kind: str) -> int:
        match kind:
            case "ring" if self._ring >= 0:
                return os.dup(self._ring)
            case "pidfd":
                return os.pidfd_open(os.getpid())
            case "parent":
                return os.pidfd_open(os.getppid())
            case "pipe":
                ours, theirs = os.pipe()
                os.close(theirs)
                return ours
            case "file":
                return os.open("/tmp", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC)
            case "socket":
                return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).detach()
            case "memfd" | "unsealed":
                made = os.memfd_create("no ring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
                os.ftruncate(made, _CONTROL + (512 << 10))
                if kind == "memfd":
                    fcntl.fcntl(made, fcntl.F_ADD_SEALS, _SEALS)
                return made
        return os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)

    def _answer(self) -> bool:
        """What is said, if it has to say something: half a frame it may wait for, five seconds."""
        self._socket.settimeout(0.02)
        try:
            said = self._socket.recv(65_536)
        except TimeoutError:
            return True
        except ConnectionResetError:
            return False
        finally:
            self._socket.settimeout(_ANSWER_S)
        return bool(said)
