# SPDX-License-Identifier: MIT
"""An output that is ready to be written to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.errors import EngineError, one_line

if TYPE_CHECKING:
    import subprocess


class Opened(NamedTuple):
    """`descriptor` is -1 where there is none; with `prefix` (-ff) text goes to a file for each
    thread instead: prefix, a dot and the thread's id. `reader` is the command of -o '|command'.
    """

    descriptor: int = -1
    prefix: str = ""
    append: bool = False
    reader: subprocess.Popen[bytes] | None = None
    command: str = ""  # of the reader

    def finish(self) -> list[str]:
        """Closes what goes to a reader, waits for the reader; warnings about it."""
        if self.reader is None:
            return []
        if self.reader.stdin is not None:
            self.reader.stdin.close()
        status = self.reader.wait()
        if status == 0:
            return []
        how = f"was killed by signal {-status}" if status < 0 else f"exited with {status}"
        return [f"the command of -o {one_line(self.command, 60)} {how}"]

    def for_closer(self) -> int:
        """The descriptor, for a writer that closes what it is given."""
        if self.reader is None:
            return self.descriptor
        try:
            return os.dup(self.descriptor)
        except OSError as error:
            raise EngineError(f"dup: {error.strerror}") from error
