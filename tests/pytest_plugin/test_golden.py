# SPDX-License-Identifier: MIT
"""The fixture golden_trace: made, kept to, changed, changed on purpose."""

from __future__ import annotations

from collections.abc import Callable

import pytest

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
    done.stdout.fnmatch_lines(["*first*; pytest --golden-update makes it"])

    done = over(SAME, "--golden-update", "-n", "2")
    done.assert_outcomes(passed=2)
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

    over(CHANGED, "--golden-update", "-k", "first").assert_outcomes(passed=1, deselected=1)
    assert (folder / "first.golden").read_bytes() != goldens["first"]
    assert (folder / "second.golden").read_bytes() == goldens["second"]
