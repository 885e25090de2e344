# SPDX-License-Identifier: MIT
"""A spool's folder: whose it is, what is in it, and how nobody else gets in.

The folder is ours alone (0700, our user) and is held open: all names are looked up in it by that
descriptor, no symbolic link is followed, and each file must be a regular one of ours. A lock in
it is held by one process at a time, and ends with it, however that ends.

    NAME.spool   segments, in the order of their names (16 hex digits)
    lock         held by the process that uses the spool; its id is in it
    damaged/     what is no sound record, as it was found
    refused/     what the collector refused for good, as segments
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.errors import SpoolError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

DAMAGED, REFUSED = "damaged", "refused"
_NAME = re.compile(r"([0-9a-f]{16})\.spool")
_LOCK = "lock"
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_MAX_TRIES = 10_000


class NotASegment(Exception):  # noqa: N818
    """What has a segment's name is no file of ours; the message says what it is."""


class Listed(NamedTuple):
    """A segment by number, and its size in bytes."""

    number: int
    size: int


def name_of(number: int) -> str:
    """A segment's file name."""
    return f"{number:016x}.spool"


class SpoolFolder:
    """An open folder. Raises SpoolError where it cannot serve.

    `use`: makes it if need be, and locks it; else it is only looked at.
    """

    def __init__(self, path: str, *, use: bool = True) -> None:
        self.path = path
        self.shown = one_line(path, 120)
        self._lock = -1
        self._descriptor = self._open_folder(make=use)
        try:
            if use:
                self._take_lock()
        except BaseException:
            os.close(self._descriptor)
            raise

    # --- the folder ---------------------------------------------------------------------------

    def _wrong(self, what: str) -> SpoolError:
        return SpoolError(f"spool {self.shown}: {what}")

    def _open_folder(self, *, make: bool) -> int:
        if make:
            try:
                os.mkdir(self.path, 0o700)
            except FileExistsError:
                pass
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or "not a path"
                raise self._wrong(f"{reason}; name a folder that can be made") from error
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | _OPEN)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOTDIR, errno.ELOOP):
                raise self._wrong("no folder, or a symbolic link; name the folder") from error
            raise self._wrong(getattr(error, "strerror", None) or "not a path") from error
        try:
            self._check_folder(descriptor, make=make)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _check_folder(self, descriptor: int, *, make: bool) -> None:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid():
            raise self._wrong(f"it belongs to user {found.st_uid}; name a folder of yours")
        if not found.st_mode & 0o077:
            return
        if make and not os.listdir(descriptor):
            os.fchmod(descriptor, 0o700)
        else:
            raise self._wrong(
                f"others may get into it (mode {found.st_mode & 0o777:03o}); chmod 700 it"
            )

    def _take_lock(self) -> None:
        try:
            lock = os.open(_LOCK, os.O_RDWR | os.O_CREAT | _OPEN, 0o600, dir_fd=self._descriptor)
        except OSError as error:
            reason = "is no file; remove it" if error.errno in _ODD else error.strerror
            raise self._wrong(f"{_LOCK} {reason}") from error
        try:
            if not _is_ours(os.fstat(lock)):
                raise self._wrong(f"{_LOCK} is no file of ours; remove it")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                holder = self.holder() or "another process"
                raise self._wrong(f"{holder} uses it; give each run a spool of its own") from error
            with suppress(OSError):  # a full disk: only the name of the holder is not known
                os.ftruncate(lock, 0)
                os.pwrite(lock, b"%d\n" % os.getpid(), 0)
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock

    def holder(self) -> str:
        """Which process holds the lock, in words; "" = nobody, or it is not known."""
        try:
            lock = os.open(_LOCK, os.O_RDONLY | _OPEN, dir_fd=self._descriptor)
        except OSError:
            return ""
        try:
            if not stat.S_ISREG(os.fstat(lock).st_mode):
                return ""
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                text = os.pread(lock, 20, 0).strip()
                return f"process {int(text)}" if text.isdigit() else "another process"
            return ""
        finally:
            os.close(lock)

    def close(self) -> None:
        """Lets go of folder and lock. Idempotent."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def sync(self) -> None:
        """Names that were made or removed are on disk then. Raises OSError."""
        os.fsync(self._descriptor)

    # --- segments -----------------------------------------------------------------------------

    def segments(self) -> list[Listed]:
        """All that have a segment's name, oldest first, whatever they are."""
        return self._listed(self._descriptor)

    def set_aside_bytes(self) -> int:
        """How much the folders of what was set aside take."""
        return sum(item.size for kind in (DAMAGED, REFUSED) for item in self._in(kind))

    def refused(self) -> list[Listed]:
        """The segments of what the collector refused."""
        found = []
        with suppress(OSError), _Opened(self._aside(REFUSED, make=False)) as folder:
            found = self._listed(folder)
        return found

    def damaged_files(self) -> int:
        """How many files are in damaged/."""
        return len(self._in(DAMAGED))

    def open_refused(self) -> Iterator[tuple[int, int]]:
        """(descriptor, size) of each segment of what was refused; the caller closes it."""
        with suppress(OSError), _Opened(self._aside(REFUSED, make=False)) as folder:
            for item in self._listed(folder):
                descriptor = os.open(name_of(item.number), os.O_RDONLY | _OPEN, dir_fd=folder)
                yield descriptor, os.fstat(descriptor).st_size

    def _in(self, kind: str) -> list[Listed]:
        try:
            with _Opened(self._aside(kind, make=False)) as folder:
                return [Listed(0, _size(name, folder)) for name in os.listdir(folder)]
        except OSError:
            return []

    @staticmethod
    def _listed(folder: int) -> list[Listed]:
        return sorted(
            Listed(int(match[1], 16), _size(name, folder))
            for name in os.listdir(folder)
            if (match := _NAME.fullmatch(name))
        )

    def create(self, number: int) -> int:
        """A new segment's descriptor. Raises FileExistsError, OSError."""
        return self._create(name_of(number), self._descriptor)

    @staticmethod
    def _create(name: str, folder: int) -> int:
        return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | _OPEN, 0o600, dir_fd=folder)

    def open(self, number: int, *, write: bool = True) -> tuple[int, int]:
        """(descriptor, size) of a segment. Raises NotASegment, FileNotFoundError, OSError."""
        flags = os.O_RDWR if write else os.O_RDONLY
        try:
            descriptor = os.open(name_of(number), flags | _OPEN, dir_fd=self._descriptor)
        except OSError as error:
            if error.errno in _ODD:
                raise NotASegment("no regular file") from error
            if error.errno == errno.EROFS and write:
                return self.open(number, write=False)
            raise
        found = os.fstat(descriptor)
        if not _is_ours(found):
            os.close(descriptor)
            raise NotASegment("no regular file of ours")
        return descriptor, found.st_size

    def remove(self, number: int) -> None:
        """Raises OSError."""
        with suppress(FileNotFoundError):
            os.unlink(name_of(number), dir_fd=self._descriptor)

    # --- what is set aside --------------------------------------------------------------------

    def _aside(self, kind: str, *, make: bool) -> int:
        if make:
            with suppress(FileExistsError):
                os.mkdir(kind, 0o700, dir_fd=self._descriptor)
        flags = os.O_RDONLY | os.O_DIRECTORY | _OPEN
        return os.open(kind, flags, dir_fd=self._descriptor)

    def set_aside(self, number: int) -> str:
        """Moves all of a segment, whatever it is, to damaged/; where it is now. Raises OSError."""
        name = name_of(number)
        with _Opened(self._aside(DAMAGED, make=True)) as folder:
            target = next(each for each in _names(name) if not _is_there(each, folder))
            os.rename(name, target, src_dir_fd=self._descriptor, dst_dir_fd=folder)
        return f"{DAMAGED}/{target}"

    def keep(self, name: str, data: bytes) -> str | None:
        """Writes bytes to a file in damaged/; where, None = it is there already. Raises OSError."""
        with _Opened(self._aside(DAMAGED, make=True)) as folder:
            try:
                descriptor = self._create(name, folder)
            except FileExistsError:
                return None
            _write_whole(descriptor, data, name, folder)
        return f"{DAMAGED}/{name}"

    def keep_refused(self, data: bytes) -> str:
        """Writes a segment into refused/; where. Raises OSError."""
        with _Opened(self._aside(REFUSED, make=True)) as folder:
            listed = self._listed(folder)
            number = listed[-1].number + 1 if listed else 1
            for _ in range(_MAX_TRIES):
                try:
                    descriptor = self._create(name_of(number), folder)
                    break
                except FileExistsError:
                    number += 1
            _write_whole(descriptor, data, name_of(number), folder)
        return f"{REFUSED}/{name_of(number)}"

    def readmit(self) -> int:
        """Moves what was refused back among the segments; how many. Raises OSError."""
        listed = self.segments()
        number = listed[-1].number + 1 if listed else 1
        refused = self.refused()
        if not refused:
            return 0
        with _Opened(self._aside(REFUSED, make=False)) as folder:
            for offset, item in enumerate(refused):
                os.rename(
                    name_of(item.number),
                    name_of(number + offset),
                    src_dir_fd=folder,
                    dst_dir_fd=self._descriptor,
                )
        return len(refused)


# What open() says of a symbolic link, a directory, a FIFO that nobody reads, a socket.
_ODD = (errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.ENOTDIR, errno.ENODEV)


class _Opened:
    """A descriptor that is closed at the end of a `with`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _is_ours(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_nlink == 1


def _size(name: str, folder: int) -> int:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _is_there(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _names(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}.{number}" for number in range(1, _MAX_TRIES))


def _write_whole(descriptor: int, data: bytes, name: str, folder: int) -> None:
    """All of it, or no file. Raises OSError."""
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except OSError:
        with suppress(OSError):
            os.unlink(name, dir_fd=folder)
        raise
    finally:
        os.close(descriptor)
