# SPDX-License-Identifier: MIT
"""The examples' golden traces: seven validations.

What is checked in (examples/*/golden_traces) is of one machine: its form, its budget and what it
shows are validated. Whether a program still does the same is asked of golden traces that are
captured here, of the same program: another libc or Python does it with other calls.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from renacer_otel.analysis.golden import golden_file
from tests.cli.tool import RENACER, renacer, run_program
from tests.compiling import compiler, making

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "trivial_cli"
if not EXAMPLE.is_dir():
    pytest.skip("needs the source tree", allow_module_level=True)
CHECKED_IN = EXAMPLE / "golden_traces"
NAMES = ("trivial_cli_c", "trivial_cli_python")
#: Calls that a run may make: renacer.toml's max_syscall_budget, and what Python takes to start.
BUDGET = {"trivial_cli_c": 150, "trivial_cli_python": 1500}
GREETING = "Hello, Ada!\n"


def commands() -> dict[str, list[str]]:
    lines = (EXAMPLE / "commands.txt").read_text().splitlines()
    words = [line.split() for line in lines if line and not line.startswith("#")]
    return {name: command for name, *command in words}


@pytest.fixture(scope="module")
def captured(shared_folder: Path) -> Path:
    """A copy of the example, built, with golden traces captured here by the script."""
    compiler()
    with making(shared_folder / "trivial_cli") as being_made:
        if being_made is not None:
            shutil.copytree(ROOT / "examples", being_made / "examples", ignore=_left_out)
            (being_made / "scripts").mkdir()
            shutil.copy(ROOT / "scripts" / "capture_golden_traces.sh", being_made / "scripts")
            done = run_program(
                [being_made / "scripts" / "capture_golden_traces.sh"],
                {**_environ(), "RENACER_OTEL": RENACER, "RUNS": "2"},
            )
            assert done.code == 0, done.err
    return shared_folder / "trivial_cli" / "examples" / "trivial_cli"


def _left_out(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name in ("build", "golden_traces")]


def _environ() -> dict[str, str]:
    """python3 is this one."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def listing(folder: Path, name: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return made


def test_there_are_commands() -> None:
    assert tuple(commands()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_1_execution_completes(captured: Path, name: str) -> None:
    done = run_program(commands()[name], _environ(), cwd=captured)
    assert (done.code, done.out, done.err) == (0, GREETING, "")


@pytest.mark.parametrize("name", NAMES)
def test_2_golden_exists(captured: Path, name: str) -> None:
    for folder in (CHECKED_IN, captured / "golden_traces"):
        for end in (".golden", ".json", "_summary.txt", "_source.json"):
            assert (folder / f"{name}{end}").stat().st_size > 0
        assert f"## {name}\n" in (folder / "ANALYSIS.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_3_format_is_valid(captured: Path, name: str) -> None:
    for folder in (CHECKED_IN, captured / "golden_traces"):
        golden = golden_file.read(folder / f"{name}.golden")
        assert (golden.name, list(golden.command)) == (name, commands()[name])
        made = listing(folder, name)
        assert made["format"] == "renacer-json-v1"
        assert made["summary"]["total_syscalls"] == len(made["syscalls"])
        for call in made["syscalls"]:
            assert {"name", "args", "result", "duration_us"} <= call.keys()
        table = (folder / f"{name}_summary.txt").read_text().splitlines()
        assert table[0].endswith("syscall")
        assert table[-1].endswith("total")


@pytest.mark.parametrize("name", NAMES)
def test_4_performance_baseline(captured: Path, name: str) -> None:
    for folder in (CHECKED_IN, captured / "golden_traces"):
        golden = golden_file.read(folder / f"{name}.golden")
        figures = golden.form.figures
        assert len(figures.cpu_us) == len(figures.calls) == golden.runs
        assert all(time >= 0 for time in figures.cpu_us)
        in_calls = sum(call["duration_ns"] for call in listing(folder, name)["syscalls"])
        assert listing(folder, name)["summary"]["total_time_us"] == in_calls // 1000


@pytest.mark.parametrize("name", NAMES)
def test_5_syscall_budget(captured: Path, name: str) -> None:
    for folder in (CHECKED_IN, captured / "golden_traces"):
        assert 0 < listing(folder, name)["summary"]["total_syscalls"] <= BUDGET[name]


@pytest.mark.parametrize("name", NAMES)
def test_6_expected_patterns(captured: Path, name: str) -> None:
    for folder in (CHECKED_IN, captured / "golden_traces"):
        made = listing(folder, name)
        calls = made["syscalls"]
        assert calls[0]["name"] == "execve"
        assert calls[-1]["name"] == "exit_group"
        opened = [call for call in calls if '"greeting.txt"' in call["args"]]
        assert any(call["args"][2].startswith("O_RDONLY") for call in opened)
        written = [call["args"] for call in calls if call["name"] == "write"]
        assert written == [["1", json.dumps(GREETING), str(len(GREETING))]]
        assert not [call for call in calls if call["name"] in ("socket", "connect", "fork")]
        assert made["summary"]["exit_code"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_7_regression_check(captured: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "trivial_cli"
    shutil.copytree(captured, folder)
    words = ("golden", "check", name, "--ignore-timing")
    done = renacer(*words, env=_environ(), cwd=folder)
    assert done.code == 0, done.out
    (folder / "greeting.txt").write_text("Good evening\n")
    done = renacer(*words, env=_environ(), cwd=folder)
    assert done.code == 1, done.out
    assert done.out.startswith(f"{name} changed: ")
    (folder / "greeting.txt").unlink()
    done = renacer(*words, env=_environ(), cwd=folder)
    assert done.code == 4, done.out
    assert done.out.startswith(f"{name} failed: the command exited with 1, before: 0; it said: ")
