# SPDX-License-Identifier: MIT
"""Command lines of any length are compared whole."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

import pytest

from renacer_otel.analysis.golden import canonical, differences, learning
from renacer_otel.spans import replay
from tests.cli.tool import renacer
from tests.golden.runs import traced

if TYPE_CHECKING:
    from pathlib import Path

    from renacer_otel.analysis.golden.model import Golden

_WORDS = 10_000 if os.environ.get("RENACER_TEST_SCALE") == "full" else 1200
#: Runs children whose last words are all that its own last words name.
PROGRAM = """
import subprocess, sys
def run(kind, *words):
    last = "new" if kind in sys.argv[3:] else "old"
    words = [word.replace("LAST", last).replace("FOLDER", sys.argv[1]) for word in words]
    subprocess.run(["/bin/true", kind, *words])
run("many", *(f"word{n}" for n in range(int(sys.argv[2]))), "LAST")
run("like", *["a" * 50] * 180, "LAST")
run("long", "x" * 130000 + "LAST")
run("script", "-c", "FOLDER/a" + "y" * 9000 + "LAST")
run("beyond", *["z" * 100000] * 3, "LAST")
run("plain", "LAST")
"""
CHANGES = {
    "many": r"\(true\) is now run with new( instead of old)?: /bin/true many word0 word1 ",
    "like": r"\(true\) is now run with new( instead of old)?: /bin/true like aaaaaaa",
    "long": r"\(true\) is now run with '… \(and 126003 characters more: ",
    "script": r"\(true\) is now run with '… \(and 5\d{3} characters more: ",
    "beyond": r"\(true\) is now run with '… \(and 136\d{3} bytes more: ",
    "plain": r"is now run as: /bin/true plain new \(instead of: /bin/true plain old\)",
}


def _command(folder: Path, *changed: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-B", "-c", PROGRAM, str(folder), str(_WORDS), *changed]


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> tuple[Golden, Path]:
    """What it runs, and where the traces are."""
    folder = tmp_path_factory.mktemp("lines")
    return learning.learn([traced(_command(folder), folder) for _ in range(2)]), folder


def _told(golden: tuple[Golden, Path], *changed: str) -> list[str]:
    known, folder = golden
    found = differences.between(known, [traced(_command(folder, *changed), folder)])
    return [one.sentence for one in found if differences.changed([one])]


def test_the_same_lines(golden: tuple[Golden, Path]) -> None:
    assert _told(golden) == []
    assert golden[0].form.missing == ()


def test_the_last_word_of_each(golden: tuple[Golden, Path], test_scale: int) -> None:
    told = _told(golden, *CHANGES)
    for kind, words in CHANGES.items():
        assert len([one for one in told if re.search(words, one)]) == 1, (kind, told)
    assert len(told) == len(CHANGES)
    for kind, words in CHANGES.items() if test_scale > 1 else ():
        assert [bool(re.search(words, one)) for one in _told(golden, kind)] == [True]


def test_what_was_not_captured_is_told(golden: tuple[Golden, Path]) -> None:
    trace = golden[1] / "plain.renacer"
    done = renacer("-f", "-q", "--format", "record", "-o", trace, "--", *_command(golden[1]))
    assert done.code == 0
    form = canonical.of_replay(replay.of_trace(trace, shown=True))
    assert "some command lines are longer than what was captured of them" in form.missing
