# SPDX-License-Identifier: MIT
"""What an "equal" is worth where something is withheld: python -m tests.equivalence.calibrate.

For kinds of doubt that can be made on purpose, over the tuning half: pairs and mutants are judged
without what that kind withholds. Of verdicts "equal", the share that is right, pairs and mutants
weighing the same; a factor of confidence.FACTORS may be no greater.
"""

from __future__ import annotations

import copy
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from renacer_otel.analysis.equivalence import confidence, judge
from renacer_otel.analysis.equivalence.state import Bytes
from tests.equivalence.corpus_tool import Bench, halves, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from renacer_otel.analysis.equivalence.judge import Verdict
    from renacer_otel.analysis.equivalence.state import State
    from tests.equivalence.corpus_tool import Pair, Seen

_RULES = judge.Rules()


def _as_traced(a: Seen, b: Seen) -> Verdict:
    return judge.judge([a.traced], [b.traced], _RULES)


def _without_contents(a: Seen, b: Seen) -> Verdict:
    return judge.judge([_blank(a.real)], [_blank(b.real)], _RULES, final_state=True)


def _blank(state: State) -> State:
    """The same without the bytes of anything."""
    made = copy.copy(state)
    made.aspects = {
        aspect: value._replace(digest=b"") if isinstance(value, Bytes) else value
        for aspect, value in state.aspects.items()
    }
    return made


#: What is withheld, the kind of doubt that it makes, and how it is judged then.
WITHHELD = {
    "a look at the files": ("no final state", _as_traced),
    "the bytes of outputs and files": ("content", _without_contents),
}


def share(ways: Callable[[Seen, Seen], Verdict], bench: Bench, pairs: list[Pair]) -> float:
    """Of verdicts "equal", how many are right; pairs and mutants weigh the same."""
    equal, missed, mutants = 0, 0, 0
    for pair in pairs:
        plain = {side: bench.run(pair, side) for side in "ab"}
        equal += ways(plain["a"], plain["b"]).equal
        for mutant in pair.mutants:
            changed = {**plain, mutant.side: bench.run(pair, mutant.side, mutant)}
            missed += ways(changed["a"], changed["b"]).equal
            mutants += 1
    right, wrong = equal / len(pairs), missed / max(mutants, 1)
    return right / (right + wrong) if right + wrong else 0.0


def main() -> int:
    tuning, _ = halves(load())
    pairs = [pair for pair in tuning if not pair.lacks]
    with closing(Bench()) as bench:
        for what, (kind, ways) in WITHHELD.items():
            found = share(ways, bench, pairs)
            print(f"{what}: {found:.2f} of 'equal' are right; {kind}: {confidence.FACTORS[kind]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
