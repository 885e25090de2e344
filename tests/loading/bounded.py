# SPDX-License-Identifier: MIT
"""Commands of ours that are given bad files: one line, the right exit code, little time."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cli.tool import Done, run_program, the_error
from tests.scale import FULL

if TYPE_CHECKING:
    from collections.abc import Sequence

MEASURED = str(Path(__file__).parent / "measured.py")
MOST_MEMORY = 200 << 20
MOST_CPU = 2.0  # seconds; judged at full scale alone, where nothing else makes a machine slow


def told(folder: Path, words: Sequence[str], most_memory: int = MOST_MEMORY) -> Done:
    """Runs a command; fails if it took too much. `folder`: has room for a file."""
    figures = folder / "figures"
    done = run_program([sys.executable, MEASURED, figures, *words], cwd=folder)
    found = json.loads(figures.read_text())
    assert found["peak"] < most_memory, (words, found)
    assert found["cpu"] < MOST_CPU or not FULL, (words, found)
    return done


def refused(folder: Path, words: Sequence[str], code: int = 3) -> str:
    """The one line of a command that fails so, on stderr."""
    done = told(folder, words)
    assert done.code == code, (words, done)
    assert done.out == "", words
    return the_error(done.err)
