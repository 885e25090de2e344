# SPDX-License-Identifier: MIT
"""The analysis commands from Python: real commands, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from renacer_otel import api
from renacer_otel.errors import RenacerError

ASSERTIONS = """
[[assertion]]
name = "few"
type = "span_count"
max_spans = 3

[[assertion]]
name = "many"
type = "span_count"
max_spans = 100000
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words").write_text("b\na\n")
    (tmp_path / "renacer.toml").write_text(ASSERTIONS)
    return tmp_path


def test_golden_traces(here: Path) -> None:
    command = ["sh", "-c", "cat words > copy; echo $WORD"]
    told = api.golden_capture("copy", command, runs=2, source=True, env={**os.environ, "WORD": "a"})
    assert any(line.startswith("copy: captured in 2 runs: copy.golden") for line in told)
    assert (here / "golden_traces" / "copy_source.json").exists()
    same = api.golden_check("copy", env={**os.environ, "WORD": "a"})
    assert (same.same, same.status, same.differences) == (True, "same", ())
    changed = api.golden_check(
        "copy", ["sh", "-c", "cat words > copy; cat words > another"], ignore_timing=True
    )
    assert (changed.same, changed.exit_code) == (False, 1)
    assert any("another" in one.sentence for one in changed.differences)
    (here / "words").write_text("b\na\n")
    assert api.golden_check("copy", command, update=True, cwd=here).updated
    (all_of_them,) = api.golden_check_all()
    assert (all_of_them.name, all_of_them.same) == ("copy", True)
    missing = api.golden_check("absent", ["true"])
    assert (missing.exit_code, missing.status) == (2, "missing")


def test_traces(here: Path) -> None:
    for name in ("a", "b"):
        done = api.record(["sh", "-c", f"echo {name} | tee out; exit 3"], here / f"{name}.renacer")
        assert (done.returncode, done.stdout) == (3, f"{name}\n".encode())
    found = api.golden_diff("a.renacer", here / "b.renacer")
    assert not found.same
    assert api.golden_diff("a.renacer", "a.renacer").same
    checked = api.check("a.renacer")
    assert (checked.holds, checked.exit_code) == (False, 1)
    assert {one.name: one.status for one in checked.results} == {"few": "violated", "many": "holds"}
    assert checked.results[0].actual == len(api.query("a.renacer", "SELECT * FROM calls"))
    comparison = api.compare("a.renacer", "b.renacer")
    assert not comparison.equal
    assert any(one["group"] == "files" for one in comparison.differences)


def test_commands(here: Path) -> None:
    assert not api.check(command=["true"]).holds
    alike = api.compare_runs(
        ["sh", "-c", "sort words > out"], ["sh", "-c", "sort -o out words"], in_copy_of=here, runs=1
    )
    assert (alike.equal, alike.exit_code) == (True, 0)
    assert alike.confidence >= 0.9
    other = api.compare_runs(["echo", "a b"], ["echo", "a", "c"], ignore=["files"])
    assert [one["group"] for one in other.differences] == ["output"]


def test_what_is_no_answer(here: Path) -> None:
    wrong: list[tuple[Callable[[], object], int, str]] = [
        (lambda: api.check("absent.renacer"), 2, "absent.renacer"),
        (lambda: api.check("renacer.toml"), 3, "renacer.toml"),
        (lambda: api.query("absent.renacer", "SELECT 1"), 2, "absent.renacer"),
        (lambda: api.golden_capture("x", ["./absent"]), 127, "./absent"),
        (lambda: api.golden_capture("x/y", ["true"]), 125, "x/y"),
        (lambda: api.compare("a", "b"), 2, "a"),
    ]
    for call, code, word in wrong:
        with pytest.raises(RenacerError, match=word) as error:
            call()
        assert error.value.exit_code == code
    with pytest.raises(FileNotFoundError, match="nowhere"):
        api.check(command=["true"], cwd="nowhere")
    with pytest.raises(subprocess.TimeoutExpired):
        api.golden_capture("x", [sys.executable, "-c", "import time; time.sleep(60)"], timeout=1)
    assert not list(here.glob("golden_traces/x*"))
