# SPDX-License-Identifier: MIT
"""What a check tells, in each form."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from renacer_otel.analysis.golden import verdict
from renacer_otel.analysis.golden.model import Difference, Severity
from renacer_otel.analysis.golden.timing import Slower
from renacer_otel.analysis.golden.verdict import Verdict
from renacer_otel.reporters import (
    golden_check_github,
    golden_check_json,
    golden_check_junit,
    golden_check_text,
)

OPENS = Difference(
    "file", Severity.CHANGED, "now also opens /etc/hosts for writing", "p0 (a)", "",
    "openat(/etc/hosts, O_WRONLY)", "src/main.c:41",
)  # fmt: skip
MINOR = Difference("count", Severity.MINOR, "reads 3 times, before 2 times", "p0 (a)", "2", "3")
SLOW = Slower("a waits for its own sleep", 10_000, 31_000, 1 / 462)


def changed() -> Verdict:
    return Verdict(
        "a", ["a", "b c"], 1, [MINOR, OPENS], [SLOW], ["not all is known"], 2, 5, seconds=1.5
    )


def same(name: str = "s") -> Verdict:
    return Verdict(name, ["s"], golden_runs=5, runs=1)


def test_text_begins_with_what_is_worst() -> None:
    lines = golden_check_text.render([same(), changed()]).splitlines()
    assert lines == [
        "a changed: now also opens /etc/hosts for writing (and 1 more)",
        "     - nothing",
        "     + openat(/etc/hosts, O_WRONLY)",
        "  2. a waits for its own sleep: now 31 ms, before 10 ms (3.1 times)",
        "  3. minor: reads 3 times, before 2 times",
        "     - 2",
        "     + 3",
        "  note: not all is known",
        "s: same as its golden trace, learned from 5 runs",
        "2 golden traces: 1 same, 1 not",
    ]


def many(severity: Severity, count: int) -> list[Difference]:
    return [Difference("file", severity, f"opens {n}", "p0", "", "") for n in range(count)]


def test_text_has_a_limit() -> None:
    most = golden_check_text.MOST
    differences = [*many(Severity.CHANGED, most), *many(Severity.MINOR, 3)]
    one = Verdict("a", exit_code=1, differences=differences)
    lines = golden_check_text.render([one]).splitlines()
    assert lines[0] == f"a changed: opens 0 (and {most - 1} more)"
    told = "3 more, all of them minor: --all-differences or --format json tells all"
    assert lines[most:] == [f"  and {told}"]
    assert len(golden_check_text.render([one], tells_all=True).splitlines()) == most + 3
    assert len(json.loads(golden_check_json.render([one]))["goldens"][0]["differences"]) == most + 3


def test_what_is_minor_counts_if_strict() -> None:
    one = Verdict("a", exit_code=1, differences=[MINOR, MINOR], strict=True)
    lines = golden_check_text.render([one]).splitlines()
    assert lines[0] == "a changed: reads 3 times, before 2 times (and 1 more)"
    assert lines[3] == "  2. reads 3 times, before 2 times"
    assert golden_check_github.render([one]).startswith("::error title=golden trace a::reads 3")


def test_text_of_what_was_captured() -> None:
    again = Verdict("a", differences=[OPENS, MINOR], golden_runs=2, updated=True, was="changed")
    new = Verdict("n", golden_runs=5, updated=True, was="missing")
    assert golden_check_text.render([again, new, same()]).splitlines() == [
        "a captured again: now also opens /etc/hosts for writing",
        "     - nothing",
        "     + openat(/etc/hosts, O_WRONLY)",
        "  2. minor: reads 3 times, before 2 times",
        "     - 2",
        "     + 3",
        "n captured: there was no golden trace; learned from 5 runs",
        "s: same as its golden trace, learned from 5 runs",
        "3 golden traces: 1 same, 2 captured, 0 not",
    ]


def test_what_is_not_captured_again_is_told_last() -> None:
    one = Verdict("a", exit_code=125, was="changed", differences=[OPENS], not_updated="no room")
    assert golden_check_text.render([one]).splitlines() == [
        "a changed: now also opens /etc/hosts for writing",
        "     - nothing",
        "     + openat(/etc/hosts, O_WRONLY)",
        "  not captured again: no room",
    ]
    assert json.loads(golden_check_json.render([one]))["goldens"][0]["error"] == "no room"
    lines = golden_check_github.render([one]).splitlines()
    assert lines[1] == "::error title=golden trace a::not captured again: no room"


def test_text_of_an_error_is_one_line() -> None:
    broken = Verdict("b", exit_code=3, error="b.golden: damaged\x1b[2J\n")
    assert golden_check_text.render([broken]) == "b unreadable: b.golden: damaged\\x1b[2J\\n\n"


def test_minor_differences_of_the_same_are_not_told() -> None:
    one = Verdict("m", differences=[MINOR], golden_runs=1)
    assert golden_check_text.render([one]) == "m: same as its golden trace, learned from 1 run\n"


def test_json() -> None:
    made = json.loads(golden_check_json.render([same(), changed()]))
    assert (made["format"], made["exit_code"]) == ("renacer-golden-check-v1", 1)
    first, second = made["goldens"]
    assert (first["status"], first["differences"], first["error"]) == ("same", [], None)
    assert second["command"] == ["a", "b c"]
    assert [one["severity"] for one in second["differences"]] == ["minor", "changed"]
    assert second["differences"][1]["source"] == "src/main.c:41"
    assert second["slower"][0]["after_us"] == 31_000
    assert second["notes"] == ["not all is known"]


def test_junit() -> None:
    failed = Verdict("f", exit_code=4, error="the command exited with 3 \x00\ufffe")
    suite = ElementTree.fromstring(golden_check_junit.render([same(), changed(), failed]))
    assert [suite.get(name) for name in ("tests", "failures", "errors")] == ["3", "1", "1"]
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert cases["s"].find("system-out") is not None
    failure = cases["a"].find("failure")
    assert failure is not None
    assert (failure.get("message") or "").startswith("a changed: now also opens /etc/hosts")
    assert cases["f"].find("error") is not None


def test_github_escapes() -> None:
    hostile = Difference(
        "file", Severity.CHANGED, "opens 100%\r\n::set-output name=x::y", "p0", "", "", "a,b:c.c:7"
    )
    lines = golden_check_github.render(
        [
            same(),
            Verdict(
                "h",
                exit_code=1,
                differences=[hostile, MINOR],
                notes=["n", "times were not compared: x"],
            ),
        ]
    ).splitlines()
    where = "file=a%2Cb%3Ac.c,line=7,title=golden trace h"
    assert lines == [
        f"::error {where}::opens 100%25\\r\\n::set-output name=x::y",
        "::warning title=golden trace h::minor: reads 3 times, before 2 times",
        "::warning title=golden trace h::n",
        "::notice title=golden trace h::times were not compared: x",
        "::notice title=golden trace s::s: same as its golden trace, learned from 5 runs",
    ]


def test_github_shows_ten_of_a_kind() -> None:
    first, second = (
        Verdict(name, exit_code=1, differences=[*many(Severity.CHANGED, 11), MINOR])
        for name in "ab"
    )
    found = [first, second, *(same(f"s{number}") for number in range(11))]
    lines = golden_check_github.render(found).splitlines()
    errors = [line for line in lines if line.startswith("::error")]
    assert len(errors) == 10
    assert [sum(f"trace {name}::" in line for line in errors) for name in "ab"] == [5, 4]
    assert "13 more: --all-differences" in errors[-1]
    assert sum(line.startswith("::warning") for line in lines) == 2
    assert sum(line.startswith("::notice") for line in lines) == 10
    assert golden_check_github.render(found, tells_all=True).count("::error") == 22


def test_the_gravest_exit_code_counts() -> None:
    assert verdict.gravest([]) == verdict.gravest([0, 0]) == 0
    assert verdict.gravest([0, 1, 0]) == 1
    assert verdict.gravest([1, 4]) == 4
    assert verdict.gravest([2, 4, 1]) == 2
    assert verdict.gravest([3, 2]) == 3
    assert verdict.gravest([127, 3]) == 127
