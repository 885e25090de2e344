# SPDX-License-Identifier: MIT
"""README.md's picture is what scripts/draw_demo.py makes of a real run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / "README.md").is_file():
    pytest.skip("needs the source tree", allow_module_level=True)
PICTURE = ROOT / "docs" / "img" / "demo.svg"
NUMBERS = re.compile(r"[\d,.]+( [nµm]?s)?")


def lines_of(picture: Path) -> list[str]:
    """The text in a picture, line by line."""
    root = ElementTree.parse(picture).getroot()
    return ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]


def test_script_draws_the_demo(tmp_path: Path) -> None:
    made = tmp_path / "demo.svg"
    subprocess.run([sys.executable, ROOT / "scripts" / "draw_demo.py", made], check=True)
    fresh, kept = lines_of(made), lines_of(PICTURE)
    assert fresh[0].startswith("renacer-otel run")
    assert re.fullmatch(
        r"1 trace, 1 run, 4 processes, \d+ calls \(\d+ failed\), \d+ spans", fresh[-1]
    )
    for lines in (fresh, kept):
        assert 15 <= len(lines) <= 45
        programs = [match[1] for line in lines if (match := re.search(r"(\w+)  pid \d+", line))]
        assert programs[2:] == ["sort", "head"]
        assert len(programs) == 4
    assert NUMBERS.sub("N", fresh[0]) == NUMBERS.sub("N", kept[0])


def test_picture_is_small() -> None:
    assert PICTURE.stat().st_size < 16_384
    assert "made by scripts/draw_demo.py" in PICTURE.read_text(encoding="utf-8")


def test_excerpt_of_the_readme_is_of_a_run() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    excerpt = next(block for block in text.split("```") if "renacer-otel run  " in block)
    lines = [line for line in excerpt.splitlines()[1:] if line.strip()]
    assert len(lines) <= 15
    shape = [re.sub(r"[\d,.]+", "N", line) for line in lines]
    assert shape[0] == "renacer-otel run  N ms  L N-N"
    assert any(re.search(r"├─ clone  N [mµ]s  L N-N", line) for line in shape)
