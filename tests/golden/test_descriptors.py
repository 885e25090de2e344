# SPDX-License-Identifier: MIT
"""What descriptors lead to, whatever their numbers."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.golden.runs import traced

if TYPE_CHECKING:
    from pathlib import Path

STREAMS = """
import os
spare = os.dup(2)
os.write(1, b"one")
os.write(2, b"three")
os.dup2(1, 2)
os.write(2, b"sevenxx")
os.write(spare, b"x" * 11)
open("/dev/null").close()
os.read(0, 1)
"""


def _streams(folder: Path, stderr: int = subprocess.PIPE) -> dict[str, int]:
    command = [sys.executable, "-I", "-S", "-B", "-c", STREAMS]
    form = traced(command, folder, stderr=stderr)
    items = [str(part.item) for part in form.roles[0].items]
    assert "read(<stdin>)" in items, items  # /dev/null, though it is opened by its name, too
    return {one.name: one.size.low for one in form.roles[0].streams if one.direction == "write"}


def test_a_stream_keeps_its_name_under_another_number(tmp_path: Path) -> None:
    assert _streams(tmp_path) == {"<stdout>": 10, "<stderr>": 16}


def test_two_streams_that_are_one_object_are_told_apart_by_their_numbers(tmp_path: Path) -> None:
    both = _streams(tmp_path, stderr=subprocess.STDOUT)
    assert both == {"<stdout>": 14, "<stderr>": 12}
