# SPDX-License-Identifier: MIT
"""Equivalent programs are told as such, and mutants are not: by a part of the corpus, or all of it.

`python -m tests.equivalence.figures` prints the figures of the held-out half.
"""

from __future__ import annotations

import random
from contextlib import closing

import pytest

from tests.equivalence.corpus_tool import SEED, Bench, halves, load
from tests.equivalence.figures import figures


def test_the_corpus_is_what_the_pages_say() -> None:
    pairs = load()
    assert len(pairs) >= 25
    assert sum(len(pair.mutants) for pair in pairs) >= 100
    tuning, held_out = halves(pairs)
    assert sorted(pair.name for pair in (*tuning, *held_out)) == [pair.name for pair in pairs]
    assert {pair.suffix for each in pairs for pair in each.programs.values()} == {
        ".py", ".c", ".sh", ".go", ".rs",
    }  # fmt: skip
    for pair in pairs:
        names = [mutant.name for mutant in pair.mutants]
        assert len(set(names)) == len(names), pair.name


def test_nothing_wrong_is_said(test_scale: int) -> None:
    pairs, mutants = load(), None
    if test_scale == 1:  # some of what a compiler is quick with
        quick = {".py", ".c", ".sh"}
        pairs = [
            pair for pair in pairs if {file.suffix for file in pair.programs.values()} <= quick
        ]
        pairs, mutants = random.Random(SEED).sample(pairs, 8), 2
    pairs = [pair for pair in pairs if not pair.lacks]
    if not pairs:
        pytest.skip("needs cc or sh")
    with closing(Bench()) as bench:
        found = figures(bench, pairs, mutants=mutants)
    for each in found.values():
        assert not each.missed
        assert not each.different
        assert each.pairs == len(pairs)
    assert not found["run"].unsure
    assert found["run"].found == found["run"].mutants
