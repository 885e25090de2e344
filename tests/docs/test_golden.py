# SPDX-License-Identifier: MIT
"""docs/golden-traces.md has the options, exit codes and thresholds as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from renacer_otel.analysis.golden import load, timing
from renacer_otel.cli import golden
from tests.docs.markdown import code_words, rows_under

PAGE = Path(__file__).resolve().parents[2] / "docs" / "golden-traces.md"
if not PAGE.is_file():
    pytest.skip("needs the source tree", allow_module_level=True)


def test_options_of_check() -> None:
    written = [code_words(row[0]) for row in rows_under(PAGE, "option")]
    actions = golden.check_parser()._actions
    there = [list(action.option_strings) for action in actions if action.option_strings]
    assert sorted(written) == sorted(names for names in there if "--help" not in names)


def test_formats() -> None:
    row = next(row for row in rows_under(PAGE, "option") if "`--format`" in row[0])
    assert [word for word in code_words(row[1]) if word in golden.FORMATS] == list(golden.FORMATS)


def test_thresholds() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    floors = (timing.WAIT_FLOOR_US, timing.CPU_FLOOR_US, timing.DISK_FLOOR_US)
    wait, cpu, disk = (floor // 1000 for floor in floors)
    assert f"than {wait} ms (of CPU time {cpu} ms; of disks and files {disk} ms)" in text
    assert f"over at least {timing.LEAST_RUNS} runs of the check" in text
    assert f"({timing.runs_needed(3)} where 3 golden runs are all there is)" in text
    assert f"a probability of at most {timing.ALPHA}" in text
    assert f"more than {load.MOST_OTHERS} CPUs meanwhile" in text
    assert f"may grow ({timing.DEFAULT_TOLERANCE:.0f})" in text
