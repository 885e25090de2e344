# SPDX-License-Identifier: MIT
"""--exporter and OTEL_TRACES_EXPORTER on real runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.tool import environ, read_totals, renacer


def objects(text: str) -> list[dict[str, Any]]:
    """The spans that the console's exporter wrote, of what else stands on standard error."""
    found, rest, decoder = [], text, json.JSONDecoder()
    while (at := rest.find("{")) >= 0:
        item, end = decoder.raw_decode(rest[at:])
        found.append(item)
        rest = rest[at + end :]
    return found


@pytest.mark.parametrize("by_flag", [True, False])
def test_to_the_console(by_flag: bool) -> None:
    words = ("--exporter", "console") if by_flag else ()
    variables = {} if by_flag else {"OTEL_TRACES_EXPORTER": "console"}
    done = renacer(*words, "--", "sh", "-c", "echo $TRACEPARENT", env=environ(**variables))
    assert done.code == 0
    spans = objects(done.err)
    totals = read_totals(done.lines[-1])
    assert totals.sent == len(spans) == totals.calls + 2
    assert (totals.rejected, totals.lost) == (0, 0)
    (root,) = [span for span in spans if span["name"] == "renacer-otel run"]
    (process,) = [span for span in spans if span["parent_id"] == root["context"]["span_id"]]
    trace, span = (process["context"][key].removeprefix("0x") for key in ("trace_id", "span_id"))
    assert done.out == f"00-{trace}-{span}-03\n"  # and nothing else
    assert root["resource"]["attributes"]["service.name"] == "sh"


def test_mistakes_are_one_line() -> None:
    done = renacer("--exporter", "smoke", "true")
    assert done.code == 125
    assert done.error.startswith("--exporter: there is no exporter 'smoke'; installed are otlp, ")
    done = renacer("--exporter", "console", "--otlp-endpoint", "http://h:1", "true")
    assert done.code == 125
    assert "give one of them" in done.error
    done = renacer("true", env=environ(OTEL_TRACES_EXPORTER="smoke"))
    assert done.code == 0
    assert done.lines[0].startswith(
        "renacer-otel: warning: OTEL_TRACES_EXPORTER: 'smoke' is unknown"
    )
    assert done.lines[1].startswith("execve(")  # nothing else asks for an export


def test_none_and_disabled() -> None:
    for variables in ({"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_SDK_DISABLED": "true"}):
        words = ("--exporter", "console") if "OTEL_SDK_DISABLED" in variables else ()
        done = renacer(*words, "true", env=environ(**variables))
        assert (done.code, done.totals.sent) == (0, None)
