# SPDX-License-Identifier: MIT
"""Python in a process of its own, with this package importable."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Protocol

import pytest


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
