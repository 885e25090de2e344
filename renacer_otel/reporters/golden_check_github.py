# SPDX-License-Identifier: MIT
"""A check against golden traces as GitHub's workflow commands, which mark lines of a change."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.analysis.golden import verdict
from renacer_otel.errors import one_line
from renacer_otel.reporters import golden_check_text
from renacer_otel.spans import redacted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from renacer_otel.analysis.golden.verdict import Verdict

#: Of a kind: GitHub shows no more of one step.
_MOST = 10
_KINDS = ("error", "warning", "notice")


class _Annotation(NamedTuple):
    kind: str
    title: str
    message: str
    source: str = ""  # file:line, "" = not known


def render(verdicts: Sequence[Verdict], *, tells_all: bool = False) -> str:
    """An error for each change, a warning for each note, a notice for what is the same, or not
    compared as to times.

    No more of a kind than GitHub shows, unless `tells_all`: of each golden trace the gravest.
    """
    ordered = sorted(verdicts, key=lambda one: one.exit_code == verdict.SAME)
    found = [list(_annotations(one)) for one in ordered]
    if not tells_all:
        for kind in _KINDS:
            _limit(found, kind)
    return "".join(f"{_command(one)}\n" for each in found for one in each)


def _annotations(one: Verdict) -> Iterator[_Annotation]:
    title = f"golden trace {one.name}"
    if one.exit_code == verdict.SAME:
        yield _Annotation("notice", title, golden_check_text.headline(one))
    else:
        for sentence, difference, is_minor in one.told:
            kind, mark = ("warning", "minor: ") if is_minor else ("error", "")
            source = difference.source if difference else ""
            yield _Annotation(kind, title, f"{mark}{sentence}", source)
    if one.not_updated:
        yield _Annotation("error", title, f"not captured again: {one.not_updated}")
    for note in one.notes:
        is_plain = note.startswith(verdict.TIMES_LEFT_OUT)
        yield _Annotation("notice" if is_plain else "warning", title, note)


def _limit(found: list[list[_Annotation]], kind: str) -> None:
    """Leaves so many of a kind: the first of each list, then the second of each, and so on."""
    places = sorted(
        (nth, at)
        for at, each in enumerate(found)
        for nth, _ in enumerate(one for one in each if one.kind == kind)
    )
    if len(places) <= _MOST:
        return
    stay = set(places[: _MOST - 1])
    for at, each in enumerate(found):
        numbers = iter(range(len(each)))
        found[at] = [one for one in each if one.kind != kind or (next(numbers), at) in stay]
    left = f"{len(places) - len(stay)} more: --all-differences or --format json tells all"
    found.append([_Annotation(kind, "golden traces", left)])


def _command(one: _Annotation) -> str:
    properties = {}
    file, colon, line = one.source.rpartition(":")
    if colon and line.isascii() and line.isdigit():
        properties = {"file": file, "line": line}
    properties["title"] = redacted.text(one.title)
    shown = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{one.kind} {shown}::{_data(one_line(redacted.text(one.message), 500))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
