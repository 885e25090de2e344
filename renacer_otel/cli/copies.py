# SPDX-License-Identifier: MIT
"""Copies of a folder, for commands to be run in: of files, folders, links and FIFOs.

Whether there is room for one is looked at before; on a terminal it is told how far it is.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.cli import terminal
from renacer_otel.errors import EngineError, UsageError, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

_ELSEWHERE = "name another place for copies by TMPDIR"


class _Size(NamedTuple):
    """What a copy takes: entries of a file system, and bytes of files."""

    entries: int
    size: int


def require_folder(folder: str) -> None:
    """Raises UsageError where that is no folder to copy."""
    if not os.path.isdir(folder):
        what = "not a folder" if os.path.lexists(folder) else "no such folder"
        raise UsageError(
            f"--in-copy-of {one_line(folder, 120)}: {what}; name the one that each run is to begin"
            " in a copy of"
        )


def require_outside(room: str, folder: str) -> None:
    """Raises UsageError where the place of copies is in the folder: a copy would be of itself."""
    at = os.path.realpath(room)
    while not os.path.samefile(at, folder):
        at, before = os.path.dirname(at), at
        if at == before:
            return
    raise UsageError(
        f"--in-copy-of {one_line(folder, 120)}: its copies would be in it, in"
        f" {one_line(os.path.dirname(room), 120)}; name a smaller folder, or {_ELSEWHERE}"
    )


def copy(folder: str | None, to: str, without: Sequence[str] = ()) -> None:
    """Makes `to`: a copy of a folder, or an empty one; `without` these. Raises UsageError."""
    if folder is None:
        os.mkdir(to, 0o755)
        os.chmod(to, 0o755)
        return
    left_out = set()
    for path in without:
        with suppress(OSError):
            found = os.stat(path)
            left_out.add((found.st_dev, found.st_ino))
    with terminal.Progress() as progress:
        copier = _Copier(folder, left_out, progress)
        copier.require_room(os.path.dirname(to))
        try:
            copier.copy(folder, to)
        except OSError as error:
            what = one_line(str(error.filename or folder), 120)
            raise UsageError(f"--in-copy-of: {what}: {error.strerror}") from error


class _Copier:
    """Copies one folder, but for what is `left_out` (device and inode)."""

    def __init__(
        self, folder: str, left_out: set[tuple[int, int]], progress: terminal.Progress
    ) -> None:
        self._folder, self._left_out, self._progress = folder, left_out, progress
        self._links: dict[tuple[int, int], str] = {}  # what was copied already, and where to
        self._whole = _Size(1, 0)
        self._done, self._block = 0, 1

    def require_room(self, place: str) -> None:
        """Raises UsageError where the file system has not enough for a copy."""
        room = os.statvfs(place)
        self._block = block = max(room.f_frsize, 1)
        self._whole = entries, size = self._measured(block)
        if size > room.f_bavail * block:
            needs, has = _in_words(size), _in_words(room.f_bavail * block)
        elif room.f_files and entries > room.f_favail:
            needs, has = f"{entries:,} files", f"room for {room.f_favail:,}"
        else:
            return
        raise UsageError(
            f"--in-copy-of {one_line(self._folder, 120)}: a copy needs {needs},"
            f" {one_line(os.path.dirname(place), 120)} has {has}; {_ELSEWHERE}"
        )

    def _measured(self, block: int) -> _Size:
        """What cannot be looked at is left to the copying to tell."""
        entries, size = 1, 0
        seen: set[tuple[int, int]] = set()
        folders = [self._folder]
        while folders:
            with suppress(OSError), os.scandir(folders.pop()) as found:
                for entry in found:
                    status = entry.stat(follow_symlinks=False)
                    key = (status.st_dev, status.st_ino)
                    if key in self._left_out or key in seen:
                        continue
                    entries += 1
                    if stat.S_ISDIR(status.st_mode):
                        folders.append(entry.path)
                    elif stat.S_ISREG(status.st_mode):
                        size += -(-status.st_size // block) * block
                        if status.st_nlink > 1:
                            seen.add(key)
                    self._progress.tell(f"found {entries:,} files to copy in {self._folder}")
        return _Size(entries, size)

    def copy(self, source: str, to: str) -> None:
        """A file or a folder with all that is in it. Raises OSError."""
        links = self._links
        found = os.lstat(source) if links else os.stat(source)
        form = stat.S_IFMT(found.st_mode)
        key = (found.st_dev, found.st_ino)
        if links and key in self._left_out:
            return
        if form != stat.S_IFDIR and key in links:
            os.link(links[key], to, follow_symlinks=False)
            return
        links[key] = to
        if form == stat.S_IFDIR:
            os.mkdir(to, 0o700)
            for name in os.listdir(source):
                self.copy(os.path.join(source, name), os.path.join(to, name))
        elif form == stat.S_IFLNK:
            os.symlink(os.readlink(source), to)
        elif form == stat.S_IFREG:
            shutil.copyfile(source, to)
            self._done += -(-found.st_size // self._block) * self._block
            self._tell()
        elif form == stat.S_IFIFO:
            os.mkfifo(to)
        else:
            return  # a socket, a device: what is behind it is not in the folder
        if os.geteuid() == 0:
            os.chown(to, found.st_uid, found.st_gid, follow_symlinks=False)
        shutil.copystat(source, to, follow_symlinks=form == stat.S_IFDIR)

    def _tell(self) -> None:
        entries, size = self._whole
        self._progress.tell(
            f"copied {len(self._links):,} of {entries:,} files, {_in_words(self._done)} of"
            f" {_in_words(size)}, of {self._folder}"
        )


def _in_words(size: int) -> str:
    """Bytes as a person says it: 8.1 GB."""
    amount, units = float(size), ["bytes", "kB", "MB", "GB", "TB", "PB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        del units[0]
    return f"{amount:,.{int(units[0] != 'bytes')}f} {units[0]}"


def remove(folder: str) -> None:
    """Removes a copy, whatever modes the command has left there. Raises EngineError."""

    def again(function: object, path: str, error: object) -> None:
        del error
        with suppress(OSError):
            os.chmod(os.path.dirname(path), 0o700)
            if stat.S_ISDIR(os.lstat(path).st_mode):
                os.chmod(path, 0o700)
                shutil.rmtree(path)
            else:
                os.unlink(path)
        del function

    if os.path.lexists(folder):
        shutil.rmtree(folder, onerror=again)
    if os.path.lexists(folder):
        raise EngineError(f"{one_line(folder, 120)} cannot be removed; remove it by hand")
