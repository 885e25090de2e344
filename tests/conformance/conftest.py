# SPDX-License-Identifier: MIT
"""The subjects, compiled once for all workers."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.engine.tools")

from tests.conformance.build import Subjects  # noqa: E402


@pytest.fixture(scope="session")
def subjects(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Subjects:
    """The programs of tests/conformance/subjects."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if hasattr(request.config, "workerinput") else base
    return Subjects(shared / "conformance-subjects")
