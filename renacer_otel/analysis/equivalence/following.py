# SPDX-License-Identifier: MIT
"""Processes, their descriptors and folders, as a trace shows them: what a call's words mean."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.analysis.equivalence.files import Connection, Names, Node, Open

if TYPE_CHECKING:
    from renacer_otel.spans.content import Content

AT_FDCWD = -100
_STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}


class Call(NamedTuple):
    """A call that may have an effect. `path`, `other`: as they were given; "" = none."""

    name: str
    process: int
    seq: int
    result: int
    args: tuple[int, ...]
    path: str
    other: str
    peer: str
    object: int
    content: Content | None
    own_end: str = ""  # address of a connection that it made
    words: str = ""  # its arguments as they are shown, with \x1f between them

    def fd(self, at: int) -> int:
        """An argument that is a descriptor."""
        return (self.args[at] & 0xFFFFFFFF ^ 1 << 31) - (1 << 31)


class Process:
    """`fds`: descriptors that were made in the trace, and those that it started with once used."""

    def __init__(self, maker: Process | None, umask: int, cwd: str) -> None:
        self.fds: dict[int, Open] = dict(maker.fds) if maker else {}
        self.umask: int = maker.umask if maker else umask
        self.cwd: str = maker.cwd if maker else cwd


class Following:
    """What the handlers of calls share. `doubts`: (kind, what)."""

    def __init__(self, cwd: str, umask: int) -> None:
        self.names = Names()
        self.streams: dict[int, Open] = {}  # descriptors that the command started with
        self.connections: list[Connection] = []
        self.doubts: list[tuple[str, str]] = []
        self.mapped: list[Node] = []  # files that are written through memory
        self._start_in = (umask, cwd or ".")
        self._by_object: dict[int, Node] = {}
        self._processes: dict[int, Process] = {}

    def _process(self, ordinal: int) -> Process:
        process = self._processes.get(ordinal)
        if process is None:
            process = self._processes[ordinal] = Process(None, *self._start_in)
        return process

    def _start(self, ordinal: int, maker: int | None) -> None:
        """A process, and the one that made it if that is known."""
        if ordinal not in self._processes:
            known = self._process(maker) if maker is not None else None
            self._processes[ordinal] = Process(known, *self._start_in)

    def _doubt(self, kind: str, what: str) -> None:
        self.doubts.append((kind, what))

    def _connection(self, found: Open) -> Connection:
        """What goes through a descriptor that is no file."""
        if found.connection is None:
            found.connection = Connection()
            self.connections.append(found.connection)
        return found.connection

    # --- paths and descriptors -------------------------------------------------------------------

    def _path(self, process: Process, text: str, folder: int = AT_FDCWD) -> str:
        """A path from the root, or from the folder that the command started in."""
        base = process.cwd
        if folder != AT_FDCWD and not text.startswith("/"):
            found = process.fds.get(folder)
            if found is None or not found.path:
                self._doubt("path", f"{text} in a folder that is not known")
                base = f"(folder of descriptor {folder})"
            else:
                base = found.path
        return os.path.normpath(os.path.join(base, text))

    def _open(self, call: Call, process: Process, fd: int) -> Open:
        """What is behind a descriptor."""
        found = process.fds.get(fd)
        if found is not None and not (call.object and found.object and call.object != found.object):
            return found
        if found is None and fd in (0, 1, 2):
            made = self.streams.get(fd)
            if made is None:
                made = self.streams[fd] = Open(call.object, stream=fd)
                made.connection = Connection()
        else:  # it came by a way that is not followed: from a message, from who started the command
            made = Open(call.object, offset=None, path=call.path)
            made.node = self._by_object.get(call.object)
        process.fds[fd] = made
        return made

    def _alias(self, process: Process, path: str) -> Open | None:
        """What /dev/stdout and the like mean."""
        number = _STANDARD.get(path)
        if number is None:
            for start in ("/proc/self/fd/", "/dev/fd/"):
                if path.startswith(start) and path[len(start) :].isdecimal():
                    number = int(path[len(start) :])
        if number is None:
            return None
        found = process.fds.get(number)
        if found is None and number in (0, 1, 2):
            found = self.streams.setdefault(number, Open(stream=number, connection=Connection()))
        return found
