# SPDX-License-Identifier: MIT
"""The subject: a C program that the tests of the engine trace."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.engine.tools", "tests.engine.identities")

from tests.compiling import compiled_once  # noqa: E402
from tests.engine.tools import SUBJECTS  # noqa: E402


@pytest.fixture(scope="session")
def subject(shared_folder: Path) -> Path:
    """The compiled subject; its parts are the words of its first argument."""
    sources = sorted(SUBJECTS.glob("*.c"))
    return compiled_once(shared_folder / "engine" / "subject", *sources)
