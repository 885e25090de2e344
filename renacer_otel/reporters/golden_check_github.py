# SPDX-License-Identifier: MIT
"""A check against golden traces as GitHub's workflow commands, which mark lines of a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel.analysis.golden import verdict
from renacer_otel.analysis.golden.model import Severity
from renacer_otel.errors import one_line
from renacer_otel.reporters import golden_check_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from renacer_otel.analysis.golden.verdict import Verdict

_MOST = 50  # of one golden trace; GitHub shows ten of a step


def render(verdicts: Sequence[Verdict]) -> str:
    """An error for each change, a warning for each note, a notice for what is the same."""
    ordered = sorted(verdicts, key=lambda one: one.exit_code == verdict.SAME)
    return "".join(f"{line}\n" for one in ordered for line in _lines(one))


def _lines(one: Verdict) -> Iterator[str]:
    title = f"golden trace {one.name}"
    if one.exit_code == verdict.SAME:
        yield _command("notice", title, golden_check_text.headline(one))
    else:
        if one.error:
            yield _command("error", title, one.error)
        for difference in one.differences[:_MOST]:
            kind = "error" if difference.severity == Severity.CHANGED else "warning"
            yield _command(kind, title, difference.sentence, difference.source)
        for slower in one.slower:
            yield _command("error", title, slower.sentence)
    for note in one.notes:
        yield _command("warning", title, note)


def _command(kind: str, title: str, message: str, source: str = "") -> str:
    """`source`: file:line, "" = not known."""
    properties = {}
    file, colon, line = source.rpartition(":")
    if colon and line.isascii() and line.isdigit():
        properties = {"file": file, "line": line}
    properties["title"] = title
    shown = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {shown}::{_data(one_line(message, 500))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
