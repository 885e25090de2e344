# SPDX-License-Identifier: MIT
"""What only looks like a context is none: the name of the file that is run."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from tests.engine.tools import execute, export

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conformance.build import Subjects

NAME = "TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.needs("cc")
@pytest.mark.parametrize("variables", [0, 1, 40])
def test_a_file_named_like_the_variable(subjects: Subjects, tmp_path: Path, variables: int) -> None:
    """The kernel lays the name right behind the last variable."""
    shutil.copy(subjects.path("execs"), tmp_path / NAME)
    env = {f"V{number}": "x" * number for number in range(variables)}
    script = f"import os; os.execve({NAME!r}, ['x', 'named'], {env!r})"
    words = [sys.executable, "-ISc", script]
    bare = execute(words, cwd=tmp_path)
    assert bare.output == NAME + "\n"
    assert export(words, cwd=tmp_path).done == bare
