# SPDX-License-Identifier: MIT
"""The subject of the tests of causality: a C program that runs a script."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

pytest.register_assert_rewrite(
    "tests.engine.tools", "tests.causality.truth", "tests.causality.runs"
)


@pytest.fixture(scope="session")
def script_runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled subject."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler (cc)")
    made = tmp_path_factory.mktemp("causality") / "subject"
    source = Path(__file__).parent / "subject" / "subject.c"
    flags = ("-std=gnu11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror")
    built = subprocess.run(
        [compiler, *flags, "-o", made, source, "-lrt"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout
    return made
