# SPDX-License-Identifier: MIT
"""The core with AddressSanitizer and UndefinedBehaviorSanitizer, for C and for Python.

`native/tests/run.sh --build` makes both: a program with the fuzz targets of C, and the library. For
Python there is a second tree of the package, of links, with that library in it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
KIND = "asan,ubsan"
_MADE = ROOT / "build" / "native-tests" / KIND
_TREE = ROOT / "build" / "fuzz"
_OPTIONS = {
    # What a test would not see: a free that comes late, a read of a dead frame, a flood of memory.
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:hard_rss_limit_mb=2048:quarantine_size_mb=32"
    ":allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


class BuildFailed(Exception):  # noqa: N818
    """There is no sanitized core here; the message says why."""


class Built(NamedTuple):
    """`driver`: the program; `environ`: for what runs in C; `python_environ`: for Python, whose
    working folder, first in its search, is to be `tree`."""

    driver: Path
    environ: dict[str, str]
    python_environ: dict[str, str]
    tree: Path = _TREE


def is_in(pid: int | str) -> bool:
    """Whether a process has the sanitized core, and the sanitizer."""
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace")
    return f"{_MADE}/librenacer.so" in maps and "libasan" in maps


def _compiler() -> list[str]:
    words = [sys.executable, str(ROOT / "native/build/corebuild.py"), "cc"]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise BuildFailed("no C compiler: install gcc")
    return shlex.split(done.stdout)


def _runtimes(compiler: list[str]) -> list[str]:
    """The sanitizers' libraries: Python, which is built without them, has to be given them."""
    found = []
    for name in ("libasan.so", "libubsan.so"):
        done = subprocess.run(
            [*compiler, f"-print-file-name={name}"], stdout=subprocess.PIPE, text=True, check=False
        )
        path = done.stdout.strip()
        if not os.path.isabs(path):
            raise BuildFailed(f"{compiler[0]} has no {name}: install gcc, or name it with CC=gcc")
        found.append(os.path.realpath(path))
    return found


def build() -> Built:
    """Builds what is not current. Raises BuildFailed."""
    compiler = _compiler()
    runtimes = _runtimes(compiler)
    done = subprocess.run(
        [str(ROOT / "native/tests/run.sh"), "--build", KIND],
        env={**os.environ, "CC": shlex.join(compiler)},
        check=False,
    )
    if done.returncode != 0:
        raise BuildFailed("the core could not be built with sanitizers: see above")
    _make_tree()
    environ = {**os.environ, **_OPTIONS}
    # What Python itself never frees is no leak of ours.
    python = {
        **environ,
        "ASAN_OPTIONS": _OPTIONS["ASAN_OPTIONS"] + ":detect_leaks=0",
        "LD_PRELOAD": " ".join(runtimes),
        "PYTHONPATH": f"{_TREE}:{ROOT}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return Built(_MADE / "drive_fuzz", environ, python)


def _make_tree() -> None:
    package = _TREE / "renacer_otel"
    shutil.rmtree(package, ignore_errors=True)
    (package / "_native").mkdir(parents=True)
    for entry in (ROOT / "renacer_otel").iterdir():
        if entry.name not in ("_native", "__pycache__"):
            (package / entry.name).symlink_to(entry)
    for name in ("__init__.py", "_api.py"):
        (package / "_native" / name).symlink_to(ROOT / "renacer_otel" / "_native" / name)
    (package / "_native" / "librenacer.so").symlink_to(_MADE / "librenacer.so")
