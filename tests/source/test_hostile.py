# SPDX-License-Identifier: MIT
"""--source on a program whose stacks and call frame information lie."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import pytest

from tests.cli.tool import renacer
from tests.compiling import compiled
from tests.source.subject import SUBJECTS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.needs("cc")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the subject is of x86_64")
def test_lies_do_not_stop_it(tmp_path: Path) -> None:
    program = compiled(tmp_path / "hostile", SUBJECTS / "hostile.c", "-O2", "-g")
    done = renacer("--source", "-o", tmp_path / "text", "--", program)
    assert done.code == 7, done.err
    assert done.totals.lost == 0
    lines = (tmp_path / "text").read_text(encoding="utf-8").splitlines()
    # Its own instruction is its own, whatever its stack.
    direct = [line for line in lines if " getppid(" in line]
    assert len(direct) == 100
    assert all("hostile.c:" in line and line.endswith(" main]") for line in direct)
