# SPDX-License-Identifier: MIT
"""Two programs' runs, aspect by aspect: equal or not, how sure, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from renacer_otel.analysis.equivalence import confidence, explain, looked
from renacer_otel.analysis.equivalence import state as aspects
from renacer_otel.analysis.equivalence.state import (
    Aspect,
    Bytes,
    Difference,
    Doubt,
    Measures,
    State,
    Value,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: What can be looked at closer, and what can be left out.
STRICT = {
    "times": "times of files that a program sets, and whether it changed a file at all",
    "writes": "how a file was written: in place, over what was there, appended, or renamed",
    "caches": "interpreters' caches: __pycache__, *.pyc",
    "memory": "B's memory: at most a tenth more than A's",
}
IGNORED = {
    "output": "standard output and error",
    "stderr": "standard error",
    "files": "the final effect on files, and its durability",
    "durability": "what was synced, and in which order",
    "connections": "what was sent to others",
    "owner": "owners of files",
}
_MEMORY_SLACK = 1.1


@dataclass(frozen=True)
class Rules:
    """`strict`: of STRICT, `ignored`: of IGNORED; expectations: None = none."""

    strict: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()
    min_confidence: float = 0.9
    speedup_min: float | None = None
    speedup_max: float | None = None
    memory_reduction_min: float | None = None

    def takes(self, aspect: Aspect) -> bool:
        """Whether an aspect is compared."""
        group, subject, what = aspect
        ignored = self.ignored
        if group == aspects.WAYS:
            return "writes" in self.strict and "files" not in ignored
        if group in (aspects.FILES, aspects.DURABILITY) and "files" in ignored:
            return False
        if what == "times":
            return "times" in self.strict
        if what == "time set" and "times" in self.strict:
            return False  # that says it
        if what == "owner" and "owner" in ignored:
            return False
        if group == aspects.OUTPUT:
            return "output" not in ignored and not (
                subject == "standard error" and "stderr" in ignored
            )
        if group == aspects.CONNECTIONS:
            return not {"output", "connections"} & ignored
        return not (group == aspects.DURABILITY and "durability" in ignored)


@dataclass
class Expectation:
    """A figure beside the verdict; `holds` is None where it cannot be known."""

    name: str
    actual: float | None
    minimum: float | None
    maximum: float | None
    holds: bool | None


@dataclass
class Verdict:
    """`equal` and how sure that is (0 to 1). `compared`: aspects of each group."""

    equal: bool
    confidence: float
    differences: list[Difference]
    doubts: list[tuple[Doubt, float]]  # with its factor
    compared: dict[str, int]
    measures: tuple[Measures, Measures]
    speedup: float | None
    memory_ratio: float | None  # B's by A's
    expectations: list[Expectation] = field(default_factory=list)
    failed: bool = False  # one command failed, and the other not alike
    failed_alike: str = ""  # "exits with 2": as each run of both

    def holds(self, rules: Rules) -> bool:
        """Whether it is as wanted."""
        sure = self.equal and self.confidence >= rules.min_confidence
        return sure and all(each.holds for each in self.expectations)


def judge(
    a: Sequence[State], b: Sequence[State], rules: Rules, *, final_state: bool = False
) -> Verdict:
    """`a`, `b`: one state for each run. `final_state`: files were looked at after each run."""
    once = "each command ran once; --runs 2 sees what varies by itself"
    if not final_state and len(a) == len(b) == 1 and a[0].looked and b[0].looked:
        ours, theirs = looked.completed(a[0], b[0])
        a, b, final_state = [ours], [theirs], True
        once = "each trace is of one run: what varies by itself is not seen"
    doubts: list[Doubt] = []
    for each in (*a, *b):
        for doubt in each.doubts:
            if not any((doubt.kind, doubt.what) == (one.kind, one.what) for one in doubts):
                doubts.append(doubt)
    if final_state and (len(a) == 1 or len(b) == 1):
        doubts.append(Doubt("once", once))
    differences = list(_differences(a, b, rules, doubts))
    counts = Counter(
        aspect.group for aspect in _all_aspects((*a, *b)) if rules.takes(aspect)
    )  # fmt: skip
    if differences:
        by_itself = len(a) == len(b) == 1 and all(each.by_itself for each in differences)
        sure = confidence.MAYBE_BY_ITSELF if by_itself else confidence.DIFFERENT
    else:
        sure = confidence.of_equal(doubts, final_state=final_state)
    first, second = _typical(a), _typical(b)
    speedup = first.time_ns / second.time_ns if first.time_ns and second.time_ns else None
    ratio = second.memory / first.memory if first.memory and second.memory is not None else None
    factors = [(each, confidence.factor(each.kind, final_state=final_state)) for each in doubts]
    return Verdict(
        not differences,
        round(sure, 4),
        differences,
        factors,
        {group: counts[group] for group in aspects.GROUPS if counts[group]},
        (first, second),
        speedup,
        ratio,
        list(_expectations(rules, speedup, ratio)),
        _failed(a, b),
        _failed_alike((*a, *b)),
    )


def _all_aspects(states: Sequence[State]) -> list[Aspect]:
    """All that there are, in the order in which they are told."""
    found = {aspect: None for each in states for aspect in each.aspects}
    return sorted(found, key=lambda aspect: (aspects.GROUPS.index(aspect.group), aspect))


def _differences(
    a: Sequence[State], b: Sequence[State], rules: Rules, doubts: list[Doubt]
) -> Iterator[Difference]:
    absent: set[str] = set()
    for aspect in _all_aspects((*a, *b)):
        if not rules.takes(aspect):
            continue
        ours = [each.aspects.get(aspect) for each in a]
        theirs = [each.aspects.get(aspect) for each in b]
        group, subject, what = aspect
        if group in (aspects.FILES, aspects.DURABILITY, aspects.WAYS) and what != "type":
            kinds = [each.aspects.get(Aspect(aspects.FILES, subject, "type")) for each in (*a, *b)]
            if subject in absent or len(set(kinds)) > 1:
                absent.add(subject)
                continue  # its type says it
        if what == "time set" and None in (*ours, *theirs):
            continue  # one has just written it
        if group == aspects.IPC and what == "content":
            left = Aspect(aspects.IPC, subject, "left behind")
            if not all(left in each.aspects for each in (*a, *b)):
                continue  # that says it
        if what == "type" and _may_be_as_before(subject, ours, theirs, a, b):
            absent.add(subject)
            doubts.append(Doubt("content", f"{explain.name(aspect)}: may be as it was before"))
            continue
        same = _same(aspect, ours, theirs, doubts)
        if same is False:
            yield explain.difference(aspect, a, b)


def _may_be_as_before(
    subject: str,
    ours: list[Value | None],
    theirs: list[Value | None],
    a: Sequence[State],
    b: Sequence[State],
) -> bool:
    """Of traces: what only one of them wrote over may be what it was."""
    if (None in ours) == (None in theirs):
        return False
    kinds, side = (theirs, b) if None in ours else (ours, a)
    return "absent" not in kinds and all(subject in each.existed for each in side)


def _same(
    aspect: Aspect, ours: list[Value | None], theirs: list[Value | None], doubts: list[Doubt]
) -> bool | None:
    """None: it cannot be known, which is added to the doubts."""
    if aspect.what == "order":
        return _same_order(ours, theirs)
    contents = [each for each in (*ours, *theirs) if isinstance(each, Bytes)]
    if aspect.what == "content" and contents and None in (*ours, *theirs):
        doubts.append(Doubt("content", f"{explain.name(aspect)}: only one of the traces tells it"))
        return None  # it was renamed, or linked: what was in it before nobody has told
    comparable = len({each.kind for each in contents}) < 2
    if not comparable or not all(each.is_known for each in contents):
        sizes = [
            {each.size if isinstance(each, Bytes) else None for each in side}
            for side in (ours, theirs)
        ]
        if comparable and not sizes[0] & sizes[1]:
            return False
        doubts.append(Doubt("content", f"{explain.name(aspect)}: its bytes are not known"))
        return None
    first, second = set(ours), set(theirs)
    if len(first) == len(second) == 1:
        if first == second:
            return True
        return _no_mode_told(aspect, ours, theirs, doubts)
    if (len(first) > 1 and len(second) > 1) or first & second:
        doubts.append(Doubt("varies", f"{explain.name(aspect)} varies from run to run"))
        return None
    return False


def _no_mode_told(
    aspect: Aspect, ours: list[Value | None], theirs: list[Value | None], doubts: list[Doubt]
) -> bool | None:
    """Of traces: a mode that only one of them sets may have been so before."""
    only_one = (None in ours) != (None in theirs)
    if aspect.group == aspects.FILES and aspect.what in ("mode", "owner") and only_one:
        doubts.append(Doubt("content", f"{explain.name(aspect)}: only one of the traces sets it"))
        return None
    return False


def _same_order(ours: list[Value | None], theirs: list[Value | None]) -> bool | None:
    """The order of what both sync and name."""
    first, second = ours[0] or (), theirs[0] or ()
    assert isinstance(first, tuple)
    assert isinstance(second, tuple)
    both = set(first) & set(second)
    return [each for each in first if each in both] == [each for each in second if each in both]


def _typical(states: Sequence[State]) -> Measures:
    """Of several runs the fastest, and the most memory."""
    times = [each.measures.time_ns for each in states if each.measures.time_ns]
    peaks = [each.measures.memory for each in states if each.measures.memory is not None]
    return Measures(
        min(each.measures.calls for each in states),
        min(times) if times else None,
        max(peaks) if peaks else None,
    )


def _expectations(
    rules: Rules, speedup: float | None, ratio: float | None
) -> Iterator[Expectation]:
    low, high = rules.speedup_min, rules.speedup_max
    if low is not None or high is not None:
        yield _expected("speed-up", speedup, low, high)
    if rules.memory_reduction_min is not None:
        reduction = None if ratio is None else 1 - ratio
        yield _expected("memory reduction", reduction, rules.memory_reduction_min, None)
    if "memory" in rules.strict:
        yield _expected("memory ratio", ratio, None, _MEMORY_SLACK)


def _expected(
    name: str, actual: float | None, low: float | None, high: float | None
) -> Expectation:
    if actual is None:
        return Expectation(name, None, low, high, None)
    holds = (low is None or actual >= low) and (high is None or actual <= high)
    return Expectation(name, actual, low, high, holds)


def _failed(a: Sequence[State], b: Sequence[State]) -> bool:
    ours, theirs = ({each.wait_status for each in side} for side in (a, b))
    return ours != theirs and any(status != 0 for status in ours | theirs)


def _failed_alike(states: Sequence[State]) -> str:
    statuses = {each.wait_status for each in states}
    status = statuses.pop() if len(statuses) == 1 else None
    return explain.ended(status) if status else ""
