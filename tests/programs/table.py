# SPDX-License-Identifier: MIT
"""`./dev programs [WORD...]`: every real program twice bare and once traced, as a table.

With words: only programs whose name has one of them. Exit 1 if one of them differs; what is not
installed is told and left out.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tests.programs.catalogue import PROGRAMS, Program
from tests.programs.runner import differences, run_bare, run_traced


def _row(name: str, bare: str, traced: str, calls: str, equal: str) -> None:
    print(f"| {name:<36} | {bare:>7} | {traced:>8} | {calls:>9} | {equal:<5} |", flush=True)


def _run(program: Program, base: Path) -> list[str]:
    first = run_bare(program, base)  # it also finds the files on the disk for those after it
    bare = run_bare(program, base)
    traced = run_traced(program, base)
    found = [f"bare, twice: {line}" for line in differences(program, first, bare)]
    found += differences(program, bare, traced.ran)
    if traced.totals.lost:
        found.append(f"{traced.totals.lost} calls lost")
    before, after = (f"{ran.seconds:.2f}" for ran in (bare, traced.ran))
    _row(program.name, before, after, f"{traced.totals.calls:,}", "NO" if found else "yes")
    return [f"{program.name}: {line}" for line in found]


def main(words: list[str]) -> int:
    chosen = [p for p in PROGRAMS if not words or any(word in p.name for word in words)]
    missing, found = [], []
    _row("program", "bare s", "traced s", "calls", "equal")
    print(f"|{'-' * 38}|{'-' * 8}:|{'-' * 9}:|{'-' * 10}:|{'-' * 7}|")
    for program in chosen:
        absent = [tool for tool in program.needs if shutil.which(tool) is None]
        if absent:
            missing.append(f"{program.name}: left out, {', '.join(absent)} not installed")
            continue
        with tempfile.TemporaryDirectory(prefix="renacer-programs-") as folder:
            found += _run(program, Path(folder))
    print(*missing, *found, sep="\n")
    return 1 if found or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
