# SPDX-License-Identifier: MIT
"""Runs a random program, traced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.causality import truth
from tests.causality.programs import Program, Shared
from tests.engine.tools import execute, traced

if TYPE_CHECKING:
    from pathlib import Path


def run(
    folder: Path, runner: Path, program: Program, *options: str
) -> tuple[truth.Truth, truth.Told]:
    """What happened in a program, and what its trace says."""
    script, trace = folder / "script", folder / "run.renacer"
    script.write_bytes(bytes(program.image(str(folder))))
    before = traced("--format", "record", "-o", trace, *options)
    done = execute([*before, runner, script])
    assert (done.status, done.output, done.errors) == (0, "", ""), (program.seed, done)
    shared = Shared.from_buffer_copy(script.read_bytes())
    happened = truth.of_program(program, shared)
    told = truth.of_trace(trace, happened, shared)
    for path in folder.iterdir():
        path.unlink()
    return happened, told
