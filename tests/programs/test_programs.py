# SPDX-License-Identifier: MIT
"""Real programs do the same traced as bare: exit code, output, files.

A third and more of them in CI, all of them at full scale (``./dev soak``).
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.programs.catalogue import PROGRAMS, SOURCES, Program
from tests.programs.runner import Ran, Traced, differences, run_bare, run_traced
from tests.scale import FULL

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(1800)

_Bare = dict[str, Ran]


def _chosen() -> list[Program]:
    return [program for program in PROGRAMS if FULL or program.in_ci]


def _slug(program: Program) -> str:
    return re.sub(r"[^a-z0-9]+", "-", program.name.lower()).strip("-")


def _params(kind: str) -> list[object]:
    found: list[object] = []
    for program in _chosen():
        if kind == "default" or getattr(program, kind):
            needs = pytest.mark.needs(*program.needs)
            found.append(pytest.param(program, id=_slug(program), marks=needs))
    return found


def _check(program: Program, folder: Path, *options: str, export: bool = False) -> Traced:
    if program.name.startswith("make") and not (SOURCES / "native").is_dir():
        pytest.skip("needs the source tree")
    bare = run_bare(program, folder)
    traced = run_traced(program, folder, options, export=export)
    found = differences(program, bare, traced.ran)
    assert not found, "\n".join(found)
    assert traced.totals.calls > 0
    assert traced.totals.lost == 0
    shutil.rmtree(folder)
    return traced


@pytest.mark.parametrize("program", _params("default"))
def test_traced_as_bare(program: Program, tmp_path: Path) -> None:
    _check(program, tmp_path)


@pytest.mark.parametrize("program", _params("filtered"))
def test_filtered_as_bare(program: Program, tmp_path: Path) -> None:
    _check(program, tmp_path, "-e", "trace=openat")


@pytest.mark.parametrize("program", _params("exported"))
def test_exported_as_bare_and_every_span_arrives(program: Program, tmp_path: Path) -> None:
    traced = _check(program, tmp_path, export=True)
    assert traced.totals.rejected == 0
    assert traced.received == traced.totals.sent
    assert traced.totals.sent is not None
    assert traced.totals.sent > traced.totals.calls  # processes and the run have spans, too


def test_a_difference_would_be_found(tmp_path: Path) -> None:
    """The comparison itself: each kind of difference is told."""
    program = Program("self", ("sh", "-c", ":"))
    (tmp_path / "run").mkdir()
    bare = run_bare(program, tmp_path)
    words = ("sh", "-c", "echo out; echo err >&2; umask 0; : >made; exit 3")
    other = run_traced(Program("self", words), tmp_path).ran
    found = "\n".join(differences(program, bare, other))
    for told in ("exit 0 bare, 3 traced", "output: +out", "errors: +err", "file made: absent"):
        assert told in found
