# SPDX-License-Identifier: MIT
"""What a rule for an anti-pattern is, and what it finds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from renacer_otel.analysis.assertions.subject import Subject


class Finding(NamedTuple):
    """One place where a pattern shows.

    `severity`: 0 to 1; `what`: a sentence with its figures; `process`: whose it is, an ordinal.
    """

    severity: float
    what: str
    process: int


class Rule(NamedTuple):
    """`find` tells where a pattern shows, and how much; `advice`: what to do about it.

    `calls`: names of the calls that it looks at; none = of all. `needs`: what the trace has to tell
    for that, words of replay.UNKNOWN; none = all of them.
    """

    find: Callable[[Subject], Iterable[Finding]]
    advice: str = ""
    calls: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


def of_call(subject: Subject, level: float, row: int, what: str) -> Finding:
    """One of the process that made the call in this row: `what` it did."""
    ordinal = int(subject.process[row])
    return Finding(level, f"{subject.who(ordinal)} {what}", ordinal)


def often(counts: NDArray[Any], limit: float) -> Iterator[tuple[int, int, float]]:
    """Which of these numbers of times are worth telling: (index, times, severity)."""
    for at, count in enumerate(counts.tolist()):
        level = severity(count, limit)
        if level > 0:
            yield at, count, level


def severity(times: float, limit: float) -> float:
    """Of a number of times: 0.5 at the limit, 1 at ten times the limit, 0 at a tenth of it."""
    if times <= 0:
        return 0.0
    return min(1.0, max(0.0, 0.5 * (1 + math.log10(times / limit))))
