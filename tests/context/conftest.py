# SPDX-License-Identifier: MIT
"""Shares the tools of the engine's tests, and a subject that tells by markers."""

from __future__ import annotations

from pathlib import Path

import pytest

import renacer_otel
from tests.compiling import compiled_once

pytest.register_assert_rewrite("tests.engine.tools", "tests.context.spans", "tests.context.marks")

INCLUDE = Path(renacer_otel.__file__).parent / "include"


@pytest.fixture(scope="session")
def marks(shared_folder: Path) -> Path:
    """A C program that uses the header."""
    source = Path(__file__).parent / "subjects" / "marks.c"
    return compiled_once(shared_folder / "marks", source, f"-I{INCLUDE}")
