# SPDX-License-Identifier: MIT
"""Compiles the subjects, each once for all who run at the same time."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

SUBJECTS = Path(__file__).parent / "subjects"
_FLAGS = ("-std=gnu11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread")


class NoCompilerError(Exception):
    """There is no C compiler: `cc` is not on PATH."""


class Subjects:
    """Programs by the names of their sources: `path("births")`, `path("inherit.py")`.

    They are kept in `folder`, which several processes may share. Raises NoCompilerError.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        source = SUBJECTS / name
        if source.suffix == ".py":
            return source
        made = self._folder / name
        with (self._folder / f".{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                self._compile(source.with_suffix(".c"), made)
        return made

    @staticmethod
    def _compile(source: Path, made: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            raise NoCompilerError("needs a C compiler (cc)")
        being_made = made.with_name(f".{made.name}.new")
        # Without the dynamic linker there are fewer calls that say nothing about the subject.
        for more in (("-static",), ()):
            built = subprocess.run(
                [compiler, *_FLAGS, *more, "-o", being_made, source],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if built.returncode == 0:
                being_made.rename(made)
                return
        raise AssertionError(built.stdout)
