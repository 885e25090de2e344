# SPDX-License-Identifier: MIT
"""A file that says once a second where every span is: JSON, replaced as a whole.

A reader finds one whole document at any time. The new one is written beside it under a name that
was free, and takes its place by rename(2); a symbolic link of that name is replaced, not followed.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from renacer_otel.errors import OutputError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

_EACH_S = 1.0


class StatusFile:
    """Writes what `report` says, from a thread. Raises OutputError if the first cannot be written.

    Later failures are counted in `failures`, and tried again a second later.
    """

    def __init__(self, path: str, report: Callable[[], dict[str, Any]]) -> None:
        self.path = path
        self.failures = 0
        self._report = report
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="renacer-status", daemon=True)

    def start(self) -> None:
        """Writes the first, and begins."""
        try:
            self._write()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not a path"
            raise OutputError(
                f"--status-file {one_line(self.path, 120)}: {reason};"
                " name a file that can be written"
            ) from error
        self._thread.start()

    def close(self) -> None:
        """Writes the last one. Idempotent."""
        if self._ended.is_set():
            return
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._try()

    def _run(self) -> None:
        while not self._ended.wait(_EACH_S):
            self._try()

    def _try(self) -> None:
        try:
            self._write()
        except OSError:
            self.failures += 1

    def _write(self) -> None:
        data = json.dumps(self._report(), indent=1).encode("ascii") + b"\n"
        beside = f"{self.path}.{os.getpid()}.new"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with suppress(FileNotFoundError):
            os.unlink(beside)
        descriptor = os.open(beside, flags, 0o644)
        try:
            try:
                os.write(descriptor, data)
            finally:
                os.close(descriptor)
            os.rename(beside, self.path)
        except OSError:
            with suppress(OSError):
                os.unlink(beside)
            raise
