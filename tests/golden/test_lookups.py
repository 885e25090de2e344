# SPDX-License-Identifier: MIT
"""A shell looks for its programs along PATH, which machines have each their own."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from renacer_otel.analysis.golden import golden_file
from tests.cli.tool import Done, environ, renacer
from tests.golden.program import Program, program_fixture

if TYPE_CHECKING:
    from collections.abc import Sequence

SCRIPT = """cat words.txt | sort > sorted.txt
command -v head > /dev/null
command -v no-such-program
test -e settings/it || test -e words.txt
"""


program = program_fixture(SCRIPT)


def _golden(program: Program, folders: Sequence[str], *words: str, shell: str = "sh") -> Done:
    """With these folders before those of PATH."""
    places = [program.folder / folder for folder in folders]
    for place in places:
        place.mkdir(exist_ok=True)
    path = os.pathsep.join([*map(str, places), os.environ["PATH"]])
    if words[0] == "capture":
        words = (*words, "--runs", "1", "--", shell, "work.sh")
    return renacer("golden", *words, env=environ(PATH=path), cwd=program.folder)


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_folders_of_path_are_no_difference(shell: str, program: Program) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    done = _golden(program, ["first", "more"], "capture", "it", shell=shell)
    assert done.code == 0, done.err
    golden = golden_file.read(program.traces / "it.golden")
    assert golden.form.normalised["lookups"] > 4
    shown = program.golden("show", "it").out
    assert "/cat" in shown  # wherever it is
    assert not any(word in shown for word in ("more/cat", "more/head", "more/no-such-program"))
    assert shown.count("no-such-program") == 1
    assert "settings/it" in shown  # sought, and run by nobody
    done = _golden(program, ["other", "more", "first"], "check", "it", "--strict")
    assert done.code == 0, done.out
    for before, now in (("no-such", "another"), ("settings/it", "other/it")):
        program.write(SCRIPT.replace(before, now))
        done = _golden(program, [], "check", "it")
        assert done.code == 1
        assert now in "".join(done.out.splitlines()[:2])
    program.write(SCRIPT)
    # One that is found elsewhere is another program.
    (program.folder / "first" / "cat").symlink_to("/bin/cat")
    done = _golden(program, ["first"], "check", "it", "--strict")
    assert done.code == 1
    assert "first/cat" in done.out


def test_they_can_be_kept(program: Program) -> None:
    assert _golden(program, ["first"], "capture", "it", "--keep", "lookups,home").code == 0
    assert "first/cat, 0) = ENOENT" in program.golden("show", "it").out
    done = _golden(program, [], "check", "it", "--strict")
    assert done.code == 1
    assert "first/cat" in done.out
    # So it is where there was no such rule yet.
    kept = golden_file.read(program.traces / "it.golden")
    old = replace(kept, rules=(), first=(), form=replace(kept.form, kept=()))
    golden_file.write(old, program.traces / "old.golden")
    assert _golden(program, ["first"], "check", "old", "--strict").code == 0
    assert _golden(program, ["first"], "capture", "other").code == 0
    assert "lookups are switched off in one" in program.golden("diff", "it", "other").err
