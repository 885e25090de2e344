# SPDX-License-Identifier: MIT
"""Python in a process of its own, with this package importable."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


# Long enough for a loaded machine; nothing waits for it where all is well.
PATIENCE = 20.0


def until(condition: Callable[[], bool]) -> None:
    """Returns as soon as `condition` holds; fails after PATIENCE."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


class RunPython(Protocol):
    """Runs a program given as text."""

    def __call__(self, code: str) -> subprocess.CompletedProcess[str]: ...


def child_environ() -> dict[str, str]:
    """This process's environment, with its import path for a child."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


@pytest.fixture
def run_python() -> RunPython:
    def run(code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=child_environ(),
        )

    return run
