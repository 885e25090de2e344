# SPDX-License-Identifier: MIT
"""The commands of .github/workflows/golden-trace.yml do what they are there for.

Each `run` is run as GitHub would (bash -e, in a clean copy of the tree, which is a git repository
of two commits), with what is told in ELSEWHERE left out: the rest is installed already.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.tool import Done, run_program

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "golden-trace.yml"
if not WORKFLOW.is_file():
    pytest.skip("needs the source tree", allow_module_level=True)

# Lines that are not run here, and why.
ELSEWHERE = {
    "python -m pip install '.[test]'": "it is installed",
    "python -m pytest -q tests/test_golden_trace_validation.py"
    " --junitxml=reports/validation.xml": "it is one of these tests",
}
ACTIONS = {"actions/checkout@v6", "actions/setup-python@v6", "actions/upload-artifact@v7"}
IDENTITY = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")


def steps() -> list[dict[str, Any]]:
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    found: list[dict[str, Any]] = jobs["golden-traces"]["steps"]
    return found


def git(tree: Path, *words: str) -> str:
    command = ["git", *IDENTITY, *words]
    return subprocess.run(command, cwd=tree, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Examples and scripts, as a commit."""
    made = tmp_path / "tree"
    for name in ("examples", "scripts"):
        shutil.copytree(ROOT / name, made / name, ignore=shutil.ignore_patterns("build"))
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(made))
    git(made, "add", "--all")
    git(made, "commit", "--quiet", "--message=before")
    return made


def run(tree: Path, script: str, base: str) -> Done:
    """One `run`: Linux runners give it to `bash -e FILE`."""
    file = tree.parent / "step.sh"
    file.write_text("\n".join(line for line in script.splitlines() if line not in ELSEWHERE))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path, "BASE": base, "RUNS": "3"}
    return run_program(["bash", "--noprofile", "--norc", "-e", file], environ, cwd=tree)


def test_what_is_left_out_is_there() -> None:
    lines = {line for step in steps() for line in step.get("run", "").splitlines()}
    assert set(ELSEWHERE) <= lines


def test_actions_are_pinned() -> None:
    assert {step["uses"] for step in steps() if "uses" in step} == ACTIONS


@pytest.mark.needs("git", "bash", "cc")
def test_the_same_passes(tree: Path) -> None:
    for step in steps():
        if "run" in step:
            done = run(tree, step["run"], git(tree, "rev-parse", "HEAD").strip())
            assert done.code == 0, (step["name"], done.out, done.err)
    kept = next(step["with"]["path"] for step in steps() if "upload" in step.get("uses", ""))
    found = [path for pattern in kept.split() for path in tree.glob(pattern.rstrip("/"))]
    assert {path.name for path in found} == {"golden", "budgets.xml"}  # reports: see ELSEWHERE
    assert sorted(tree.glob("golden/trivial_cli/*.golden"))
    assert 'failures="0"' in (tree / "examples/trivial_cli/budgets.xml").read_text()


@pytest.mark.needs("git", "bash", "cc")
def test_a_change_fails_the_step_that_looks_for_it(tree: Path) -> None:
    before = git(tree, "rev-parse", "HEAD").strip()
    source = tree / "examples" / "trivial_cli" / "trivial_cli.c"
    text = source.read_text()
    end = text.rindex("\treturn ")
    source.write_text(f'{text[:end]}\tif (!fopen("log", "w"))\n\t\treturn 1;\n{text[end:]}')
    git(tree, "commit", "--quiet", "--all", "--message=after")
    failed = None
    for step in steps():
        if "run" in step:
            done = run(tree, step["run"], before)
            if done.code != 0:
                failed = step["name"]
                break
    assert failed == "Validate what they do now", done
    assert done.code == 1
    assert "::error" in done.out
    assert "log" in done.out.splitlines()[0]
