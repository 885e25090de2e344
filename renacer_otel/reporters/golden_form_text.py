# SPDX-License-Identifier: MIT
"""A golden trace in its canonical form, as text: `golden show`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from renacer_otel.analysis.golden.timing import shown
from renacer_otel.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from renacer_otel.analysis.golden.model import Figures, Golden, Range, Role

_WIDTH = 400

#: By the direction of a stream.
_WAYS = {"read": ("reads", "from"), "map": ("leaves by memory", "in")}


def render(golden: Golden) -> str:
    """All of it: roles with what they do, links between them, figures, what is left out."""
    return "".join(f"{one_line(line, 2 * _WIDTH)}\n" for line in _lines(golden))


def _lines(golden: Golden) -> Iterator[str]:
    form = golden.form
    runs = f"{golden.runs} run" + ("" if golden.runs == 1 else "s")
    yield f"golden trace {golden.name}: {shlex.join(golden.command)}"
    yield f"learned from {runs} by renacer-otel {golden.tool_version}"
    if golden.copy_of:
        yield f"each run begins in a new copy of {golden.copy_of}"
    if golden.places:
        yield f"places: {', '.join(golden.places)}"
    if golden.first:
        yield "the run before these did otherwise"
    for role in form.roles:
        yield ""
        yield from _role(role)
    if form.links:
        yield ""
        yield "links"
    for link in form.links:
        yield f"  {link.cause} -> {link.effect}: {link.kind}" + (
            "" if link.always else ", not always"
        )
    yield ""
    yield from _figures(form.figures)
    if any(form.normalised.values()):
        yield "left out, by rule"
    for rule, count in sorted(form.normalised.items()):
        if count:
            yield f"  {rule}: {count}"
    if form.kept:
        yield f"rules switched off: {', '.join(form.kept)}"
    yield f"contents of what is written: {'compared' if form.hashes else 'not captured'}"
    for sentence in form.missing:
        yield f"not known: {sentence}"


def _role(role: Role) -> Iterator[str]:
    made = f", made by {role.parent}" if role.parent else ""
    yield f"{role.shown}{made}: {_times(role.count, 'process')}, exits {', '.join(role.exits)}"
    if role.argv:
        yield f"  runs {' '.join(argument.text for argument in role.argv)}"
    if role.threads.high:
        yield f"  {_times(role.threads, 'thread')} beside its first"
    if role.libraries:
        yield f"  loads {', '.join(role.libraries)}"
    for item in role.items:
        at = f"  at {item.source}" if item.source else ""
        yield f"  {_count(item.times):>9}  {item.item}{at}"
    for title, groups in (("in this order", role.order), ("with one object", role.chains)):
        if groups:
            yield f"  {title}"
        for group in groups:
            calls = " · ".join(str(role.items[index].item) for index in group.items)
            yield f"  {_count(group.times):>9}  {calls}"
    for stream in role.streams:
        varies = ", not always the same" if stream.varies else ""
        content = f", content {stream.content}" if stream.content else ""
        verb, where = _WAYS.get(stream.direction, ("writes", "to"))
        yield f"  {verb} {_span(stream.size)} bytes {where} {stream.name}{content}{varies}"


def _figures(figures: Figures) -> Iterator[str]:
    yield "figures, a number a run"
    named: tuple[tuple[str, Sequence[int]], ...] = (
        ("calls", figures.calls),
        ("bytes read", figures.read_bytes),
        ("bytes written", figures.written_bytes),
        ("bytes allocated at once", figures.peak_memory),
    )
    for name, numbers in named:
        if numbers:
            yield f"  {name}: {', '.join(map(str, numbers))}"
    if figures.cpu_us:
        yield f"  CPU time: {', '.join(map(shown, figures.cpu_us))}"
    for what, times in sorted(figures.off_cpu_us.items(), key=lambda item: -max(item[1])):
        yield f"  {what}: {', '.join(map(shown, times))}"


def _span(numbers: Range) -> str:
    return str(numbers.low) if numbers.is_one else f"{numbers.low} to {numbers.high}"


def _count(numbers: Range) -> str:
    return f"{_span(numbers).replace(' to ', '-')}x"


def _times(numbers: Range, noun: str) -> str:
    many = {"process": "processes"}.get(noun, f"{noun}s")
    return f"{_span(numbers)} {noun if numbers == (1, 1) else many}"
