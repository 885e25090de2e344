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
    sources = sorted(Path(__file__).with_name("subject").glob("*.c"))
    return compiled_once(shared_folder / "causality" / "subject", *sources, "-lrt")
