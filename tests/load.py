# SPDX-License-Identifier: MIT
"""A CPU load beside what is tested."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: More busy loops than there are CPUs.
USUAL = len(os.sched_getaffinity(0)) + 1


@contextmanager
def beside(loops: int = USUAL) -> Iterator[None]:
    """So many processes that only compute, meanwhile, and no longer than this one lives."""
    script = f"import os\nwhile os.getppid() == {os.getpid()}: sum(range(1_000_000))"
    running = [
        subprocess.Popen([sys.executable, "-ISc", script], stdin=subprocess.DEVNULL)
        for _ in range(loops)
    ]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()
