# SPDX-License-Identifier: MIT
"""A pytest of its own, with the installed plugin, over files that a test writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

HEAD = "import os, pytest, socket, subprocess, sys, threading, time\n"


@pytest.fixture(autouse=True)
def few_plugins(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the pytest that is run: what its tests do not use takes time."""
    if "pytester" in request.fixturenames:
        request.getfixturevalue("pytester")  # it unsets the variable: ours comes after
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest -p no:cacheprovider")


@pytest.fixture
def over(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Runs pytest over one test file: over(SOURCE, OPTION...)."""

    def run(source: str, *options: str, **how: Any) -> pytest.RunResult:
        pytester.makepyfile(test_it=HEAD + source)
        return pytester.runpytest_subprocess(*options, **how)

    return run
