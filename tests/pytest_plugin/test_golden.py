# SPDX-License-Identifier: MIT
"""The fixture golden_trace: made, kept to, changed, changed on purpose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from renacer_otel.testing.goldens import GoldenRun, GoldenTrace

Over = Callable[..., pytest.RunResult]

SOURCE = """
WORK = "cat words > sorted; {more}"

@pytest.mark.parametrize("name", ["first", "second"])
def test_same(golden_trace, name, tmp_path):
    (tmp_path / "words").write_text("text")
    run = golden_trace(name, ["sh", "-c", WORK], cwd=tmp_path, runs=2)
    assert run.status == "same"
    print("updated" if run.updated else "kept")
"""
SAME, CHANGED = SOURCE.format(more="exit 0"), SOURCE.format(more="echo more > another")


def test_made_kept_and_changed(pytester: pytest.Pytester, over: Over) -> None:
    done = over(SAME, "-x")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*/first.golden: no such*; pytest --golden-update makes it"])

    done = over(SAME, "--golden-update", "-n", "2")
    done.assert_outcomes(passed=2)
    done.stdout.fnmatch_lines(["*= golden traces =*", "first captured", "second captured"])
    folder = pytester.path / "golden_traces"
    goldens = {name: (folder / f"{name}.golden").read_bytes() for name in ("first", "second")}
    page = (folder / "ANALYSIS.md").read_text()
    assert all(f"## {name}\n" in page for name in goldens)  # neither worker lost the other's

    done = over(SAME, "-rP", "--golden-update", "-k", "first")
    done.assert_outcomes(passed=1, deselected=1)
    done.stdout.fnmatch_lines(["kept"])
    done.stdout.no_fnmatch_line("updated")
    assert (folder / "first.golden").read_bytes() == goldens["first"]

    done = over(CHANGED, "-vv", "-k", "first")
    done.assert_outcomes(failed=1, deselected=1)
    out = done.stdout
    out.fnmatch_lines(
        [
            ">*golden_trace(name, *",
            "E*sh -c * against golden trace first: changed",
            "E*another*",
            "E*before: *",
            "E*now: *",
            "E*pytest --golden-update takes that as what is wanted: */first.golden",
        ]
    )
    out.no_fnmatch_line("*goldens.py*in __call__*")

    done = over(CHANGED, "--golden-update", "-q", "-k", "first")
    done.assert_outcomes(passed=1, deselected=1)
    done.stdout.fnmatch_lines(["first captured again: *another*"])
    assert (folder / "first.golden").read_bytes() != goldens["first"]
    assert (folder / "second.golden").read_bytes() == goldens["second"]


def test_how_much_is_told() -> None:
    """A line each, in a quiet session as in a plain one; with -v what was; with -vv all."""
    rows = [
        {"sentence": f"opens {n}", "severity": "changed", "expected": "", "actual": f"{n}"}
        for n in range(30)
    ]
    rows.append({**rows[0], "sentence": "reads", "severity": "minor"})
    told = {"status": "changed", "exit_code": 1, "error": None, "notes": [], "updated": False}
    run = GoldenRun(("a",), {**told, "differences": rows, "slower": []})
    golden = GoldenTrace("a", Path("a.golden"))
    quiet, plain, more, most = (list(run.explained(golden, number)) for number in (-1, 0, 1, 2))
    assert (
        quiet
        == plain
        == [
            "a against golden trace a: changed",
            *(f"  opens {n}" for n in range(20)),
            "  and 10 more: pytest -vv tells all",
            plain[-1],
        ]
    )
    assert more[-2] == "  and 11 more: pytest -vv tells all"
    assert (more[2], most[-4]) == ("    before: nothing", "  minor: reads")
    assert run.headline == "opens 0 (and 29 more)"
    assert len(run.differences) == 30


def test_a_text_is_no_command(over: Over) -> None:
    source = """
def test_trace(syscall_trace):
    syscall_trace("ls -l")

def test_golden(golden_trace):
    golden_trace("a", "ls -l")
"""
    done = over(source)
    done.assert_outcomes(failed=2)
    told = "E       TypeError: the command must be a list of words: write ['ls', '-l']"
    assert done.stdout.str().count(told) == 2
    for line in ("*def words_of*", "*def __call__*", "*raise TypeError*"):
        done.stdout.no_fnmatch_line(line)


PLACES = """
import pathlib
MAKES = "mkdir -p $0/made; echo text > $0/out; cat $0/out"

def test_placed(golden_trace, tmp_path):
    golden_trace("placed", ["sh", "-c", MAKES, tmp_path], runs=1)

def test_changed(golden_trace, tmp_path, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    golden_trace("placed", ["sh", "-c", MAKES, other])

def test_moved(golden_trace, tmp_path):
    (tmp_path / "a").touch()
    golden_trace("moved", ["mv", "a", "b"], in_copy_of=tmp_path, runs=1)
    assert (tmp_path / "a").exists()

def test_of_the_project(golden_trace, tmp_path):
    script = pathlib.Path(__file__).parent / "script.sh"
    golden_trace("project", ["sh", script], cwd=tmp_path, runs=1)

def test_slow(golden_trace):
    golden_trace("slow", ["sleep", "50"], timeout=0.1)

def test_once(golden_trace, tmp_path):
    (tmp_path / "a").touch()
    golden_trace("once", ["mv", "a", "b"], cwd=tmp_path, runs=1)
"""


def test_folders_of_a_session(over: Over, pytester: pytest.Pytester) -> None:
    """They are new, and have another path, in each; the project lies where it does."""
    (pytester.path / "script.sh").write_text("echo hi > out")
    done = over(PLACES, "--golden-update", "-k", "not changed")
    done.assert_outcomes(passed=3, failed=2, deselected=1)
    out = done.stdout
    out.fnmatch_lines(["E*TimeoutExpired: Command *'sleep', '50'* timed out after 0.1 seconds"])
    for line in ("*def _golden*", "*communicate(*", "*def _check*"):
        out.no_fnmatch_line(line)
    assert b"<rootdir>/script.sh" in (pytester.path / "golden_traces/project.golden").read_bytes()
    out.fnmatch_lines(["E*once: nothing captured: mv does not end alike*--in-copy-of*"])
    out.fnmatch_lines(["*placed: the first run, which does not count, did otherwise*mkdir*"])
    done = over(PLACES, "-k", "not once and not slow")
    done.assert_outcomes(passed=3, failed=1, deselected=2)
    done.stdout.fnmatch_lines(["E*<basetemp>/other0/out for writing*"])


GIVEN = """
ODD = {"PATH": os.environ["PATH"], "PYTHONHOME": "/nowhere", "PYTHONPATH": "/nowhere", "A": "b=c"}

def test_environment(golden_trace, syscall_trace, tmp_path):
    assert syscall_trace(["sh", "-c", "echo $PYTHONHOME $A"], env=ODD).stdout == b"/nowhere b=c\\n"
    run = golden_trace("given", ["sh", "-c", "echo $PYTHONHOME $A"], env=ODD, runs=1)
    assert run.status == "same"

def test_another(golden_trace):
    golden_trace("given", ["sh", "-c", "echo $PYTHONHOME $A"], env={**ODD, "A": "other"})

@pytest.mark.parametrize("fixture", ["golden_trace", "syscall_trace"])
def test_no_folder(request, fixture):
    name = ["name"] if fixture == "golden_trace" else []
    request.getfixturevalue(fixture)(*name, ["true"], cwd="absent")

def test_no_name(syscall_trace):
    syscall_trace(["true"], env={"a=b": "c"})
"""


def test_environments_and_folders(over: Over) -> None:
    assert over(GIVEN, "--golden-update", "-k", "environment").ret == 0
    done = over(GIVEN)
    done.assert_outcomes(passed=1, failed=4)
    out = done.stdout
    out.fnmatch_lines(["E*given: changed"])
    assert out.str().count("No such file or directory: 'absent'") >= 2
    out.fnmatch_lines(["E*ValueError: illegal environment variable: 'a=b'"])
    out.no_fnmatch_line("*subprocess.py*")
    out.no_fnmatch_line("*def _golden*")


TWICE = """
@pytest.mark.parametrize("word", ["one", "two", "one"])
def test_it(golden_trace, word):
    golden_trace("it", ["echo", word], runs=1)
"""


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["alone", "workers"])
def test_a_name_has_one_command(over: Over, pytester: pytest.Pytester, options: list[str]) -> None:
    """Else each session would find a change, and each update pass."""
    done = over(TWICE, "--golden-update", *options)
    out = done.stdout
    out.fnmatch_lines(
        ["E*golden trace it was captured in this session by test_it.py::test_it?*otherwise*"]
    )
    assert done.parseoutcomes()["failed"] >= 1
    assert out.str().count("it captured") == 1
