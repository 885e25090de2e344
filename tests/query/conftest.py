# SPDX-License-Identifier: MIT
"""One trace for all tests of this folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from renacer_otel.analysis.sql import Database
from renacer_otel.spans import replay
from tests.cli.tool import renacer

SCRIPT = r"""
import os, signal, subprocess, sys
folder = os.fsencode(sys.argv[1])
fd = os.open(folder + b"/plain", os.O_RDWR | os.O_CREAT, 0o644)
for _ in range(5):
    os.write(fd, b"abc")
os.close(fd)
try:
    os.rmdir(folder + b"/not-\xff-here\x1b[31m")
except OSError:
    pass
subprocess.run(["sh", "-c", "exit 3"])
child = subprocess.Popen(["sleep", "60"])
child.kill()
child.wait()
"""


@pytest.fixture(scope="session")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a small program, whose folder is the file's."""
    folder = tmp_path_factory.mktemp("query")
    done = renacer(
        *("-q", "--format", "record", "-o", folder / "trace", "--"),
        *(sys.executable, "-S", "-c", SCRIPT, folder),
    )
    assert done.code == 0, done.err
    return folder / "trace"


@pytest.fixture(scope="session")
def run(trace: Path) -> replay.Replay:
    """The same, interpreted."""
    return replay.of_trace(trace, details=True)


@pytest.fixture
def database(run: replay.Replay) -> Database:
    """Its tables."""
    return Database(run)
