# SPDX-License-Identifier: MIT
"""Where the sidecar listens: a socket in a folder that nobody else can change.

No symbolic link is followed on the way: each folder is opened from the one before. What is in the
last one is done relative to its descriptor, so that a folder that is renamed meanwhile changes
nothing. A lock beside the socket says that somebody serves it; the kernel lets go of it when that
process dies, however it does.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from renacer_otel.errors import EngineError, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from socket import socket

    from typing_extensions import Self

VARIABLE = "RENACER_SIDECAR"
_FOLDER, _NAME = "renacer-otel", "sidecar.sock"
_SYSTEM = "/run"
_MAX_NAME = 80  # behind /proc/self/fd/N/ in the 108 bytes that an address has


def default_path(environ: Mapping[str, str]) -> str:
    """Below $XDG_RUNTIME_DIR where there is one, else below /run."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    return os.path.join(runtime if runtime.startswith("/") else _SYSTEM, _FOLDER, _NAME)


class PlaceError(EngineError):
    """The socket's place cannot serve, and why."""


def _wrong(path: str, reason: str) -> PlaceError:
    return PlaceError(f"{one_line(path, 120)}: {reason}")


def open_folder(path: str, make: int | None = None) -> tuple[int, str]:
    """(a descriptor of the folder that `path` is in, its last name). Follows no symbolic link.

    `make`: the mode with which the folder is made where only it is missing. Raises PlaceError.
    """
    folder, name = os.path.split(os.path.abspath(path))
    if not name or len(os.fsencode(name)) > _MAX_NAME or "\0" in path:
        raise _wrong(path, f"name a socket, its name of at most {_MAX_NAME} bytes")
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    parts = [part for part in folder.split("/") if part]
    descriptor = os.open("/", flags)
    for at, part in enumerate(parts):
        try:
            try:
                below = os.open(part, flags, dir_fd=descriptor)
            except FileNotFoundError:
                if make is None or at + 1 < len(parts):
                    raise
                os.mkdir(part, make, dir_fd=descriptor)
                below = os.open(part, flags, dir_fd=descriptor)
        except OSError as error:
            there = "/" + "/".join(parts[: at + 1])
            link = os.path.islink(there)
            reason = "a symbolic link, which is not followed; name where it leads"
            raise _wrong(there, reason if link else f"{error.strerror}") from error
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor, name


def check_folder(descriptor: int, path: str, owners: frozenset[int]) -> None:
    """Raises PlaceError for a folder that others than `owners` may put something into."""
    found = os.fstat(descriptor)
    folder = os.path.dirname(os.path.abspath(path))
    if found.st_uid not in owners:
        raise _wrong(folder, f"belongs to uid {found.st_uid}; use a folder of your own")
    if found.st_mode & 0o022:
        raise _wrong(folder, "others may write there; take that from them: chmod go-w")


class Place:
    """A listening socket that is ours alone. `allows_others`: who may connect is not only us.

    Use as a context manager; `socket` is non-blocking. Raises PlaceError.
    """

    def __init__(self, path: str, *, allows_others: bool = False) -> None:
        self.path = os.path.abspath(path)
        self._allows_others = allows_others
        self._folder, self._name = open_folder(path, 0o711 if allows_others else 0o700)
        self._lock = -1
        self._inode: int | None = None
        try:
            self._take()
        except BaseException:
            self.close()
            raise

    def _take(self) -> None:
        import socket

        check_folder(self._folder, self.path, frozenset({os.geteuid(), 0}))
        self._give_folder_its_mode()
        self._lock_it()
        self._remove_stale()
        self.socket: socket.socket = socket.socket(
            socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        )
        before = os.umask(0o177)
        try:
            self.socket.bind(f"/proc/self/fd/{self._folder}/{self._name}")
        except OSError as error:
            raise _wrong(self.path, f"bind: {error.strerror}") from error
        finally:
            os.umask(before)
        if self._allows_others:
            os.chmod(self._name, 0o666, dir_fd=self._folder)
        self._inode = os.stat(self._name, dir_fd=self._folder, follow_symlinks=False).st_ino
        self.socket.listen(128)

    def _give_folder_its_mode(self) -> None:
        """Only to a folder that is for this alone."""
        found = os.fstat(self._folder)
        ours = os.path.basename(os.path.dirname(self.path)) == _FOLDER
        wanted = 0o711 if self._allows_others else 0o700
        if ours and found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != wanted:
            os.chmod(f"/proc/self/fd/{self._folder}", wanted)

    def _lock_it(self) -> None:
        import fcntl

        name = f"{self._name}.lock"
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            self._lock = os.open(name, flags, 0o600, dir_fd=self._folder)
        except OSError as error:
            raise _wrong(f"{self.path}.lock", f"{error.strerror}; remove it") from error
        found = os.fstat(self._lock)
        regular = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
        if not regular or found.st_uid != os.geteuid():
            raise _wrong(f"{self.path}.lock", "not a file of ours; remove it")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _wrong(
                self.path, "another sidecar serves it; stop that, or listen elsewhere (--listen)"
            ) from error

    def _remove_stale(self) -> None:
        """What a sidecar that was killed has left: under the lock nobody serves it."""
        try:
            found = os.stat(self._name, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid():
            raise _wrong(self.path, "there, and no socket of ours; remove it, or listen elsewhere")
        os.unlink(self._name, dir_fd=self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stop_listening(self) -> None:
        """Nobody can connect any more; the name is gone. The lock stays. Idempotent."""
        if self._inode is None:
            return
        try:
            found = os.stat(self._name, dir_fd=self._folder, follow_symlinks=False)
            if found.st_ino == self._inode:
                os.unlink(self._name, dir_fd=self._folder)
        except OSError:
            pass
        self._inode = None
        self.socket.close()

    def close(self) -> None:
        """Lets go of all. Idempotent."""
        self.stop_listening()
        made = getattr(self, "socket", None)
        if made is not None:
            made.close()
        for descriptor in (self._lock, self._folder):
            if descriptor >= 0:
                os.close(descriptor)
        self._lock = self._folder = -1
