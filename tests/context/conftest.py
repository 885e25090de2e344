# SPDX-License-Identifier: MIT
"""Shares the tools of the engine's tests, and a subject that tells by markers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import renacer_otel

pytest.register_assert_rewrite("tests.engine.tools", "tests.context.spans", "tests.context.marks")

INCLUDE = Path(renacer_otel.__file__).parent / "include"


@pytest.fixture(scope="session")
def marks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A C program that uses the header."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler (cc)")
    made = tmp_path_factory.mktemp("marks") / "marks"
    source = Path(__file__).parent / "subjects" / "marks.c"
    flags = ("-std=gnu11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread")
    subprocess.run([compiler, *flags, f"-I{INCLUDE}", "-o", made, source], check=True)
    return made
