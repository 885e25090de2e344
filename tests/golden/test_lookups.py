# SPDX-License-Identifier: MIT
"""A shell looks for its programs along PATH, which machines have each their own."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from renacer_otel.analysis.golden import golden_file
from tests.golden.program import Program

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """cat words.txt | sort > sorted.txt
command -v head > /dev/null
command -v no-such-program
test -e settings/it || test -e words.txt
"""


@pytest.fixture
def program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Program:
    made = Program(tmp_path, monkeypatch, capfd)
    made.write(SCRIPT)
    return made


def _run(program: Program, shell: str, *folders: str) -> list[str]:
    """The command with these folders before those of PATH."""
    places = [program.folder / folder for folder in folders]
    for place in places:
        place.mkdir(exist_ok=True)
    path = os.pathsep.join([*map(str, places), os.environ["PATH"]])
    return ["--", "env", f"PATH={path}", shell, "work.sh"]


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_folders_of_path_are_no_difference(shell: str, program: Program) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    done = program.golden("capture", "it", "--runs", "1", *_run(program, shell, "first", "more"))
    assert done.code == 0, done.err
    golden = golden_file.read(program.traces / "it.golden")
    assert golden.form.normalised["lookups"] > 4
    shown = program.golden("show", "it").out
    assert "/bin/cat" in shown
    assert not any(word in shown for word in ("more/cat", "more/head", "more/no-such-program"))
    assert shown.count("no-such-program") == 1
    assert "settings/it" in shown  # sought, and run by nobody
    for folders in ((), ("first",), ("other", "more", "first")):
        program.check("it", "--strict", *_run(program, shell, *folders), code=0)
    for before, now in (("no-such", "another"), ("settings/it", "other/it")):
        program.write(SCRIPT.replace(before, now))
        lines = program.check("it", *_run(program, shell), code=1)
        assert now in "".join(lines[:2])
    program.write(SCRIPT)
    # One that is found elsewhere is another program.
    (program.folder / "first" / "cat").symlink_to("/bin/cat")
    lines = program.check("it", "--strict", *_run(program, shell, "first"), code=1)
    assert "first/cat" in "".join(lines)


def test_they_can_be_kept(program: Program) -> None:
    words = ("--keep", "lookups", *_run(program, "sh", "first"))
    assert program.golden("capture", "it", "--runs", "1", *words).code == 0
    assert "first/cat, 0) = ENOENT" in program.golden("show", "it").out
    program.check("it", "--strict", code=0)
    assert "first/cat" in "".join(program.check("it", "--strict", *_run(program, "sh"), code=1))
