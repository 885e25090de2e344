# SPDX-License-Identifier: MIT
"""How sure a verdict is: 1, times a factor for each kind of thing that could not be observed.

The factors are measured on the tuning half of the corpus (tests/equivalence/calibrate.py) where it
has such cases, else set by reason; docs/equivalence.md lists them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from renacer_otel.analysis.equivalence.state import Doubt

#: By kind of doubt; each kind counts once, however often it is met.
FACTORS = {
    "once": 0.97,  # each command ran once: what varies by itself was not seen to
    "no final state": 0.95,  # files are known from calls alone
    "content": 0.55,  # bytes that nobody hashed or looked at
    "varies": 0.70,  # an aspect that is not the same in two runs of the same command
    "lost": 0.40,
    "filtered": 0.40,
    "form": 0.40,  # OTLP/JSON, renacer-json: effects that it does not tell
    "attached": 0.60,
    "io_uring": 0.60,
    "path": 0.85,  # a path whose folder is not known
    "offset": 0.85,  # a write whose place in the file is not known
    "unreadable": 0.70,
    "attributes": 0.95,
    "foreign": 0.80,
    "start": 0.95,  # a file was not the same before both runs
    "outside": 0.97,  # the second command found what the first had left elsewhere
}
#: With the real final state these are about less.
_SEEN_AFTERWARDS = {"io_uring": 0.95, "path": 0.99, "offset": 0.99, "lost": 0.80, "filtered": 0.80,
                    "attributes": 1.0}  # fmt: skip
#: Of "not equal": what was seen to differ does.
DIFFERENT = 0.99
#: …but where all that differs are numbers in an output, of one run each.
MAYBE_BY_ITSELF = 0.70


def factor(kind: str, *, final_state: bool) -> float:
    """By what a kind of doubt is multiplied."""
    return _SEEN_AFTERWARDS.get(kind, FACTORS[kind]) if final_state else FACTORS[kind]


def of_equal(doubts: Iterable[Doubt], *, final_state: bool) -> float:
    """How sure it is that two are equal of which nothing was seen to differ."""
    sure = 1.0
    for kind in {doubt.kind for doubt in doubts}:
        sure *= factor(kind, final_state=final_state)
    return sure
