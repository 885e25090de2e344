# SPDX-License-Identifier: MIT
"""A terminal of one's own, with a program at it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.engine.tools import environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from typing_extensions import Self

LIMIT = 30.0
# Takes the terminal on standard input as its own, then becomes the program; what Python ignores
# for itself, the program does not.
_TAKE = (
    "import fcntl, os, signal, sys, termios\n"
    "signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n"
    "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "os.execvp(sys.argv[1], sys.argv[1:])\n"
)


class Terminal:
    """A program with a terminal that it controls. A context manager: kills what is left of it."""

    def __init__(self, words: Sequence[object], cwd: Path | None = None) -> None:
        self._master, slave = os.openpty()
        self._seen = ""
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-ISc", _TAKE, *(str(word) for word in words)],
                stdin=slave,
                stdout=slave,
                stderr=slave,
                start_new_session=True,
                cwd=cwd,
                env=environment(PS1="prompt> ", TERM="dumb", HISTFILE=""),
            )
        finally:
            os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        # The end of the terminal is a SIGHUP and SIGCONT for whoever is left at it.
        os.close(self._master)

    @property
    def pid(self) -> int:
        return self._process.pid

    def type(self, text: str) -> None:
        """Types on the keyboard; Ctrl-C is "\\x03", Ctrl-Z "\\x1a", Ctrl-\\ "\\x1c"."""
        os.write(self._master, text.encode())

    def read_until(self, text: str) -> str:
        """Reads what is shown until `text` is, and returns it, that included."""
        deadline = time.monotonic() + LIMIT
        while text not in self._seen:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._master], [], [], left)[0]:
                raise AssertionError(f"no {text!r} within {LIMIT:.0f} s; shown: {self._seen!r}")
            try:
                self._seen += os.read(self._master, 4096).decode(errors="replace")
            except OSError:  # the last program at it has ended
                raise AssertionError(f"it ended; shown: {self._seen!r}") from None
        shown, found, self._seen = self._seen.partition(text)
        return shown + found

    def foreground(self) -> int:
        """The process group in the foreground."""
        return os.tcgetpgrp(self._master)

    def read_rest(self) -> str:
        """What is shown until nobody is left at it."""
        with suppress(OSError):
            while True:
                self._seen += os.read(self._master, 4096).decode(errors="replace")
        shown, self._seen = self._seen, ""
        return shown

    def end_job(self) -> None:
        """Ends the subject's job in the foreground of a shell, and the shell: checks both codes."""
        self.type("end\n")
        self.read_until("prompt> ")
        self.type("echo code $?\n")
        self.read_until("code 5")
        self.type("exit\n")
        assert self.wait() == 0

    def wait(self) -> int:
        """The exit code, or -signal."""
        return self._process.wait(LIMIT)
