# SPDX-License-Identifier: MIT
"""Random programs against their vector clocks, all kinds, as a table: python -m … [PROGRAMS].

Exit 1: a time was wrong, a link was wrong, a cause was not joined, or under 99.9 % were linked.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.causality import programs, runs
from tests.causality.test_property import CHOICES
from tests.causality.truth import Verdict
from tests.compiling import compiled

LEAST = 0.999


def collect(folder: Path, number: int) -> Verdict:
    """The first half with --cpu auto, the rest with free."""
    kinds = frozenset().union(*(choice.kinds for choice in CHOICES.values()))
    sources = sorted(Path(__file__).with_name("subject").glob("*.c"))
    runner = compiled(folder / "subject", *sources, "-lrt")
    work = folder / "work"
    work.mkdir()
    found = Verdict()
    for index in range(number):
        cpu = "auto" if index < number / 2 else "free"
        seed = f"figures {index}"
        found.add(seed, *runs.run(work, runner, programs.program(seed, kinds), "--cpu", cpu))
    return found


def main() -> int:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = collect(Path(folder), number)
    print(f"{number} programs, {found.pairs} pairs of events in order, "
          f"{time.monotonic() - begin:.0f} s")  # fmt: skip
    print("| edge | certain | linked |\n|---|---|---|")
    for kind, certain in sorted(found.certain.items()):
        print(f"| `{kind}` | {certain} | {certain - found.missing[kind]} |")
    missing, total = sum(found.missing.values()), sum(found.certain.values())
    print(f"linked: {100 * (1 - missing / max(1, total)):.3f} %")
    for title, lines in (
        ("times that are wrong", found.broken),
        ("links that are wrong", found.wrong),
        ("causes that are not joined", found.unjoined),
        ("not linked", found.unlinked),
    ):
        print(f"{title}: {len(lines)}")
        for line in lines[:10]:
            print(f"  {line}")
    wrong = found.broken or found.wrong or found.unjoined
    return 1 if wrong or missing > total * (1 - LEAST) else 0


if __name__ == "__main__":
    sys.exit(main())
