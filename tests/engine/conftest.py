# SPDX-License-Identifier: MIT
"""The subject: a C program that the tests of the engine trace."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.engine.tools")

from tests.engine.tools import SUBJECTS  # noqa: E402


@pytest.fixture(scope="session")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled subject; its parts are the words of its first argument."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler (cc)")
    made = tmp_path_factory.mktemp("subject") / "subject"
    flags = ("-std=gnu11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread")
    sources = sorted(SUBJECTS.glob("*.c"))
    built = subprocess.run(
        [compiler, *flags, "-o", made, *sources],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout
    return made
