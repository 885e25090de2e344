# SPDX-License-Identifier: MIT
"""The subject of the tests of causality: a C program that runs a script."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compiling import compiled_once

pytest.register_assert_rewrite(
    "tests.engine.tools", "tests.causality.truth", "tests.causality.runs"
)


@pytest.fixture(scope="session")
def script_runner(shared_folder: Path) -> Path:
    """The compiled subject."""
    source = Path(__file__).parent / "subject" / "subject.c"
    return compiled_once(shared_folder / "causality" / "subject", source, "-lrt")
