# SPDX-License-Identifier: MIT
"""A wall clock that can be stepped: of processes that are started with it, not the machine's."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

from tests.compiling import compiled_once

SOURCE = Path(__file__).with_name("stepped_clock.c")
SECOND = 1_000_000_000
HOUR = 3600 * SECOND


class Clock:
    """`environ`: for whom it is theirs. Programs that they start see it only if they keep it."""

    def __init__(self, folder: Path, shared_folder: Path) -> None:
        self.path = folder / "clock"
        self.path.write_bytes(bytes(8))
        shim = compiled_once(shared_folder / "stepped_clock.so", SOURCE, "-shared", "-fPIC")
        self.environ = {**os.environ, "LD_PRELOAD": str(shim), "CLOCK_STEP": str(self.path)}

    def step(self, ahead_ns: int) -> None:
        """It is so much ahead of the machine's, from now on."""
        with self.path.open("r+b") as file:
            file.write(struct.pack("q", ahead_ns))

    def set(self, unix_s: float) -> None:
        """It shows this time now."""
        self.step(int(unix_s * SECOND) - time.time_ns())


def ahead_of(unix_s: float) -> int:
    """By how much a clock that shows this time now is ahead of the machine's."""
    return int(unix_s * SECOND) - time.time_ns()
