# SPDX-License-Identifier: MIT
"""Words to the user, whatever has become of the standard streams.

Any of the three may be closed, a full disk, or a pipe whose reader is gone. None of that may
change how the traced command runs, what it finds open, or our exit code.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from renacer_otel.errors import OutputError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

_closed: set[int] = set()
_diverted: list[Callable[[str], None]] = []


def hold_closed_streams() -> None:
    """Puts /dev/null where a standard stream is closed, until the command's exec.

    Else the next file that we open would become the standard error of somebody. The command
    itself finds the stream closed, as it would without us.
    """
    for number in (0, 1, 2):
        if not _is_open(number):
            _closed.add(number)
            held = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)  # the lowest number that is free
            if held != number:
                os.close(held)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def is_closed(number: int) -> bool:
    """Whether stream `number` was closed when we started."""
    return number in _closed


def complain(message: str) -> None:
    """`message` to standard error, as one line of ours."""
    say(f"renacer-otel: {message}")


def divert(take: Callable[[str], None]) -> None:
    """From now on `take` gets what would go to standard error: that is the command's alone."""
    _diverted[:] = [take]


def say(line: str) -> None:
    """One line to standard error, at once; nothing happens where it cannot be written."""
    if _diverted:
        _diverted[0](line)
        return
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    rest = f"{line}\n".encode(encoding, "backslashreplace")
    try:
        while rest:
            rest = rest[os.write(2, rest) :]
    except OSError:
        pass


class Progress:
    """A line that tells how far something is that takes long: on a terminal alone, and gone in the
    end. Use it in a `with`."""

    _AFTER_S, _EACH_S = 1.0, 0.1

    def __init__(self) -> None:
        self._next = time.monotonic() + self._AFTER_S if _is_terminal() else float("inf")
        self._is_told = False

    def __enter__(self) -> Self:
        return self

    def tell(self, line: str) -> None:
        """How far it is now. May be called often."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._EACH_S
        self._is_told = True
        try:
            columns = os.get_terminal_size(2).columns
        except OSError:
            columns = 0
        _write_to_terminal("\r\033[K" + one_line(f"renacer-otel: {line}", (columns or 80) - 1))

    def __exit__(self, *_: object) -> None:
        if self._is_told:
            _write_to_terminal("\r\033[K")


def _is_terminal() -> bool:
    return not _diverted and os.isatty(2)


def _write_to_terminal(text: str) -> None:
    with suppress(OSError):
        os.write(2, text.encode("utf-8", "backslashreplace"))


def show(text: str) -> None:
    """`text` to standard output, at once. Raises OutputError, and BrokenPipeError."""
    if sys.stdout is None:
        return
    if not is_unicode():
        # XML says itself that it is UTF-8, and has a way to write the others.
        errors, coding = "backslashreplace", sys.stdout.encoding
        if text.startswith("<?xml"):
            errors, coding = "xmlcharrefreplace", "ascii"
        text = text.encode(coding, errors).decode(coding)
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"standard output: {error.strerror}; free space there") from error


def show_version() -> None:
    """Our name and version to standard output. Raises as show()."""
    from renacer_otel._version import __version__

    show(f"renacer-otel {__version__}\n")


def is_unicode() -> bool:
    """Whether standard output takes all characters."""
    return (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")


def give_up_stdout() -> None:
    """Lets what standard output still holds go to nowhere, so that nothing fails at the end."""
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(null, 1)
    os.close(null)
