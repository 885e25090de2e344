# SPDX-License-Identifier: MIT
"""Compiles the C programs that tests trace."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_FLAGS = ("-std=gnu11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread")


def compiler(name: str = "cc") -> str:
    """Its path; skips the test where there is none."""
    found = shutil.which(name)
    if found is None:
        pytest.skip("needs a C compiler (cc)" if name == "cc" else f"needs {name}")
    return found


def compiled(made: Path, *arguments: str | Path, cc: str = "cc") -> Path:
    """`made`, from sources and further flags; skips the test where there is no such compiler."""
    built = subprocess.run(
        [compiler(cc), *_FLAGS, "-o", made, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout
    return made
