# SPDX-License-Identifier: MIT
"""What an "equal" is worth where something is withheld: python -m tests.equivalence.calibrate.

For kinds of doubt that can be made on purpose, over the tuning half: pairs and mutants are judged
without what that kind withholds. Of verdicts "equal", the share that is right, pairs and mutants
weighing the same; a factor of confidence.FACTORS may be no greater. --held-out: the same of the
other half, beside the confidence that is claimed there: how far it can be relied upon.
"""

from __future__ import annotations

import dataclasses
import random
import sys
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.analysis.equivalence import confidence, judge, state
from renacer_otel.analysis.equivalence.state import Bytes
from tests.equivalence.corpus_tool import SEED, Bench, halves, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from renacer_otel.analysis.equivalence.judge import Verdict
    from renacer_otel.analysis.equivalence.state import Aspect, State
    from tests.equivalence.corpus_tool import Pair, Seen

_RULES = judge.Rules()
_BY_CALLS_ALONE = (state.DURABILITY, state.CONNECTIONS, state.SIGNALS)


class Way(NamedTuple):
    """Something that is withheld, the doubts that it makes, and how it is judged then."""

    what: str
    kinds: tuple[str, ...]
    final_state: bool
    judged: Callable[[Seen, Seen], Verdict]

    @property
    def claimed(self) -> float:
        """The confidence of "equal" then."""
        doubts = [state.Doubt(kind, "") for kind in self.kinds]
        return confidence.of_equal(doubts, final_state=self.final_state)


def _nothing(a: Seen, b: Seen) -> Verdict:
    return judge.judge([a.real], [b.real], _RULES, final_state=True)


def _as_traced(a: Seen, b: Seen) -> Verdict:
    return judge.judge([a.traced], [b.traced], _RULES)


def _by_calls(a: Seen, b: Seen) -> Verdict:
    return judge.judge([_not_looked(a.traced)], [_not_looked(b.traced)], _RULES)


def _not_looked(seen: State) -> State:
    return dataclasses.replace(seen, looked=None)


def _without_contents(a: Seen, b: Seen) -> Verdict:
    states = [_changed(each.real, lambda _, value: _blank(value)) for each in (a, b)]
    return judge.judge(states[:1], states[1:], _RULES, final_state=True)


def _blank(value: state.Value) -> state.Value:
    return value._replace(digest=b"") if isinstance(value, Bytes) else value


def _without_calls(a: Seen, b: Seen) -> Verdict:
    states = [_without(each.real, lambda aspect: aspect.group in _BY_CALLS_ALONE)
              for each in (a, b)]  # fmt: skip
    return judge.judge(states[:1], states[1:], _RULES, final_state=True)


def _exit_alone(a: Seen, b: Seen) -> Verdict:
    states = [_without(_not_looked(each.traced), lambda aspect: aspect.group != state.EXIT)
              for each in (a, b)]  # fmt: skip
    return judge.judge(states[:1], states[1:], _RULES)


def _without_one(a: Seen, b: Seen, key: Callable[[Aspect], object]) -> Verdict:
    """Without what one key has, of those that any of both has: by chance."""
    keys = sorted({*map(key, (*a.real.aspects, *b.real.aspects))}, key=repr)
    chosen = random.Random(f"{SEED} {keys}").choice(keys)
    states = [_without(each.real, lambda aspect: key(aspect) == chosen) for each in (a, b)]
    return judge.judge(states[:1], states[1:], _RULES, final_state=True)


def _without_one_subject(a: Seen, b: Seen) -> Verdict:
    return _without_one(a, b, lambda aspect: aspect[:2])


def _without_one_aspect(a: Seen, b: Seen) -> Verdict:
    return _without_one(a, b, lambda aspect: aspect)


def _without(seen: State, is_withheld: Callable[[Aspect], bool]) -> State:
    return _changed(seen, lambda aspect, value: None if is_withheld(aspect) else value)


def _changed(seen: State, change: Callable[[Aspect, state.Value], state.Value | None]) -> State:
    changed = {aspect: change(aspect, value) for aspect, value in seen.aspects.items()}
    aspects = {aspect: value for aspect, value in changed.items() if value is not None}
    return dataclasses.replace(seen, aspects=aspects)


WAYS = (
    Way("nothing, programs run", ("once",), True, _nothing),
    Way("nothing, two TRACE files", ("once",), True, _as_traced),
    Way("looks at the files", ("no final state",), False, _by_calls),
    Way("the bytes of outputs and files", ("once", "content"), True, _without_contents),
    Way("one file or output", ("once", "unreadable"), True, _without_one_subject),
    Way("one aspect", ("once", "varies"), True, _without_one_aspect),
    Way("what calls alone tell", ("once", "lost"), True, _without_calls),
    Way("all but the exit status", ("no final state", "lost"), False, _exit_alone),
)


class Share(NamedTuple):
    """Of verdicts "equal" (`equal` of pairs, `missed` of mutants), the share that is right."""

    claimed: float
    equal: int
    missed: int
    share: float


def shares(way: Way, bench: Bench, pairs: list[Pair]) -> list[Share]:
    """One for each confidence that was claimed. Pairs and mutants weigh the same."""
    counts: dict[float, list[int]] = {}
    mutants = 0

    def add(verdict: Verdict, which: int) -> None:
        if verdict.equal:
            claimed = round(verdict.confidence, 2) if way.judged is _by_calls else way.claimed
            counts.setdefault(claimed, [0, 0])[which] += 1

    for pair in pairs:
        plain = {side: bench.run(pair, side) for side in "ab"}
        add(way.judged(plain["a"], plain["b"]), 0)
        for mutant in pair.mutants:
            changed = {**plain, mutant.side: bench.run(pair, mutant.side, mutant)}
            add(way.judged(changed["a"], changed["b"]), 1)
            mutants += 1
    found = []
    for claimed, (equal, missed) in sorted(counts.items(), reverse=True):
        right, wrong = equal / len(pairs), missed / max(mutants, 1)
        found.append(Share(claimed, equal, missed, right / (right + wrong)))
    return found


def main(words: list[str]) -> int:
    tuning, held_out = halves(load())
    wanted = held_out if words == ["--held-out"] else tuning
    pairs = [pair for pair in wanted if not pair.lacks]
    mutants = sum(len(pair.mutants) for pair in pairs)
    print(f"{len(pairs)} pairs and {mutants} mutants")
    print("withheld | claimed | right | 'equal' of pairs | of mutants")
    with closing(Bench()) as bench:
        for way in WAYS:
            for found in shares(way, bench, pairs):
                print(
                    f"{way.what} | {found.claimed:.2f} | {found.share:.2f} | {found.equal} |"
                    f" {found.missed}"
                )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
