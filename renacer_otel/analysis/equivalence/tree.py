# SPDX-License-Identifier: MIT
"""The real state of files: a folder with all that is in it, or single paths."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from typing import TYPE_CHECKING

from renacer_otel.analysis.equivalence import git_index
from renacer_otel.analysis.equivalence.state import FILES, KINDS, Aspect, Bytes, State

if TYPE_CHECKING:
    from collections.abc import Iterable

_SAMPLE = 1 << 20  # bytes kept of a file to tell where it differs
_SAMPLES = 64 << 20  # of all files together
_CHUNK = 1 << 20
_TICK_NS = 1_000_000_000  # a file's time that is later than now by more was set


def is_cache(path: str) -> bool:
    """Whether a path is one of an interpreter's caches, which no user looks at."""
    parts = path.split("/")
    return "__pycache__" in parts or path.endswith((".pyc", ".pyo"))


class Look:
    """Looks at files after a run, and puts what it sees into its State.

    `since`: Unix time (ns) when the run began; `caches`: whether interpreters' caches count.
    """

    def __init__(self, state: State, since: int, *, caches: bool = False) -> None:
        self._state = state
        self._since = since
        self._caches = caches
        self._links: dict[tuple[int, int], list[str]] = {}
        self._room = _SAMPLES

    def folder(self, root: str) -> None:
        """All that is in a folder, by paths relative to it; itself is "."."""
        self._one(root, ".")
        stack = [("", root)]
        while stack:
            prefix, folder = stack.pop()
            try:
                names = sorted(os.listdir(folder))
            except OSError as error:
                self._state.doubt("unreadable", f"{prefix or '.'}: {error.strerror}")
                continue
            for name in names:
                path, shown = os.path.join(folder, name), prefix + name
                if not self._caches and is_cache(shown):
                    continue
                if self._one(path, shown):
                    stack.append((shown + "/", path))
        self._tell_links()

    def paths(self, paths: Iterable[str]) -> None:
        """Single paths elsewhere, which a run changed; nothing for those that are gone."""
        for path in paths:
            self._one(path, path)
        self._tell_links()

    def _one(self, path: str, shown: str) -> bool:
        """Adds one file's aspects. Whether it is a folder."""
        state = self._state

        def put(what: str, value: str | int | Bytes | tuple[object, ...]) -> Aspect:
            aspect = Aspect(FILES, shown, what)
            state.aspects[aspect] = value
            return aspect

        try:
            found = os.lstat(path)
        except OSError:
            put("type", "absent")
            return False
        form = stat.S_IFMT(found.st_mode)
        put("type", KINDS.get(form, "unknown"))
        put("owner", (found.st_uid, found.st_gid))
        if form != stat.S_IFLNK:
            put("mode", stat.S_IMODE(found.st_mode))
            written = self._since <= found.st_mtime_ns <= time.time_ns() + _TICK_NS
            put("times", "as of the run" if written else found.st_mtime_ns)
            if not written and shown != ".":  # that was made for the run, just before it
                put("time set", found.st_mtime_ns // 10**9)
        if form == stat.S_IFLNK:
            put("target", os.fsdecode(os.readlink(path)))
        elif form == stat.S_IFREG:
            self._content(path, Aspect(FILES, shown, "content"), found.st_size)
            if found.st_nlink > 1:
                self._links.setdefault((found.st_dev, found.st_ino), []).append(shown)
        elif form in (stat.S_IFCHR, stat.S_IFBLK):
            put("device", (os.major(found.st_rdev), os.minor(found.st_rdev)))
        for name, value in _xattrs(path):
            put(f"attribute {name}", Bytes(len(value), hashlib.sha256(value).digest()))
        return form == stat.S_IFDIR

    def _content(self, path: str, aspect: Aspect, size: int) -> None:
        state, digest, length = self._state, hashlib.sha256(), 0
        sample = bytearray()
        wanted = min(size, _SAMPLE) if min(size, _SAMPLE) <= self._room else 0
        try:
            with open(path, "rb", buffering=0) as file:
                while data := file.read(_CHUNK):
                    digest.update(data)
                    length += len(data)
                    if len(sample) < wanted:
                        sample += data[: wanted - len(sample)]
        except OSError as error:
            state.doubt("unreadable", f"{aspect.subject}: {error.strerror}")
            state.aspects[aspect] = Bytes(size, b"")
            return
        if git_index.is_one(aspect.subject) and length == len(sample):
            staged = git_index.staged(bytes(sample))
            digest, length = hashlib.sha256(staged), len(staged)
        state.aspects[aspect] = Bytes(length, digest.digest())
        self._room -= len(sample)
        state.samples[aspect] = bytes(sample)

    def _tell_links(self) -> None:
        """Names that are one file: changing one changes the others."""
        for names in self._links.values():
            if len(names) > 1:
                aspect = Aspect(FILES, min(names), "names of one file")
                self._state.aspects[aspect] = tuple(sorted(names))
        self._links = {}


def _xattrs(path: str) -> list[tuple[str, bytes]]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
        return [(name, os.getxattr(path, name, follow_symlinks=False)) for name in sorted(names)]
    except OSError:  # a file system without them
        return []
