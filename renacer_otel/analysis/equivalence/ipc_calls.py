# SPDX-License-Identifier: MIT
"""Calls on what System V and POSIX keep beside files: memory, semaphores, queues. All of it stays
until somebody removes it (sysvipc(7), mq_overview(7)); POSIX memory and semaphores are files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renacer_otel.analysis.equivalence.following import Following

if TYPE_CHECKING:
    from renacer_otel.analysis.equivalence.following import Call, Process

SHM, SEM, MSG = "shared memory", "semaphores", "message queue"
#: By the first word of a call's name, and which argument has the flags, which the command.
_KINDS = {"shm": (SHM, 2, 1), "sem": (SEM, 2, 2), "msg": (MSG, 1, 1)}
_IPC_CREAT, _IPC_RMID, _IPC_64 = 0o1000, 0, 0x100
_SETS_VALUES = (16, 17)  # SETVAL, SETALL
_O_CREAT = 0o100


@dataclass
class Left:
    """An object that the run made, or opened where it would have made it. `name`: "0x1234", "/name"
    or "" (IPC_PRIVATE); `id`: its number, -1 if it has none."""

    kind: str
    name: str
    id: int
    mode: int
    size: int | None = None  # bytes of memory, number of semaphores
    used: bool = False  # something was put into it

    @property
    def shown(self) -> str:
        """What it is called."""
        return f"{self.kind} {self.name or 'without a key'}"


class IpcCalls(Following):
    """Handlers: `_on_` and the call's name. `left`: what is there yet; `removed`: what was there
    before, by what it is called."""

    def __init__(self, cwd: str, umask: int) -> None:
        super().__init__(cwd, umask)
        self.left: dict[tuple[str, int | str], Left] = {}
        self.removed: list[str] = []
        self._known: dict[tuple[str, int], str] = {}  # opened only: its key
        self._queues: dict[int, str] = {}  # POSIX: name by descriptor's object

    def _on_get(self, call: Call, process: Process) -> None:
        kind, flags_at, _ = _KINDS[call.name[:3]]
        key, flags = call.args[0] & 0xFFFFFFFF, call.args[flags_at]
        name, place = f"{key:#x}" if key else "", (kind, call.result)
        if place in self.left:
            return
        if not key or flags & _IPC_CREAT:
            size = None if kind == MSG else call.args[1]
            mode = flags & 0o777
            self.left[place] = Left(kind, name, call.result, mode, size)
        self._known[place] = name
        del process

    def _on_control(self, call: Call, process: Process) -> None:
        kind, _, command_at = _KINDS[call.name[:3]]
        place, command = (kind, call.fd(0)), call.args[command_at] & 0xFFFFFFFF & ~_IPC_64
        if command in _SETS_VALUES and kind == SEM:
            self._put(*place)
        if command != _IPC_RMID:
            return
        if self.left.pop(place, None) is None:
            self.removed.append(f"{kind} {self._known.get(place) or 'by its number'}")
        del process

    def _put(self, kind: str, number: int) -> None:
        found = self.left.get((kind, number))
        if found is not None:
            found.used = True

    def _on_shmat(self, call: Call, process: Process) -> None:
        self._put(SHM, call.fd(0))
        del process

    def _on_semop(self, call: Call, process: Process) -> None:
        self._put(SEM, call.fd(0))
        del process

    def _on_msgsnd(self, call: Call, process: Process) -> None:
        self._put(MSG, call.fd(0))
        del process

    def _on_mq_open(self, call: Call, process: Process) -> None:
        name = "/" + call.words.partition("\x1f")[0].strip('"')
        self._queues[call.object] = name
        if call.args[1] & _O_CREAT and (MSG, name) not in self.left:
            mode = call.args[2] & 0o7777 & ~process.umask
            self.left[MSG, name] = Left(MSG, name, -1, mode)

    def _on_mq_timedsend(self, call: Call, process: Process) -> None:
        found = self.left.get((MSG, self._queues.get(call.object, "")))
        if found is not None:
            found.used = True
        del process

    def _on_mq_unlink(self, call: Call, process: Process) -> None:
        name = "/" + call.words.partition("\x1f")[0].strip('"')
        if self.left.pop((MSG, name), None) is None:
            self.removed.append(f"{MSG} {name}")
        del process
