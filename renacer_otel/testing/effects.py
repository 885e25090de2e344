# SPDX-License-Identifier: MIT
"""What a run did to files and whom it talked to, by absolute paths.

With -y the trace has the kernel's own path of what was opened. What is done by name is looked up
from the folder of its process, which is followed; folders' symbolic links are resolved.
"""

from __future__ import annotations

import functools
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from renacer_otel.spans import replay
from renacer_otel.testing.held import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from renacer_otel.testing.held import Held

_AT_FDCWD = -100
_START = 4  # RN_PROCESS_START
_EINPROGRESS = -115
_WRITES, _CREATES, _TRUNCATES, _PATH_ONLY = 0o3, 0o100, 0o1000, 0o10000000
_NAMELESS = 0o20000000  # __O_TMPFILE
_SHARED, _TO_WRITE = (1, 3), 2  # MAP_SHARED, MAP_SHARED_VALIDATE; PROT_WRITE
_DUP_COMMANDS = (0, 1030)  # F_DUPFD, F_DUPFD_CLOEXEC
_NO_FILE = re.compile(r"[a-z_]+:\[?[\w]+\]?")  # pipe:[1234], anon_inode:[eventpoll]
_IP = re.compile(rb"(?:\d{1,3}(?:\.\d{1,3}){3}|\[.*\]):\d+")

# Of opens: the argument that is the folder's descriptor (-1: none), and that of the flags.
_OPENS = {"open": (-1, 1), "openat": (0, 2), "creat": (-1, -1), "openat2": (0, -2)}
_DUPS = ("dup", "dup2", "dup3", "fcntl", "fcntl64")
# Of what writes into an open file: whether that is the second that it names.
_WRITERS = {
    **dict.fromkeys(
        "write pwrite64 writev pwritev pwritev2 sendfile sendfile64 fallocate mmap mmap2".split(),
        False,
    ),
    **dict.fromkeys("copy_file_range splice".split(), True),
}
# Of what changes a name or what it means: (argument of the folder, whether it is the second path).
_BY_NAME: dict[str, tuple[tuple[int, bool], ...]] = {
    **dict.fromkeys(
        "unlink rmdir mkdir mknod chmod chown chown32 lchown lchown32 truncate truncate64 utime"
        " utimes setxattr lsetxattr removexattr lremovexattr fchmod fchown fchown32 ftruncate"
        " ftruncate64 fsetxattr fremovexattr".split(),
        ((-1, False),),
    ),
    **dict.fromkeys(
        "unlinkat mkdirat mknodat fchmodat fchmodat2 fchownat utimensat utimensat_time64"
        " futimesat".split(),
        ((0, False),),
    ),
    "rename": ((-1, False), (-1, True)),
    "renameat": ((0, False), (2, True)),
    "renameat2": ((0, False), (2, True)),
    "link": ((-1, True),),
    "linkat": ((2, True),),
    "symlink": ((-1, True),),
    "symlinkat": ((1, True),),
}


class Effects(NamedTuple):
    """What was read, by opening it; what was opened for writing, made, changed, renamed or removed,
    or written to if it was open before; the other ends of sockets; and those of them that are of
    the internet protocols, to which what failed counts, too. Each once, sorted."""

    read: tuple[str, ...]
    written: tuple[str, ...]
    peers: tuple[str, ...]
    network: tuple[str, ...]


class _Process:
    """Where a process is, and the folders that it holds open."""

    def __init__(self, cwd: str, held: dict[int, str]) -> None:
        self.cwd = cwd
        self.held = held


def of_run(
    run: replay.Replay, cwd: str, rows: NDArray[np.bool_] | None = None, held: Held = NOTHING
) -> Effects:
    """Of a trace that was read with details; `rows`: of these calls alone.

    `cwd`: where the run began; `held`: what was open then.
    """
    assert run.details is not None
    count = len(run.calls)
    peers, network = _peers(run, np.ones(count, bool) if rows is None else rows)
    followed = _Followed(run, cwd, rows, held)
    followed.follow()
    return Effects(
        *(tuple(sorted(found)) for found in (followed.read, followed.written, peers, network))
    )


def _peers(run: replay.Replay, rows: NDArray[np.bool_]) -> tuple[set[str], set[str]]:
    assert run.details is not None
    peer = run.details.rows["peer"]
    there = (peer != 0) & rows
    failed = (run.calls["flags"] & replay.FAILED) != 0
    reached = there & (~failed | (run.calls["result"] == _EINPROGRESS))
    tried = {run.details.text(int(text)) for text in np.unique(peer[there])}
    met = {run.details.text(int(text)) for text in np.unique(peer[reached])}
    return (
        {os.fsdecode(text) for text in met},
        {os.fsdecode(text) for text in tried if _IP.fullmatch(text)},
    )


class _Followed:
    """Goes through the calls that paths hang on, in their order."""

    def __init__(
        self, run: replay.Replay, cwd: str, rows: NDArray[np.bool_] | None, held: Held
    ) -> None:
        assert run.details is not None
        self._run, self._details, self._rows = run, run.details, rows
        self._first, self._held = os.path.realpath(cwd), held
        self._processes: dict[int, _Process] = {}
        self._texts = functools.cache(self._details.text)
        self._owner = run.threads["ordinal"].tolist()
        self._maker = run.threads["maker"].tolist()
        self._codes, self._names = replay.call_names(run.calls)
        self.read: set[str] = set()
        self.written: set[str] = set()

    def follow(self) -> None:
        """All of them."""
        for is_start, at in self._order():
            if is_start:
                self._start(int(self._run.events["thread"][at]))
            else:
                self._call(at)

    def _order(self) -> Iterator[tuple[bool, int]]:
        """Starts of threads and calls that matter, in the order in which they took effect."""
        run = self._run
        matters = {*_OPENS, *_DUPS, *_BY_NAME, "bind", "chdir", "fchdir"}
        if self._held.files:
            matters |= {*_WRITERS}
        table = np.array([name in matters for name in self._names], bool)
        bad = run.calls["flags"] & np.uint16(replay.FAILED | replay.UNFINISHED)
        calls = np.flatnonzero((bad == 0) & (table[self._codes] if len(table) else False))
        starts = np.flatnonzero(run.events["kind"] == _START)
        found = [(int(run.calls["end"][at]), False, int(at)) for at in calls]
        found += [(int(run.events["seq"][at]), True, int(at)) for at in starts]
        for _, is_start, at in sorted(found):
            yield is_start, at

    def _start(self, thread: int) -> None:
        ordinal = self._owner[thread]
        if ordinal in self._processes:
            return
        maker = self._maker[thread]
        if maker == replay.NO_THREAD:
            self._processes[ordinal] = self._began()
        else:
            parent = self._process(self._owner[maker])
            self._processes[ordinal] = _Process(parent.cwd, dict(parent.held))

    def _process(self, ordinal: int) -> _Process:
        if ordinal not in self._processes:
            self._processes[ordinal] = self._began()
        return self._processes[ordinal]

    def _began(self) -> _Process:
        return _Process(self._first, dict(self._held.paths))

    def _call(self, at: int) -> None:
        call, row = self._run.calls[at], self._details.rows[at]
        name = self._names[self._codes[at]]
        process = self._process(self._owner[int(call["thread"])])
        wanted = self._rows is None or bool(self._rows[at])
        if name in _OPENS:
            self._opened(name, call, row, process, wanted)
        elif name in _DUPS:
            if name[:3] == "dup" or _signed(row["args"][1]) in _DUP_COMMANDS:
                path = self._texts(int(row["path"]))
                if path[:1] == b"/":
                    process.held[int(call["result"])] = os.fsdecode(path)
        elif name in ("chdir", "fchdir"):
            process.cwd = self._path(row, process, -1, is_other=False)
        elif name in _WRITERS:
            if wanted and int(row["object"]) not in self._opened_objects:
                self._wrote(name, row)
        elif name == "bind":
            if wanted:
                self._bound(row, process)
        elif wanted:
            for folder, is_other in _BY_NAME[name]:
                if int(row["other_path" if is_other else "path"]):
                    path_now = self._path(row, process, folder, is_other=is_other)
                    self.written.add(_resolved(path_now))

    def _wrote(self, name: str, row: Any) -> None:
        """Into what was open before."""
        if name[:4] == "mmap":
            is_shared = int(row["args"][3]) & 0xF in _SHARED
            if not (is_shared and int(row["args"][2]) & _TO_WRITE):
                return
        path = os.fsdecode(self._texts(int(row["other_path" if _WRITERS[name] else "path"])))
        if path in self._held.files:
            self.written.add(path)

    def _bound(self, row: Any, process: _Process) -> None:
        """To a name in the file system."""
        name = os.fsdecode(self._texts(int(row["own_end"])))
        if name and not name.startswith("@") and not _IP.fullmatch(os.fsencode(name)):
            self.written.add(_resolved(os.path.normpath(os.path.join(process.cwd, name))))

    def _opened(self, name: str, call: Any, row: Any, process: _Process, wanted: bool) -> None:
        folder, flags_at = _OPENS[name]
        path = self._path(row, process, folder, is_other=False)
        process.held[int(call["result"])] = path
        if not wanted or _NO_FILE.fullmatch(self._texts_of(row)):
            return
        if flags_at == -2:
            # The flags are in a structure: what it was used for says it.
            flags = _WRITES if int(row["object"]) in self._written_objects else 0
        else:
            flags = _WRITES | _CREATES if flags_at == -1 else int(row["args"][flags_at])
        if flags & (_PATH_ONLY | _NAMELESS):
            return  # what has no name is written where it gets one, by linkat
        mode = flags & _WRITES
        if mode or flags & (_CREATES | _TRUNCATES):
            self.written.add(path)
        if mode in (0, 2):
            self.read.add(path)

    def _texts_of(self, row: Any) -> str:
        return os.fsdecode(self._texts(int(row["path"])))

    @functools.cached_property
    def _opened_objects(self) -> set[int]:
        table = np.array([name in _OPENS for name in self._names], bool)
        return set(self._details.rows["object"][table[self._codes]].tolist()) - {0}

    @functools.cached_property
    def _written_objects(self) -> set[int]:
        table = np.array(["write" in name for name in self._names], bool)
        return set(self._details.rows["object"][table[self._codes]].tolist()) - {0}

    def _path(self, row: Any, process: _Process, folder: int, *, is_other: bool) -> str:
        """Absolute, without dots; from a folder that is not known it stays as it is."""
        path = os.fsdecode(self._texts(int(row["other_path" if is_other else "path"])))
        if not path.startswith("/"):
            base: str | None = process.cwd
            if folder >= 0 and (descriptor := _signed(row["args"][folder])) != _AT_FDCWD:
                base = process.held.get(descriptor)
            if base is None:
                return path
            path = os.path.join(base, path)
        return os.path.normpath(path)


def _signed(word: Any) -> int:
    """A descriptor as the kernel takes it from a register."""
    low = int(word) & 0xFFFFFFFF
    return low - (1 << 32) if low >> 31 else low


def _resolved(path: str) -> str:
    """With its folder's symbolic links resolved, as they are now; itself may be one."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name) if folder else path
