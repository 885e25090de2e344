# SPDX-License-Identifier: MIT
"""The subject of these tests: a C program with habits that rules look for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renacer_otel.analysis.assertions.subject import Subject
from renacer_otel.analysis.causality.history import History
from renacer_otel.spans import replay
from tests.cli.tool import renacer
from tests.compiling import compiled_once

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def habits(shared_folder: Path) -> Path:
    """The compiled subject."""
    source = Path(__file__).parent / "subject" / "habits.c"
    return compiled_once(shared_folder / "assertions" / "habits", source)


@pytest.fixture
def perform(habits: Path, tmp_path: Path) -> Callable[..., tuple[Subject, dict[str, int]]]:
    """Traces the subject in some modes: (what rules see, the pid of each mode)."""

    def performed(*modes: str) -> tuple[Subject, dict[str, int]]:
        for name in ("stays", "changes"):
            (tmp_path / f"file.{name}").write_bytes(bytes(200))
        trace = tmp_path / "habits.renacer"
        done = renacer("--format", "record", "-o", trace, "--", habits, tmp_path, *modes)
        assert done.code == 0, done.err
        words = done.out.split()
        pids = dict(zip(words[::2], map(int, words[1::2]), strict=True))
        return Subject(History.of(replay.of_trace(trace, details=True))), pids

    return performed
