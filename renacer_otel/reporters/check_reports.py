# SPDX-License-Identifier: MIT
"""What came of the assertions: as text, JSON, JUnit."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from renacer_otel.analysis.assertions import evaluate
from renacer_otel.errors import one_line
from renacer_otel.ring import strict_json
from renacer_otel.spans import redacted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renacer_otel.analysis.assertions.evaluate import Result

_SKIPPED = (evaluate.DISABLED, evaluate.OTHERS, evaluate.LEFT)


def as_text(results: Sequence[Result], source: str, exit_code: int) -> str:
    """A line for each assertion, its evidence below it, and the sum."""
    del exit_code
    lines = []
    for result in results:
        lines.append(f"{result.status}: {one_line(result.name, 80)}: {result.message}")
        if result.status not in _SKIPPED:
            lines += [f"    {sentence}" for sentence in result.evidence]
    counts = Counter(result.status for result in results)
    parts = [f"{count} {status}" for status, count in counts.items()]
    lines.append(f"{one_line(source, 120)}: {', '.join(parts)}")
    return "\n".join(lines) + "\n"


def as_json(results: Sequence[Result], source: str, exit_code: int) -> str:
    """One object; `actual` and `expected` are null where there is none."""
    rows = [
        {
            "name": result.name,
            "type": result.kind,
            "line": result.line,
            "status": result.status,
            "message": result.message,
            "actual": result.actual,
            "expected": result.expected,
            "unit": result.unit,
            "evidence": result.evidence,
        }
        for result in results
    ]
    made = {"format": "renacer-check-v1", "trace": source, "exit_code": exit_code, "results": rows}
    return json.dumps(strict_json.writable(redacted.tree(made)), indent=2) + "\n"


def as_junit(results: Sequence[Result], source: str, exit_code: int) -> str:
    """One test suite, a test case for each assertion; what only warns passes, with its output."""
    del exit_code
    counts = Counter(result.status for result in results)
    suite = ElementTree.Element(
        "testsuite",
        name="renacer-otel check",
        tests=str(len(results)),
        failures=str(counts[evaluate.VIOLATED]),
        errors=str(counts[evaluate.UNKNOWN]),
        skipped=str(sum(counts[status] for status in _SKIPPED)),
    )
    for result in results:
        case = ElementTree.SubElement(
            suite, "testcase", name=_xml(result.name), classname=f"renacer.{result.kind}"
        )
        body = _xml("\n".join([result.message, *result.evidence]))
        if result.status in _SKIPPED:
            ElementTree.SubElement(case, "skipped", message=_xml(result.message))
        elif result.status in (evaluate.VIOLATED, evaluate.UNKNOWN):
            tag = "failure" if result.status == evaluate.VIOLATED else "error"
            made = ElementTree.SubElement(case, tag, message=_xml(result.message))
            made.text = body
        else:
            ElementTree.SubElement(case, "system-out").text = body
    suite.set("hostname", "localhost")
    ElementTree.SubElement(suite, "system-out").text = _xml(source)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    """`text` without what XML cannot hold."""
    return "\n".join(one_line(line, 2000) for line in redacted.text(text).split("\n"))


FORMATS = {"text": as_text, "json": as_json, "junit": as_junit}
