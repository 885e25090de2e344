# SPDX-License-Identifier: MIT
"""A check against golden traces as JUnit's XML: a test case for each."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from renacer_otel.analysis.golden import verdict
from renacer_otel.errors import one_line
from renacer_otel.reporters import golden_check_text
from renacer_otel.spans import redacted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renacer_otel.analysis.golden.verdict import Verdict


def render(verdicts: Sequence[Verdict], *, tells_all: bool = False) -> str:
    """One test suite. Changed is a failure; what could not be checked is an error."""
    failures = sum(one.exit_code == verdict.CHANGED for one in verdicts)
    errors = sum(one.exit_code not in (verdict.SAME, verdict.CHANGED) for one in verdicts)
    suite = ElementTree.Element(
        "testsuite",
        name="renacer-otel golden check",
        tests=str(len(verdicts)),
        failures=str(failures),
        errors=str(errors),
        skipped="0",
        time=f"{sum(one.seconds for one in verdicts):.3f}",
        hostname="localhost",
    )
    for one in verdicts:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            name=_xml(one.name),
            classname="renacer.golden",
            time=f"{one.seconds:.3f}",
        )
        body = _xml(golden_check_text.render([one], tells_all=tells_all))
        if one.exit_code == verdict.SAME:
            ElementTree.SubElement(case, "system-out").text = body
            continue
        tag = "failure" if one.exit_code == verdict.CHANGED else "error"
        made = ElementTree.SubElement(
            case, tag, message=_xml(golden_check_text.headline(one)), type=one.status
        )
        made.text = body
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    """`text` without what XML cannot hold."""
    return "\n".join(one_line(line, 2000) for line in redacted.text(text).split("\n"))
