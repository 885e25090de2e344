# SPDX-License-Identifier: MIT
"""What is in a spool, looked at without changing it; another process may be using it."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from renacer_otel.exporters import spool_format as form
from renacer_otel.exporters.spool_folder import NotASegment

if TYPE_CHECKING:
    from renacer_otel.exporters.spool_folder import SpoolFolder


class Look:
    """Counts of a folder at one moment."""

    def __init__(self, folder: SpoolFolder) -> None:
        self.segments = self.bytes = self.requests = self.spans = self.bad = 0
        self.refused = 0  # spans
        self.damaged = folder.damaged_files()
        self._oldest: float | None = None  # seconds since 1970
        for item in folder.segments():
            with suppress(NotASegment, OSError):
                descriptor, size = folder.open(item.number, write=False)
                self.segments += 1
                self.bytes += size
                self._count(descriptor, size)
        for descriptor, size in folder.open_refused():
            self.refused += sum(
                found.spans for found in _scan(descriptor, size) if isinstance(found, form.Record)
            )
            os.close(descriptor)

    def _count(self, descriptor: int, size: int) -> None:
        try:
            waits = False
            for found in _scan(descriptor, size):
                if isinstance(found, form.Bad):
                    self.bad += 1
                elif not found.done:
                    waits = True
                    self.requests += 1
                    self.spans += found.spans
            if waits:
                written = os.fstat(descriptor).st_mtime
                self._oldest = written if self._oldest is None else min(self._oldest, written)
        finally:
            os.close(descriptor)

    @property
    def oldest(self) -> str:
        """When the oldest segment was written to last, in local time; "" = there is none."""
        if self._oldest is None:
            return ""
        import time

        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self._oldest))


def _scan(descriptor: int, size: int) -> list[form.Record | form.Bad]:
    return list(form.scan(lambda offset, length: os.pread(descriptor, length, offset), size))
