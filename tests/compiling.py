# SPDX-License-Identifier: MIT
"""Compiles the C programs that tests trace."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
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


@contextmanager
def making(made: Path) -> Iterator[Path | None]:
    """Where to make `made`, which several processes want and one makes; None: it is there."""
    made.parent.mkdir(exist_ok=True)
    with made.with_name(f".{made.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if made.exists():
            yield None
            return
        being_made = made.with_name(f".{made.name}.new")
        yield being_made
        being_made.rename(made)


def compiled_once(made: Path, *arguments: str | Path, cc: str = "cc") -> Path:
    """`compiled`, in a folder that several processes share (the fixture shared_folder)."""
    with making(made) as being_made:
        if being_made is not None:
            compiled(being_made, *arguments, cc=cc)
    return made
