# SPDX-License-Identifier: MIT
"""Compiles the subjects, each once for all who run at the same time."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.compiling import making

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
        with making(made) as being_made:
            if being_made is not None:
                self._compile(source.with_suffix(".c"), being_made)
        return made

    @staticmethod
    def _compile(source: Path, made: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            raise NoCompilerError("needs a C compiler (cc)")
        # Without the dynamic linker there are fewer calls that say nothing about the subject.
        for more in (("-static",), ()):
            built = subprocess.run(
                [compiler, *_FLAGS, *more, "-o", made, source],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if built.returncode == 0:
                return
        raise AssertionError(built.stdout)
