# SPDX-License-Identifier: MIT
"""Which open file a descriptor means, by the calls of one process alone.

What they do not tell is not known: a descriptor that the process was given, or that came by a
call whose numbers stand in its memory (pipe, socketpair, recvmsg), has no object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_DUP_COMMANDS = (0, 1030)  # F_DUPFD, F_DUPFD_CLOEXEC
_COPIES = ("dup", "dup2", "dup3")
_FIRST_UNNAMED = 3


class Open(NamedTuple):
    """An open file: a number of its own from 1, and its path, 0 = not known."""

    object: int
    path: int


_NONE = Open(0, 0)


class Descriptors:
    """Follows the calls of a process, in the order of their ends. `numbers`: of new objects."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self._open: dict[int, Open] = {}
        self._numbers = numbers

    def follow(
        self, name: str, args: tuple[int, ...], result: int, *, makes: bool, fd: int, path: int
    ) -> Open:
        """What a call was about, or made. `fd`: its first descriptor, -1 = none; `path`: its."""
        known = self._open.get(fd, _NONE)
        if result < 0:
            # That it failed does not keep a close from closing (close(2), EINTR).
            if name == "close":
                self._open.pop(fd, None)
            return known
        if name in _COPIES or (name == "fcntl" and args[1] in _DUP_COMMANDS):
            self._put(result, self._open.get(_number(args[0])))
            return self._open.get(result, _NONE)
        if makes:
            found = self._open[result] = Open(next(self._numbers), path)
            return found
        if name == "close":
            self._open.pop(fd, None)
        elif name == "close_range":
            self._forget(args[0] & 0xFFFFFFFF, args[1] & 0xFFFFFFFF)
        elif name in ("execve", "execveat"):
            # Which of them an exec closes is not known of all.
            self._forget(_FIRST_UNNAMED, 1 << 32)
        return known

    def _put(self, fd: int, of: Open | None) -> None:
        if of is None:
            self._open.pop(fd, None)
        else:
            self._open[fd] = of

    def _forget(self, first: int, last: int) -> None:
        for fd in [fd for fd in self._open if first <= fd <= last]:
            del self._open[fd]


def _number(word: int) -> int:
    """A descriptor in a word of 64 bits: an int."""
    low = word & 0xFFFFFFFF
    return low - (1 << 32) if low >> 31 else low
