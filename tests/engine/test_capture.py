# SPDX-License-Identifier: MIT
"""Buffers of every length, whole or cut at -s."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from tests.engine.tools import PROGRAM, execute

if TYPE_CHECKING:
    from pathlib import Path

WRITER = """
import os
out = os.open(os.devnull, os.O_WRONLY)
os.write(out, b"A" * 200_000)
read_end, write_end = os.pipe()
os.write(write_end, b"A" * 60_000)
assert len(os.read(read_end, 100_000)) == 60_000
"""


@pytest.mark.parametrize("limit", [0, 1, 32, 4095, 4096, 4097, 65_536])
def test_buffers_up_to_the_limit(tmp_path: Path, limit: int) -> None:
    trace = tmp_path / "trace.txt"
    words = [sys.executable, "-ISc", WRITER]
    execute([*PROGRAM, "-q", "-s", str(limit), "-o", trace, "--", *words])
    shown = re.findall(r'^\d+ +(\w+)\(\d+, "(A*)"(\.{3})?, (\d+)\) += (\d+)$',
                       trace.read_text(), re.MULTILINE)  # fmt: skip
    long = [(name, len(text), bool(dots)) for name, text, dots, _, result in shown
            if int(result) >= 60_000]  # fmt: skip
    assert long == [
        ("write", min(limit, 200_000), True),
        ("write", min(limit, 60_000), limit < 60_000),
        ("read", min(limit, 60_000), limit < 60_000),
    ]
