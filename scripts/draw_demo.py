#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws docs/img/demo.svg: the tree that `renacer-otel demo` prints, shortened.

    scripts/draw_demo.py [FILE]     with no FILE: docs/img/demo.svg
    scripts/draw_demo.py --text     the shortened tree as text, for README.md

Runs the installed command; every number is from that run. Neighbouring calls that say little
are counted in one line.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html import escape
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "docs" / "img" / "demo.svg"
KEPT = {"execve", "clone", "vfork", "clone3", "write", "wait4"}
COLUMNS = 66

FONT_SIZE, LINE_HEIGHT, MARGIN = 13, 18, 14
CHAR_WIDTH = 7.83  # of a monospaced font of this size
COLOURS = {"run": "#e5c07b", "process": "#61afef", "call": "#c8ccd4", "more": "#7f848e"}
INK, PAPER = "#c8ccd4", "#21252b"

_LINE = re.compile(r"(?P<lead>[│├└─ ]*)(?P<name>\S+)(?: \u00d7(?P<count>\d+))?")


def demo() -> list[str]:
    """The lines of the tree, and the line of counts."""
    program = Path(sys.executable).parent / "renacer-otel"
    environ = {**os.environ, "COLUMNS": str(COLUMNS), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [program, "demo"], env=environ, capture_output=True, check=True, encoding="utf-8"
    )
    lines = done.stdout.splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("renacer-otel run"))
    end = next(at for at, line in enumerate(lines) if re.match(r"\d+ traces?, ", line))
    return lines[start : end + 1]


def kind_of(line: str) -> str:
    """What a line is about: "run", "process", "call", "more" or "counts"."""
    match = _LINE.match(line)
    if line.startswith("renacer-otel run"):
        return "run"
    if not match or not match["lead"]:
        return "counts"
    if re.search(r"  pid \d+  ", line):
        return "process"
    return "more" if match["name"] == "…" else "call"


def shorten(lines: list[str]) -> list[str]:
    """Counts neighbouring calls that are not in KEPT in one line."""
    shown: list[str] = []
    hidden: list[re.Match[str]] = []

    def flush() -> None:
        if len(hidden) == 1:
            shown.append(hidden[0].string)
        elif hidden:
            calls = sum(int(match["count"] or 1) for match in hidden)
            shown.append(f"{hidden[-1]['lead']}… {calls} calls")
        hidden.clear()

    for line in lines:
        match = _LINE.match(line)
        dull = kind_of(line) == "call" and match and match["name"] not in KEPT
        if not dull or (hidden and match and len(match["lead"]) != len(hidden[0]["lead"])):
            flush()
        if dull and match:
            hidden.append(match)
        else:
            shown.append(line)
    flush()
    return shown


def draw(lines: list[str]) -> str:
    """The lines as SVG."""
    width = 2 * MARGIN + COLUMNS * CHAR_WIDTH
    height = 2 * MARGIN + len(lines) * LINE_HEIGHT
    rows = []
    for number, line in enumerate(lines):
        y = MARGIN + number * LINE_HEIGHT + FONT_SIZE
        match = _LINE.match(line)
        lead = match["lead"] if match else ""
        colour = COLOURS.get(kind_of(line), INK)
        rows.append(
            f'<text x="{MARGIN}" y="{y}"><tspan fill="{COLOURS["more"]}">{lead}</tspan>'
            f'<tspan fill="{colour}">{escape(line[len(lead) :])}</tspan></text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}"'
        f' font-family="ui-monospace, Menlo, Consolas, monospace" font-size="{FONT_SIZE}"'
        ' xml:space="preserve">\n'
        "<!-- made by scripts/draw_demo.py -->\n"
        f"<title>The spans of a shell pipeline</title>\n"
        f'<rect width="100%" height="100%" rx="6" fill="{PAPER}"/>\n'
        + "\n".join(rows)
        + "\n</svg>\n"
    )


def main() -> None:
    """See the module's docstring."""
    lines = shorten(demo())
    if sys.argv[1:] == ["--text"]:
        print("\n".join(lines))
        return
    target = Path(sys.argv[1]) if sys.argv[1:] else TARGET
    target.write_text(draw(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
