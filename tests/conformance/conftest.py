# SPDX-License-Identifier: MIT
"""The subjects, compiled once for all workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.register_assert_rewrite("tests.engine.tools")

from tests.conformance.build import Subjects  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def subjects(shared_folder: Path) -> Subjects:
    """The programs of tests/conformance/subjects."""
    return Subjects(shared_folder / "conformance-subjects")
