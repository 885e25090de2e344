# SPDX-License-Identifier: MIT
"""The home folder of who checks is another than that of who captured."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from renacer_otel.analysis.golden import golden_file
from renacer_otel.analysis.golden.texts import Words
from renacer_otel.spans import variables
from tests.cli.tool import Done, environ, renacer
from tests.golden.program import Program

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = "cat ~/.settings words.txt > both.txt\n"


@pytest.fixture
def program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Program:
    """Its folder lies in the first of two homes, `one` and `two`."""
    for name in ("one", "two"):
        (tmp_path / name / "work").mkdir(parents=True)
        for file in (".settings", ".others"):
            (tmp_path / name / file).write_text("a\n")
    made = Program(tmp_path / "one" / "work", monkeypatch, capfd)
    made.write(SCRIPT)
    return made


def _run(program: Program, home: str, *words: str) -> Done:
    env = environ(HOME=f"{program.folder.parent.parent}/{home}")
    done = renacer(*words, "--", "sh", "work.sh", env=env, cwd=program.folder)
    assert done.code in (0, 1), done.err
    return done


def _capture(program: Program, name: str, *words: str, home: str = "one/") -> str:
    """A golden trace as it is shown; HOME may end in a slash."""
    assert _run(program, home, "golden", "capture", name, "--runs", "1", *words).code == 0
    return program.golden("show", name).out


def _check(program: Program, home: str, *words: str, code: int) -> str:
    done = _run(program, home, "golden", "check", *words, "--ignore-timing")
    assert done.code == code, done.out
    return done.out


def test_another_home(program: Program) -> None:
    shown = _capture(program, "work")
    assert "(<home>/.settings, O_RDONLY)" in shown
    assert "(both.txt, O_WRONLY" in shown
    assert "  home: " in shown
    _check(program, "two", "work", "--strict", code=0)
    program.write(SCRIPT.replace(".settings", ".others"))
    assert "<home>/.others" in _check(program, "two", "work", code=1).splitlines()[0]


def test_it_can_be_kept(program: Program) -> None:
    assert "one//.settings" in _capture(program, "kept", "--keep", "home")
    # So it is where there was no such rule yet.
    kept = golden_file.read(program.traces / "kept.golden")
    rules = tuple(rule for rule in kept.rules if rule != "home")
    old = replace(kept, rules=rules, first=(), form=replace(kept.form, kept=()))
    golden_file.write(old, program.traces / "old.golden")
    _check(program, "one/", "old", code=0)


def test_places_that_a_check_lacks(program: Program, tmp_path: Path) -> None:
    given = (f"--place=home={tmp_path / 'one'}", f"--place=unused={tmp_path / 'two'}")
    assert "\nplaces: home\n" in _capture(program, "work", *given, home="one")
    told = "note: the golden trace has --place home=FOLDER, the check has not: give it"
    assert told in _check(program, "one", "work", code=0)
    assert told not in _check(program, "one", "work", *given, code=0)


def test_traces_of_two_homes(program: Program, tmp_path: Path) -> None:
    traces = [str(tmp_path / f"{name}.renacer") for name in ("one", "two")]
    for home, trace in zip(("one", "two"), traces, strict=True):
        assert _run(program, home, "-q", "--format", "record", "-o", trace).code == 0
    done = program.golden("diff", *traces)
    assert done.code == 0, done.out


def test_what_is_a_home() -> None:
    for value in ("", "/", "//", "here", "./x"):
        assert variables.home([f"HOME={value}"]) == "", value
    assert variables.home(["X=y"]) == ""
    assert variables.home(["HOME=//a/./b/", "HOME=/c"]) == "/a/b"
    told = "/h/w/x /h//x /hx"
    for home, places, words in (
        ("/h", {"folder": "/h/w"}, "<folder>/x <home>/x /hx"),
        ("/h/w", {"folder": "/h"}, "<folder>/w/x <folder>//x /hx"),
        ("/h", {"folder": "/h"}, "<folder>/w/x <folder>//x /hx"),
        ("/h", {"folder": "/", "home": "/h/w"}, "<home>/x /h//x /hx"),
        ("/h", {"folder": "/"}, "<home>/w/x <home>/x /hx"),
    ):
        assert Words((), {}, places, home=home)(told) == words
    assert Words(("home",), {}, {}, home="/h")(told) == told
