# SPDX-License-Identifier: MIT
"""Is a command slower than it was? By distributions over runs, never by one sample.

Of each quantity (CPU time; time waited, by who waits and what for) there are the values of the
golden runs and those of the runs of a check. It is slower if all hold:

- Mann and Whitney's test, exact and one-sided (midranks for ties), gives a probability of at most
  ALPHA that the check's values are as great as they are by chance.
- The shift between the two by Hodges and Lehmann (the median of all differences) is greater than
  the tolerance, a share of the golden median, and greater than a floor.
- So is the difference of each single run of the check from the golden median: a wait with a long
  tail, as of disks and networks, would pass the first two once in some hundred times.

docs/golden-traces.md tells this to users, and when a machine is not fit to judge by.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.analysis.golden import waits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from renacer_otel.analysis.golden.model import Figures

ALPHA = 0.01
DEFAULT_TOLERANCE = 50.0  # percent
#: By how many microseconds a sum must have grown, whatever its share.
CPU_FLOOR_US = 20_000
WAIT_FLOOR_US = 8_000
DISK_FLOOR_US = 100_000  # disks have moods
#: Runs of one check: as many as the test needs, at least and at most.
LEAST_RUNS, MOST_RUNS = 6, 9
CPU = "CPU time"
_MOST_RANKED = 40  # values of one side: the test's work grows with their cube
_OTHERS = " (others)"


class Sample(NamedTuple):
    """Of one run, microseconds: CPU time net of the tracer, and waits.of_run()."""

    cpu_us: int
    waits: Mapping[str, int]


class Slower(NamedTuple):
    """A quantity that has grown: medians in microseconds; `p`: of the test."""

    what: str
    before_us: int
    after_us: int
    p: float

    @property
    def sentence(self) -> str:
        """For a person: "cat waits for bytes from make: now 152 ms, before 50.1 ms (3.0 times)"."""
        if self.what.endswith(_OTHERS) and not self.before_us:
            who, _, kind = self.what.removesuffix(_OTHERS).partition(" waits for ")
            after = shown(self.after_us)
            return f"{who} now also waits for {kind}: {after}, before hardly or not at all"
        told = f"{plain(self.what)}: now {shown(self.after_us)}, before {shown(self.before_us)}"
        if self.before_us < 1000:
            return told
        return f"{told} ({self.after_us / self.before_us:.1f} times)"


def plain(what: str) -> str:
    """A quantity for people."""
    if not what.endswith(_OTHERS):
        return what
    return what.removesuffix(_OTHERS) + ", beside what it waits for in every golden run"


def shown(microseconds: float) -> str:
    """A time as people read it."""
    if microseconds >= 1e6:
        return f"{microseconds / 1e6:.2f} s"
    return f"{microseconds / 1e3:.3g} ms" if microseconds < 1e5 else f"{microseconds / 1e3:.0f} ms"


def runs_needed(golden_runs: int) -> int | None:
    """How many runs a check takes until it may call something slower; None: no number would do."""
    for runs in range(LEAST_RUNS, MOST_RUNS + 1):
        if 1 / math.comb(golden_runs + runs, runs) <= ALPHA:
            return runs
    return None


def figures_of(
    samples: Sequence[Sample],
) -> tuple[tuple[int, ...], dict[str, tuple[int, ...]]]:
    """CPU time of each golden run, and what each waited for; 0 where one did not."""
    keys = sorted({key for sample in samples for key in sample.waits})
    return (
        tuple(sample.cpu_us for sample in samples),
        {key: tuple(sample.waits.get(key, 0) for sample in samples) for key in keys},
    )


def suspects(figures: Figures, sample: Sample, tolerance: float) -> list[str]:
    """What one run alone makes look slower: reason to run again, and to say nothing yet."""
    return [
        what
        for what, before, after in _quantities(figures, [sample])
        if after[0] > max(before) and _is_more(what, before, after, tolerance)
    ]


def judge(figures: Figures, samples: Sequence[Sample], tolerance: float) -> list[Slower]:
    """What is slower, the cause before what only waits for it. `tolerance`: percent."""
    found: list[Slower] = []
    for what, before, after in _quantities(figures, samples):
        p = probability(before, after)
        if p <= ALPHA and _is_more(what, before, after, tolerance):
            old, new = (round(statistics.median(side)) for side in (before, after))
            found.append(Slower(what, old, new, p))
    return sorted(found, key=_importance)


def _importance(slower: Slower) -> tuple[int, int]:
    what = slower.what.partition(" waits for ")[2]
    rank = 1 if what.startswith(waits.SEEN_FROM_HERE) else 0
    if slower.what == CPU or what.startswith(waits.ITS_OWN):
        rank = -1
    return rank, slower.before_us - slower.after_us


def _quantities(
    figures: Figures, samples: Sequence[Sample]
) -> list[tuple[str, list[int], list[int]]]:
    """(what, golden values, the check's). What not every golden run waited for counts by kind."""
    found: list[tuple[str, list[int], list[int]]] = []
    if figures.cpu_us:
        found.append((CPU, list(figures.cpu_us), [sample.cpu_us for sample in samples]))
    runs = max((len(values) for values in figures.off_cpu_us.values()), default=0)
    if not runs and not figures.cpu_us:
        return []
    runs = runs or len(figures.cpu_us)
    stable = {key: values for key, values in figures.off_cpu_us.items() if all(values)}
    for key, values in stable.items():
        found.append((key, list(values), [sample.waits.get(key, 0) for sample in samples]))
    before = [
        waits.by_kind({
            key: values[run] for key, values in figures.off_cpu_us.items() if key not in stable
        })
        for run in range(runs)
    ]  # fmt: skip
    after = [
        waits.by_kind({key: value for key, value in sample.waits.items() if key not in stable})
        for sample in samples
    ]
    found += [
        (
            f"{kind}{_OTHERS}",
            [sums.get(kind, 0) for sums in before],
            [sums.get(kind, 0) for sums in after],
        )
        for kind in sorted({kind for sums in (*before, *after) for kind in sums})
    ]
    return found


def _is_more(what: str, before: list[int], after: list[int], tolerance: float) -> bool:
    shift = statistics.median(new - old for new in after for old in before)
    median = statistics.median(before)
    floor = CPU_FLOOR_US if what == CPU else WAIT_FLOOR_US
    if waits.is_of_disk(what):
        floor = DISK_FLOOR_US
    return min(shift, min(after) - median) > max(median * tolerance / 100, floor)


def probability(before: Sequence[int], after: Sequence[int]) -> float:
    """That the ranks of `after` have at least the sum they have, were both sides alike.

    Exact: all ways to choose as many of the values are counted, by their sums of (twice the)
    midranks. 1.0 where a side is empty.
    """
    before, after = before[-_MOST_RANKED:], after[-_MOST_RANKED:]
    if not before or not after:
        return 1.0
    values = sorted([*before, *after])
    ranks: dict[int, int] = {}
    for at, value in enumerate(values):
        ranks[value] = ranks.get(value, 2 * at + 1) if value not in ranks else ranks[value] + 1
    doubled = [ranks[value] for value in values]
    observed = sum(ranks[value] for value in after)
    # ways[n]: how many choices of n values have which sum.
    ways: list[Counter[int]] = [Counter() for _ in range(len(after) + 1)]
    ways[0][0] = 1
    for rank in doubled:
        for chosen in range(len(after), 0, -1):
            for total, count in list(ways[chosen - 1].items()):
                ways[chosen][total + rank] += count
    all_of_them = ways[len(after)]
    extreme = sum(count for total, count in all_of_them.items() if total >= observed)
    return extreme / sum(all_of_them.values())
