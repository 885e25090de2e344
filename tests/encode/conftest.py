# SPDX-License-Identifier: MIT
"""The compiled encoders, once for all tests here."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.encode.core import Core, load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def core(shared_folder: Path) -> Core:
    """The core's encoders as a library; skips where no C compiler is."""
    cc = os.environ.get("CC") or "cc"
    if shutil.which(cc) is None:
        pytest.skip(f"needs {cc}")
    return load(cc, shared_folder)
