# SPDX-License-Identifier: MIT
"""A program whose calls' lines are known, and what a TRACE tells of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.spans import replay, source
from tests.cli.tool import renacer
from tests.compiling import compiled

if TYPE_CHECKING:
    from collections.abc import Mapping

SUBJECTS = Path(__file__).parent / "subjects"
_MARK = re.compile(r"/\* (\w+): (\w+) \*/")


class Mark(NamedTuple):
    """Where a call is made."""

    file: str
    line: int
    function: str


def marks() -> dict[str, Mark]:
    """By the call's name."""
    found = {}
    for name in ("main.c", "other.c"):
        lines = (SUBJECTS / "src" / name).read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            for call, function in _MARK.findall(line):
                if line.strip().startswith("/*"):
                    continue
                found[call] = Mark(f"src/{name}", number, function)
    assert len(found) == 12
    return found


def build(folder: Path, *flags: str, cc: str = "cc", name: str = "subject") -> Path:
    """The program, as a project's makefile would have it: compiled from the folder above src."""
    import os

    here = Path.cwd()
    os.chdir(SUBJECTS)
    try:
        return compiled(folder / name, "src/main.c", "src/other.c", "-ldl", *flags, cc=cc)
    finally:
        os.chdir(here)


def traced(
    trace: Path, *command: str | Path, env: Mapping[str, str] | None = None
) -> replay.Replay:
    """A TRACE of the command with sources."""
    done = renacer("--source", "--format", "record", "-o", trace, "--", *command, env=env)
    assert done.code == 0, done.err
    return replay.of_trace(trace, details=True)


def frames(found: replay.Replay) -> dict[str, list[source.Frame]]:
    """Of every call, by its name, those of which a place is known."""
    assert found.details is not None
    told: dict[str, list[source.Frame]] = {}
    for row, call in enumerate(found.calls):
        frame = source.resolve(found.details, row)
        assert (frame is None) == (row == 0), "the exec that began the command is not its own"
        if frame is not None and frame.module:
            name = replay.call_name(int(call["abi"]), int(call["nr"]))
            told.setdefault(name, []).append(frame)
    return told
