# SPDX-License-Identifier: MIT
"""Runs that find what an earlier one left: of a capture, and of a check."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from renacer_otel.analysis.golden import golden_file
from tests.golden.program import Program, program_fixture

PLAIN = "cat words.txt > out\n"
LOOKS = """for name in {0}; do
    case $name in
    "{0}") {2} ;;
    *) {1} ;;
    esac
done
"""
LOCKS = "set -C\n: > lock || exit 1\ncat words.txt >| out\n"


program = program_fixture(PLAIN)


@pytest.mark.parametrize(
    ("look", "before", "found", "absent", "word"),
    [
        ("*.evil", ":", ":", ": > x.evil", "x.evil"),
        ("o*t", "echo good > out", "echo good > out", "echo evil > out", "other bytes to out"),
        # What else it makes was not there.
        ("o*t", ": > out", ": > out", "ls / > /dev/null; : > out", "runs ls /"),
        ("o*d", ":", "rm old", ":", "rm old"),
    ],
)
def test_what_only_the_first_run_does_is_a_change(
    program: Program, look: str, before: str, found: str, absent: str, word: str
) -> None:
    """It looks at names in the folder, so that nothing else of later runs tells."""
    program.write(LOOKS.format(look, before, before))
    program.capture()
    for path in program.folder.glob("out"):
        path.unlink()
    (program.folder / "old").touch()
    program.write(LOOKS.format(look, found, absent))
    lines = program.check("work", code=1)
    assert word in lines[0]
    (told,) = (line for line in lines if "only the first run did so" in line)
    assert "in-copy-of" in told


def test_what_the_first_run_of_the_capture_did_is_none(program: Program) -> None:
    """A check in a new folder does as the capture did there; and what comes after it counts."""
    first = PLAIN + "[ -e more.txt ] || { echo more > more.txt; }\n"
    program.write(first)
    told = program.capture().err
    assert "the first run, which does not count, did otherwise" in told
    assert "more.txt" in told
    more = program.folder / "more.txt"
    for options in ([], ["--strict"]):
        program.check("work", *options, code=0)
        more.unlink()
        assert "was different" not in "".join(program.check("work", *options, code=0))
    for script, code, word in (
        (first.replace("{ ", "{ touch other.txt; "), 1, "other.txt"),
        (first.replace("more >", "MORE >"), 1, "other bytes to more.txt"),
        (first.replace("more >", "longer >"), 1, "7 bytes to more.txt instead of 5"),
        (first.replace("{ ", "{ echo evil; "), 1, "writes to <stdout>"),
        (first.replace("; }", "; exit 3; }"), 4, "exited with 3"),
    ):
        more.unlink()
        program.write(script)
        assert word in "".join(program.check("work", code=code)[:2])
    more.unlink()
    program.write("[ ! -e more.txt ] || touch other.txt\n" + first)
    assert "other.txt" in "".join(program.check("work", code=1)[:2])


def test_a_command_that_can_do_it_only_once(program: Program) -> None:
    words = ("capture", "work", "--runs", "2")
    for command in (["mv", "words.txt", "moved.txt"], ["mkdir", "made"]):
        done = program.golden(*words, "--", *command)
        assert done.code == 4
        assert "does not end alike in all runs: 0, 1, 1; it said: " in done.error
        assert "--in-copy-of FOLDER" in done.error
    (program.folder / "moved.txt").rename("words.txt")
    done = program.golden(*words, "--in-copy-of", ".", "--", "mv", "words.txt", "moved.txt")
    assert done.code == 0, done.err
    golden = golden_file.read(program.traces / "work.golden")
    assert (golden.copy_of, golden.form.roles[0].exits, golden.first) == (".", ("0",), ())
    assert "new copy of ." in program.golden("show", "work").out
    program.check("work", code=0)
    assert (program.folder / "words.txt").exists()
    program.check("work", "--", "mv", "words.txt", "other.txt", code=1)
    program.write(LOCKS)
    for options, code in (([], 4), (["--in-copy-of", "."], 0)):
        done = program.golden("capture", "lock", "--runs", "2", *options, "--", "sh", "work.sh")
        assert done.code == code
        (program.folder / "lock").unlink(missing_ok=True)
    program.check("lock", code=0)
    assert not (program.folder / "lock").exists()
    told = program.check("lock", "--in-copy-of", "work.sh", code=125)[0]
    assert "work.sh: not a folder; name the one" in told
    assert "no such folder" in program.check("lock", "--in-copy-of", "nowhere", code=125)[0]


def test_a_lock_that_stays_is_found(program: Program) -> None:
    program.capture()
    program.write(LOCKS)
    lines = program.check("work", code=4)
    assert "cannot create lock" in lines[0]
    assert "lock for writing" in lines[1]


def test_a_cache_is_no_change(program: Program) -> None:
    """Whoever captured it had it filled; who checks it has it not, nor what is made by it."""
    (program.folder / "module.py").write_text("it = 1\n")
    (program.folder / "cached.py").write_text(
        "import sys\nsys.path.insert(0, '.')\nimport module\nopen('out', 'w').write('text')\n"
    )
    python = (sys.executable, "-IS", "cached.py")
    for _ in range(2):
        done = program.golden("capture", "it", "--runs", "2", "--", *python)
        assert "did otherwise" not in done.err
    for path in (program.folder / "__pycache__").iterdir():
        path.unlink()
    (program.folder / "__pycache__").rmdir()
    (program.folder / "out").unlink()
    program.check("it", code=0)


def test_git_may_bring_its_index_up_to_date(program: Program) -> None:
    if shutil.which("git") is None:
        pytest.skip("there is no git")
    os.utime("words.txt", (1, 1))  # else it is as new as the index, and to be looked at again
    for words in (["init", "-q"], ["add", "words.txt"]):
        subprocess.run(["git", *words], check=True)
    program.write("git status -uno > /dev/null\n")
    program.capture()
    os.utime("words.txt", (2, 2))
    lines = program.check("work", code=0)
    assert any("one of 3 runs was different" in line for line in lines)


def test_golden_traces_are_there_in_each_run(program: Program) -> None:
    """In the folder that the command looks at, and what comes into it; whose trace, none reads."""
    (program.folder / "out").touch()
    program.write("find . | sort > out\n")
    program.capture()
    program.check("work", code=0)
    names = sorted(os.listdir(program.traces))
    program.write("[ -e kept.golden ] || { cp golden_traces/other.golden kept.golden; exit 3; }\n")
    assert program.golden("capture", "other", "--runs", "2", "--", "sh", "work.sh").code == 4
    assert sorted(os.listdir(program.traces)) == names
    (program.folder / "kept.golden").rename(program.traces / "kept.golden")
    assert "not a golden trace but empty: its capture" in program.check("kept", code=3)[0]


def test_what_is_asked_for_alike_is_no_change(program: Program) -> None:
    """Captured where all was made already, checked where it was not."""
    program.write("mkdir -p made\n" + PLAIN + "[ -e out ]\n")
    for _ in range(2):
        program.capture()
    (program.folder / "made").rmdir()
    (program.folder / "out").unlink()
    lines = program.check("work", code=0)
    assert any("one of 3 runs was different" in line for line in lines)


def test_the_content_tells_of_the_second(program: Program) -> None:
    """What a command writes of the time of day is learned to vary."""
    program.write("date +%s > out\n")
    program.waits(is_so=True)
    program.capture()
    for _ in range(2):
        program.check("work", code=0)
    program.write("echo otherwise > out\n")
    program.check("work", code=1)
