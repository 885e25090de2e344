# SPDX-License-Identifier: MIT
"""Control groups of version 1 or 2, with a limit. Skips the test where there are none."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path("/sys/fs/cgroup")


class Group:
    """A control group: `enter` is for preexec_fn."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def enter(self) -> None:
        """The calling process, and what it makes from now on."""
        (self.folder / "cgroup.procs").write_text("0")

    def pids(self) -> list[int]:
        """Who is in it."""
        return [int(pid) for pid in (self.folder / "cgroup.procs").read_text().split()]

    def number(self, name: str) -> int:
        """What a file of it says."""
        return int((self.folder / name).read_text())


@contextmanager
def limited(controller: str, limit: int) -> Iterator[Group]:
    """A group with pids.max, or so many bytes of memory. Nobody may be left in it at the end."""
    name = "pids.max" if controller == "pids" else "memory.max"
    top = TOP
    if (TOP / controller).is_dir():
        top = TOP / controller
        name = "pids.max" if controller == "pids" else "memory.limit_in_bytes"
    elif not (TOP / "cgroup.controllers").is_file():
        pytest.skip(f"needs control groups with {controller}")
    try:
        if top == TOP:
            (top / "cgroup.subtree_control").write_text(f"+{controller}")
        folder = Path(tempfile.mkdtemp(prefix="renacer-", dir=top))
    except OSError as error:
        pytest.skip(f"needs control groups that can be written: {error.strerror}")
    try:
        try:
            (folder / name).write_text(str(limit))
        except OSError as error:
            pytest.skip(f"needs control groups with {controller}: {error.strerror}")
        yield Group(folder)
    finally:
        end = time.monotonic() + 20
        while True:
            try:
                os.rmdir(folder)
                break
            except OSError:  # somebody is in it still
                assert time.monotonic() < end, (folder / "cgroup.procs").read_text()
                time.sleep(0.02)
