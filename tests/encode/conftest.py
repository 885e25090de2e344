# SPDX-License-Identifier: MIT
"""The compiled encoders, once for all tests here."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.encode.core import Core, load


@pytest.fixture(scope="session")
def core(tmp_path_factory: pytest.TempPathFactory) -> Core:
    """The core's encoders as a library; skips where no C compiler is."""
    cc = os.environ.get("CC") or "cc"
    if shutil.which(cc) is None:
        pytest.skip(f"needs {cc}")
    folder: Path = tmp_path_factory.mktemp("encode")
    return load(cc, folder)
