# SPDX-License-Identifier: MIT
"""What a run did to the world, from its trace: files, outputs, connections, signals.

Calls are gone through in the order of their ends. Descriptors and names are kept as the kernel
keeps its own; a symbolic link within a path is not followed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from renacer_otel.analysis.causality.history import START, view
from renacer_otel.analysis.equivalence.following import Call, Process
from renacer_otel.analysis.equivalence.ipc_calls import IpcCalls
from renacer_otel.analysis.equivalence.socket_calls import SocketCalls
from renacer_otel.spans import replay
from renacer_otel.spans.content import Content

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from renacer_otel.spans.replay import Replay

Handler = Callable[[Call, Process], None]
_EINPROGRESS = -115
_HASHED = 1  # RN_CONTENT_HASHED
_CHUNK = 1 << 15  # calls that are objects at the same time
_DETAILS = ("args", "path", "other_path", "peer", "object", "own_end", "content", "hashed", "hash")


class Effects(SocketCalls, IpcCalls):
    """All of them, by `names`, `streams` (of descriptors that the command started with),
    `connections`, `left` (of System V and POSIX), `signals` (number, process) to processes outside;
    and `doubts`: (kind, what).
    """

    def __init__(self, run: Replay, *, cwd: str = "", umask: int = 0o022) -> None:
        super().__init__(cwd, umask)
        self.signals: list[tuple[int, str]] = []
        self._run = run
        self._causes = set(run.edges["cause"].tolist())
        self._effects = set(run.edges["effect"].tolist())
        self._pids = {process.pid for process in run.processes.values()}
        self._follow()

    # --- going through the trace -----------------------------------------------------------------

    def _follow(self) -> None:
        run, details = self._run, self._run.details
        if details is None:
            raise ValueError("the trace was not read with details")
        calls = run.calls
        codes, names = replay.call_names(calls)
        handlers: list[Handler | None] = [
            getattr(self, f"_on_{_SAME.get(name, name)}", None) for name in names
        ]
        table = np.array([handler is not None for handler in handlers], bool)
        wanted = table[codes] if len(calls) else np.zeros(0, bool)
        bad = calls["flags"] & np.uint16(replay.FAILED | replay.UNFINISHED) != 0
        connecting = np.array([name == "connect" for name in names], bool)
        if len(calls):
            under_way = connecting[codes] & (calls["result"] == _EINPROGRESS)
            wanted &= ~bad | under_way
        chosen = np.flatnonzero(wanted)
        starts = np.flatnonzero(run.events["kind"] == START)
        numbers = np.concatenate([calls["end"][chosen], run.events["seq"][starts]])
        order = np.argsort(numbers, kind="stable")
        ordinals, makers = view(run.threads["ordinal"]), view(run.threads["maker"])
        texts = [os.fsdecode(text) for text in details.all_texts()]
        for first in range(0, len(order), _CHUNK):
            part = order[first : first + _CHUNK]
            rows_here = chosen[part[part < len(chosen)]]
            made = self._calls(rows_here, codes[rows_here], names, texts)
            for at in part.tolist():
                if at < len(chosen):
                    code, call = next(made)
                    handler = handlers[code]
                    assert handler is not None
                    handler(call, self._process(call.process))
                    continue
                thread = int(run.events["thread"][starts[at - len(chosen)]])
                maker = makers[thread]
                known = ordinals[maker] if maker != replay.NO_THREAD else None
                self._start(ordinals[thread], known)

    def _calls(
        self, chosen: NDArray[Any], codes: NDArray[Any], names: list[str], texts: list[str]
    ) -> Iterator[tuple[int, Call]]:
        """These rows as calls, with the code of each one's name."""
        assert self._run.details is not None
        calls, rows = self._run.calls[chosen], self._run.details.rows[chosen]
        every = self._run.details.shown
        words = np.zeros(len(chosen), "<u4") if every is None else every["text"][chosen]
        for (
            code,
            process,
            seq,
            result,
            args,
            path,
            other,
            peer,
            object_id,
            own_end,
            kind,
            length,
            lanes,
            shown,
        ) in zip(
            codes.tolist(),
            self._run.threads["ordinal"][calls["thread"]].tolist(),
            *(calls[name].tolist() for name in ("seq", "result")),
            *(rows[name].tolist() for name in _DETAILS),
            words.tolist(),
            strict=True,
        ):
            content = Content(length, (lanes[0], lanes[1])) if kind == _HASHED else None
            yield code, Call(
                names[code], process, seq, result, tuple(args), texts[path], texts[other],
                texts[peer], object_id, content, texts[own_end], texts[shown],
            )  # fmt: skip

    # --- signals, and what cannot be followed ----------------------------------------------------

    def _on_kill(self, call: Call, _process: Process) -> None:
        number = call.args[2 if call.name == "tgkill" else 1] & 0xFFFFFFFF
        pid = call.fd(0)
        if number and pid > 0 and pid not in self._pids:
            try:
                name = signal.Signals(number).name
            except ValueError:
                name = f"signal {number}"
            self.signals.append((number, name))

    def _on_io_uring_setup(self, _call: Call, _process: Process) -> None:
        self._doubt("io_uring", "io_uring works without calls, and is not followed")

    def _on_process_vm_writev(self, call: Call, _process: Process) -> None:
        self._doubt("foreign", f"{call.name} changes other processes, which is not followed")

    def _on_mount(self, call: Call, _process: Process) -> None:
        self._doubt("path", f"after {call.name} paths mean something else")


#: Calls that are handled like another one.
_SAME = {
    "writev": "write", "pwritev": "pwrite64", "sendfile64": "sendfile", "tee": "splice",
    "vmsplice": "write", "readv": "read", "_llseek": "lseek", "dup2": "dup", "dup3": "dup",
    "fcntl64": "fcntl", "ftruncate64": "ftruncate", "truncate64": "truncate", "mmap2": "mmap",
    "renameat2": "renameat", "rmdir": "unlink", "fchmodat2": "fchmodat", "lchown": "chown",
    "fdatasync": "fsync", "syncfs": "sync", "accept4": "accept", "sendmsg": "sendto",
    "tgkill": "kill", "rt_sigqueueinfo": "kill", "lsetxattr": "setxattr",
    "fsetxattr": "setxattr", "removexattr": "setxattr", "lremovexattr": "setxattr",
    "fremovexattr": "setxattr", "chroot": "mount", "pivot_root": "mount", "setns": "mount",
    "move_mount": "mount", "shmget": "get", "semget": "get", "msgget": "get", "shmctl": "control",
    "semctl": "control", "msgctl": "control",
}  # fmt: skip
