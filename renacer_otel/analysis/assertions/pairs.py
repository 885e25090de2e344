# SPDX-License-Identifier: MIT
"""[semantic_equivalence] as an assertion: the traces of its folders, pair by pair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from renacer_otel.analysis.assertions.evaluate import HOLDS, UNKNOWN, VIOLATED, Result
from renacer_otel.analysis.equivalence import configured, evidence, judge
from renacer_otel.analysis.loading import load
from renacer_otel.errors import TraceFileError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renacer_otel.analysis.assertions.config import Config
    from renacer_otel.analysis.equivalence.configured import Pair

KIND = "semantic_equivalence"
_MOST_EVIDENCE = 5


def results(config: Config) -> Iterator[Result]:
    """A result for each pair of traces in the folders that are there."""
    for pair in of(config):
        yield result(config, pair)


def of(config: Config) -> list[Pair]:
    """The pairs. Raises ConfigError where a folder cannot be read."""
    section: dict[str, Any] | None = config.sections.get(KIND)
    if section is None:
        return []
    section = {**section, **dict.fromkeys(configured.missing(section, config.path))}
    return configured.pairs(section, config.path)


def missing(config: Config) -> tuple[int, str]:
    """Folders that are not there: where the first is named, and a sentence; "" = there are all."""
    section: dict[str, Any] | None = config.sections.get(KIND)
    keys = configured.missing(section, config.path) if section is not None else []
    if section is None or not keys:
        return 0, ""
    shown = ", ".join(f"{key} = {one_line(section[key], 60)}" for key in keys)
    sentence = f"[{KIND}] no such folder, so its traces are not compared: {shown}"
    return config.keys[KIND, keys[0]], sentence


def name_of(pair: Pair) -> str:
    """Of its assertion."""
    return f"equivalence of {one_line(pair.name, 120)}"


def result(config: Config, pair: Pair) -> Result:
    """What came of one pair."""
    rules = configured.rules(config.sections[KIND], judge.Rules())
    name, line = name_of(pair), config.lines[KIND]

    def unknown(why: str) -> Result:
        return Result(name, KIND, line, UNKNOWN, f"cannot be known: {why}")

    if pair.a is None or pair.b is None:
        return unknown(f"{'A' if pair.a is None else 'B'} has no trace of that name; capture it")
    try:
        a, b = (evidence.of_trace(load(path, shown=True)) for path in (pair.a, pair.b))
    except TraceFileError as error:
        return unknown(error.message)
    found = judge.judge([a], [b], rules)
    if not found.equal:
        status, message = VIOLATED, "not equal"
    elif not all(each.holds for each in found.expectations):
        status, message = VIOLATED, "equal, but not as expected"
    elif found.confidence < rules.min_confidence:
        status, message = UNKNOWN, "cannot be known: no difference was seen, but little is sure"
    else:
        status, message = HOLDS, "equal"
    told = [each.sentence for each in found.differences]
    for each in found.expectations:
        if not each.holds:
            actual = "not known" if each.actual is None else f"{each.actual:.2f}"
            told.append(f"{each.name}: {actual}")
    if found.equal:
        told += [doubt.what for doubt, factor in found.doubts if factor < 1]
    return Result(
        name, KIND, line, status, f"{message}, confidence {found.confidence:.2f}",
        found.confidence, rules.min_confidence, "confidence",
        [one_line(sentence, 400) for sentence in told[:_MOST_EVIDENCE]],
    )  # fmt: skip
