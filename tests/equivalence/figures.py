# SPDX-License-Identifier: MIT
"""What `compare` says of the corpus: python -m tests.equivalence.figures [--tuning] [--added N].

Prints the figures of the held-out half, and ends with 1 if they are not as they must be: no mutant
called equal, and no pair called different, at a confidence of 0.9; nine in ten pairs equal at that.
--added N: of the pairs that came in round N alone, both halves.
"""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from renacer_otel.analysis.equivalence import judge
from tests.equivalence.corpus_tool import Bench, halves, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renacer_otel.analysis.equivalence.judge import Verdict
    from tests.equivalence.corpus_tool import Mutant, Pair, Seen

SURE = 0.9
WAYS = ("run", "traces")


@dataclass
class Figures:
    """Of one way to compare: programs run and looked at, or two TRACE files."""

    way: str
    pairs: int = 0
    sure: int = 0  # pairs called equal at SURE
    different: list[str] = field(default_factory=list)  # pairs called different
    unsure: list[str] = field(default_factory=list)
    mutants: int = 0
    found: int = 0  # mutants called not equal
    missed: list[str] = field(default_factory=list)  # mutants called equal at SURE
    doubted: list[str] = field(default_factory=list)  # called equal with less
    #: By what confidence: how often "equal" was said, and of pairs.
    said: dict[float, list[int]] = field(default_factory=dict)

    def _say(self, verdict: Verdict, right: int) -> None:
        if verdict.equal:
            counts = self.said.setdefault(round(verdict.confidence, 2), [0, 0])
            counts[0] += 1
            counts[1] += right

    def add_pair(self, pair: Pair, verdict: Verdict) -> None:
        self.pairs += 1
        self._say(verdict, 1)
        if not verdict.equal:
            self.different.append(f"{pair.name}: {verdict.differences[0].sentence}")
        elif verdict.confidence >= SURE:
            self.sure += 1
        else:
            why = ", ".join(doubt.what for doubt, factor in verdict.doubts if factor < 1)
            self.unsure.append(f"{pair.name} ({verdict.confidence:.2f}): {why}")

    def add_mutant(self, pair: Pair, mutant: Mutant, verdict: Verdict) -> None:
        self.mutants += 1
        self._say(verdict, 0)
        name = f"{pair.name}: {mutant.name}"
        if not verdict.equal:
            self.found += 1
        elif verdict.confidence >= SURE:
            self.missed.append(name)
        else:
            self.doubted.append(f"{name} ({verdict.confidence:.2f})")

    def lines(self) -> Iterator[str]:
        yield (
            f"{self.way}: {self.pairs} equivalent pairs: {self.sure} called equal at confidence"
            f" >= {SURE}, {len(self.unsure)} with less, {len(self.different)} called different"
        )
        yield from (f"    called different: {each}" for each in self.different)
        yield from (f"    less sure: {each}" for each in self.unsure)
        yield (
            f"{self.way}: {self.mutants} mutants: {self.found} called not equal,"
            f" {len(self.missed)} called equal at confidence >= {SURE},"
            f" {len(self.doubted)} with less"
        )
        yield from (f"    called equal: {each}" for each in self.missed)
        yield from (f"    not seen, and not sure: {each}" for each in self.doubted)
        for sure, (count, right) in sorted(self.said.items(), reverse=True):
            yield f"    equal at confidence {sure:.2f}: said {count} times, right {right} times"

    @property
    def hold(self) -> bool:
        """Whether nothing wrong was said, and nine in ten pairs were called equal."""
        return not (self.missed or self.different) and self.sure >= 0.9 * self.pairs


def verdicts(ours: Seen, theirs: Seen) -> dict[str, Verdict]:
    """By each way."""
    rules = judge.Rules()
    return {
        "run": judge.judge([ours.real], [theirs.real], rules, final_state=True),
        "traces": judge.judge([ours.traced], [theirs.traced], rules),
    }


def figures(bench: Bench, pairs: list[Pair], *, mutants: int | None = None) -> dict[str, Figures]:
    """Of these pairs and their mutants (`mutants`: the first so many of each)."""
    found = {way: Figures(way) for way in WAYS}
    for pair in pairs:
        plain = {side: bench.run(pair, side) for side in "ab"}
        for way, verdict in verdicts(plain["a"], plain["b"]).items():
            found[way].add_pair(pair, verdict)
        for mutant in pair.mutants[:mutants]:
            changed = {**plain, mutant.side: bench.run(pair, mutant.side, mutant)}
            for way, verdict in verdicts(changed["a"], changed["b"]).items():
                found[way].add_mutant(pair, mutant, verdict)
    return found


def main(words: list[str]) -> int:
    tuning, held_out = halves(load())
    wanted, what = (tuning, "tuning half") if "--tuning" in words else (held_out, "held-out half")
    if "--added" in words:
        number = int(words[words.index("--added") + 1])
        wanted = [pair for pair in (*tuning, *held_out) if pair.added == number]
        what = f"pairs of round {number}"
    skipped = [pair for pair in wanted if pair.lacks]
    with closing(Bench()) as bench:
        found = figures(bench, [pair for pair in wanted if not pair.lacks])
    print(f"{what} of the corpus")
    for each in skipped:
        print(f"skipped: {each.name} needs {each.lacks}")
    for way in WAYS:
        print("\n".join(found[way].lines()))
    return 0 if all(each.hold for each in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
