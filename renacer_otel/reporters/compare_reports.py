# SPDX-License-Identifier: MIT
"""Whether two programs are equal, and why: as text, JSON, JUnit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree

from renacer_otel.errors import one_line
from renacer_otel.ring import strict_json
from renacer_otel.spans import redacted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renacer_otel.analysis.equivalence.judge import Expectation, Rules, Verdict

_MOST_DIFFERENCES = 20
_MOST_DOUBTS = 10
#: What to do about a doubt, by its kind.
_HINTS = {"no final state": "; capture both with --capture hashes"}


def _headline(verdict: Verdict, rules: Rules) -> str:
    if not verdict.equal:
        return f"not equal, confidence {verdict.confidence:.2f}"
    if verdict.confidence < rules.min_confidence:
        return (
            f"no difference was seen, but confidence {verdict.confidence:.2f} is less than"
            f" {rules.min_confidence:g}"
        )
    return f"equal, confidence {verdict.confidence:.2f}"


def _unmet(verdict: Verdict) -> str:
    """What to add to the headline where an expectation fails what is equal."""
    unmet = [_expected(each) for each in verdict.expectations if not each.holds]
    return f", but {unmet[0]}" if verdict.equal and unmet else ""


class Compared(NamedTuple):
    """One comparison: what A and B are called, what came of it, and the exit code."""

    names: Sequence[str]
    verdict: Verdict
    exit_code: int


def as_text(found: Sequence[Compared], rules: Rules) -> str:
    """The verdict, the differences, what lowers the confidence, the figures."""
    return "".join(_text(each.verdict, rules, each.names) for each in found)


def _text(verdict: Verdict, rules: Rules, names: Sequence[str]) -> str:
    lines = [_headline(verdict, rules) + _unmet(verdict)]
    lines += [f"  {who}: {one_line(name, 160)}" for who, name in zip("AB", names, strict=True)]
    if verdict.failed_alike:
        lines.append(f"  each of them {verdict.failed_alike}")
    for each in verdict.differences[:_MOST_DIFFERENCES]:
        lines.append(f"  {one_line(each.sentence, 400)}")
        if each.hint:
            lines.append(f"    {each.hint}")
    if len(verdict.differences) > _MOST_DIFFERENCES:
        lines.append(f"  and {len(verdict.differences) - _MOST_DIFFERENCES:,} more differences")
    if verdict.equal:
        shown = [row for row in verdict.doubts if row[1] < 1]
        lines += [
            f"  x {factor:.2f}: {one_line(doubt.what, 200)}{_HINTS.get(doubt.kind, '')}"
            for doubt, factor in shown[:_MOST_DOUBTS]
        ]
        if len(shown) > _MOST_DOUBTS:
            lines.append(f"  and {len(shown) - _MOST_DOUBTS:,} more doubts")
    aspects = ", ".join(f"{count:,} of {group}" for group, count in verdict.compared.items())
    lines.append(f"  compared: {aspects or 'nothing'}")
    if rules.ignored:
        lines.append(f"  left out: {', '.join(sorted(rules.ignored))}")
    lines.append(f"  {_figures(verdict)}")
    lines += [f"  {_expected(each)}" for each in verdict.expectations]
    return "\n".join(lines) + "\n"


def _figures(verdict: Verdict) -> str:
    first, second = verdict.measures
    parts = [f"calls: {first.calls:,} and {second.calls:,}"]
    if first.time_ns and second.time_ns and verdict.speedup is not None:
        parts.append(
            f"time: {first.time_ns / 1e6:,.1f} and {second.time_ns / 1e6:,.1f} ms, B is"
            f" {verdict.speedup:,.2f} times as fast"
        )
    if first.memory is not None and second.memory is not None:
        parts.append(
            f"memory: {first.memory / 1024:,.0f} and {second.memory / 1024:,.0f} KiB"
            + (f", ratio {verdict.memory_ratio:.2f}" if verdict.memory_ratio is not None else "")
        )
    return "; ".join(parts)


def _expected(each: Expectation) -> str:
    wanted = []
    if each.minimum is not None:
        wanted.append(f"{each.minimum:g} or more")
    if each.maximum is not None:
        wanted.append(f"{each.maximum:g} or less")
    if each.actual is None:
        return f"{each.name}: not known, expected {' and '.join(wanted)}"
    word = "as expected" if each.holds else "NOT as expected"
    return f"{each.name}: {each.actual:.2f}, {word}: {' and '.join(wanted)}"


def as_json(found: Sequence[Compared], rules: Rules) -> str:
    """One object; `comparisons` in it where there are several. What is not known is null."""
    rows = [_data(each.verdict, rules, each.names, each.exit_code) for each in found]
    head = {"format": "renacer-compare-v1", "exit_code": max(each.exit_code for each in found)}
    made = {**head, **rows[0]} if len(rows) == 1 else {**head, "comparisons": rows}
    return json.dumps(strict_json.writable(redacted.tree(made)), indent=2) + "\n"


def _data(verdict: Verdict, rules: Rules, names: Sequence[str], exit_code: int) -> dict[str, Any]:
    return {
        "a": names[0],
        "b": names[1],
        "exit_code": exit_code,
        "equal": verdict.equal,
        "confidence": verdict.confidence,
        "failed_alike": verdict.failed_alike,
        "min_confidence": rules.min_confidence,
        "left_out": sorted(rules.ignored),
        "differences": [
            {
                "group": each.aspect.group,
                "subject": each.aspect.subject,
                "what": each.aspect.what,
                "sentence": each.sentence,
                "hint": each.hint,
            }
            for each in verdict.differences
        ],
        "doubts": [
            {"kind": doubt.kind, "what": doubt.what, "times": doubt.times, "factor": factor}
            for doubt, factor in verdict.doubts
        ],
        "compared": verdict.compared,
        "measures": {
            who: {"calls": each.calls, "time_ns": each.time_ns, "memory_bytes": each.memory}
            for who, each in zip("ab", verdict.measures, strict=True)
        },
        "speedup": verdict.speedup,
        "memory_ratio": verdict.memory_ratio,
        "expectations": [
            {
                "name": each.name,
                "actual": each.actual,
                "minimum": each.minimum,
                "maximum": each.maximum,
                "holds": each.holds,
            }
            for each in verdict.expectations
        ],
    }


def as_junit(found: Sequence[Compared], rules: Rules) -> str:
    """A test case for each verdict, and for each expectation."""
    suite = ElementTree.Element("testsuite", name="renacer-otel compare", hostname="localhost")
    cases: list[tuple[str, bool, str, str]] = []
    for names, verdict, _ in found:
        title = f"{one_line(names[0], 200)} = {one_line(names[1], 200)}"
        sure = verdict.equal and verdict.confidence >= rules.min_confidence
        cases.append((title, sure, _headline(verdict, rules), _text(verdict, rules, names)))
        cases += [
            (f"{title}: {each.name}", bool(each.holds), _expected(each), _expected(each))
            for each in verdict.expectations
        ]
    for row in cases:
        holds = row[1]
        name, message, text = (redacted.text(each) for each in (row[0], row[2], row[3]))
        case = ElementTree.SubElement(suite, "testcase", name=name, classname="renacer.compare")
        if holds:
            ElementTree.SubElement(case, "system-out").text = text
        else:
            ElementTree.SubElement(case, "failure", message=message).text = text
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(not case[1] for case in cases)))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


FORMATS = {"text": as_text, "json": as_json, "junit": as_junit}
