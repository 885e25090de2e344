# SPDX-License-Identifier: MIT
"""Differences as sentences that a person understands."""

from __future__ import annotations

import os
import re
import signal
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from renacer_otel.analysis.equivalence import state as aspects
from renacer_otel.analysis.equivalence.state import Aspect, Bytes, Difference, State, Value
from renacer_otel.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOWN = 60  # characters of a line that differs
_NUMBERS = re.compile(rb"\d+")
_HEX = re.compile(rb"[0-9a-fA-F-]{8,}")


def name(aspect: Aspect) -> str:
    """An aspect in words."""
    subject = one_line(aspect.subject, 120)
    if aspect.group == aspects.EXIT:
        return "the exit status" if aspect.what == "status" else "what is left running"
    if aspect.group == aspects.OUTPUT:
        return subject
    if aspect.group == aspects.DURABILITY and not subject:
        return "the order in which files are made durable"
    if aspect.group == aspects.CONNECTIONS and aspect.what == "sockets":
        return subject
    if aspect.group == aspects.CONNECTIONS:
        return f"connection {subject}: {aspect.what}"
    return f"{subject}: {aspect.what}"


def difference(aspect: Aspect, a: Sequence[State], b: Sequence[State]) -> Difference:
    """What differs, from the first runs in which it does."""
    first, second = a[0], b[0]
    for one, other in zip(a, b, strict=False):
        if one.aspects.get(aspect) != other.aspects.get(aspect):
            first, second = one, other
            break
    ours, theirs = first.aspects.get(aspect), second.aspects.get(aspect)
    if aspect.group == aspects.CONNECTIONS and aspect.what == "sockets":
        shown = f"{name(aspect)}: {_sockets(ours)} of A's, {_sockets(theirs)} of B's"
        return Difference(aspect, shown)
    if aspect.group == aspects.IPC and None in (ours, theirs):
        who = "A" if theirs is None else "B"
        return Difference(aspect, f"{one_line(aspect.subject, 120)}: {aspect.what} by {who} only")
    if aspect.what.startswith("messages sent"):
        return Difference(aspect, _messages(aspect, ours, theirs))
    if isinstance(ours, Bytes) or isinstance(theirs, Bytes):
        return _bytes(aspect, first, second)
    if aspect.group == aspects.EXIT and aspect.what == "status":
        return Difference(aspect, f"A {ended(ours)}, B {ended(theirs)}")
    if aspect.what == "type":
        seen = Aspect(aspects.FILES, ".", "type") in first.aspects  # the folder was looked at
        return Difference(aspect, _type(aspect.subject, ours, theirs, final_state=seen))
    if aspect.what == "left running":
        sides = [_value(aspect, value or ("nothing",)) for value in (ours, theirs)]
        return Difference(aspect, f"left running in the end: {sides[0]} by A, {sides[1]} by B")
    if aspect.what == "order":
        return Difference(aspect, _order(ours, theirs))
    shown = f"{name(aspect)} is {_value(aspect, ours)} by A, {_value(aspect, theirs)} by B"
    if aspect.group == aspects.DURABILITY:
        what = "its data" if aspect.what == "data" else "its name"
        subject = one_line(aspect.subject, 120)
        shown = f"{subject}: {what}: {ours or 'not synced'} by A, {theirs or 'not synced'} by B"
    return Difference(aspect, shown)


def ended(status: Value | None) -> str:
    """A wait status in words."""
    if not isinstance(status, int):
        return "has not ended"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            return f"is ended by {signal.Signals(number).name}"
        except ValueError:
            return f"is ended by signal {number}"
    return f"exits with {os.waitstatus_to_exitcode(status)}"


def _type(subject: str, ours: Value | None, theirs: Value | None, *, final_state: bool) -> str:
    subject = one_line(subject, 120)
    nothing = (None, "absent")
    if ours in nothing and theirs in nothing:
        who = "A" if ours == "absent" else "B"
        return f"{subject}: removed by {who} only"
    if None in (ours, theirs) and not (final_state or "absent" in (ours, theirs)):
        return f"{subject}: made or changed by {'A' if theirs is None else 'B'} only"
    if ours in nothing or theirs in nothing:
        there, who, other = (ours, "A", "B") if theirs in nothing else (theirs, "B", "A")
        return f"{subject}: a {there} by {who}, not there by {other}"
    return f"{subject}: a {ours} by A, a {theirs} by B"


def _sockets(count: Value | None) -> str:
    return "no socket" if count is None else f"{count} socket{'' if count == 1 else 's'}"


def _messages(aspect: Aspect, ours: Value | None, theirs: Value | None) -> str:
    """How many, and where each ends, of two."""
    counts = [each.size if isinstance(each, Bytes) else 0 for each in (ours, theirs)]
    if counts[0] == counts[1]:
        return f"{name(aspect)} differ in their lengths: {counts[0]:,} of them"
    return f"{name(aspect)} differ: {counts[0]:,} by A, {counts[1]:,} by B"


def _order(ours: Value | None, theirs: Value | None) -> str:
    first, second = (
        [step for step in side if isinstance(step, tuple)] if isinstance(side, tuple) else []
        for side in (ours, theirs)
    )
    both = set(first) & set(second)
    shown = [
        ", then ".join(
            f"{one_line(str(path), 60)} ({what})" for path, what in side if (path, what) in both
        )
        for side in (first, second)
    ]
    return f"made durable in another order: {shown[0]} by A; {shown[1]} by B"


def _value(aspect: Aspect, value: Value | None) -> str:
    if value is None:
        return "not set"
    if aspect.what == "mode" and isinstance(value, int):
        return f"{value:04o}"
    if aspect.what == "time set" and isinstance(value, int):
        return _moment(value)
    if aspect.what == "owner" and isinstance(value, tuple):
        return ":".join(map(str, value))
    if isinstance(value, tuple):
        return one_line(", ".join(map(str, value)), 120)
    return one_line(str(value), 120)


def _moment(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{seconds} s after 1970"


def _bytes(aspect: Aspect, first: State, second: State) -> Difference:
    sizes = []
    for each in (first, second):
        value = each.aspects.get(aspect)
        size = value.size if isinstance(value, Bytes) else 0
        sizes.append(f"{size:,} byte{'' if size == 1 else 's'}")
    sentence = f"{name(aspect)} differs: {sizes[0]} by A, {sizes[1]} by B"
    ours, theirs = first.samples.get(aspect), second.samples.get(aspect)
    if ours is None or theirs is None:
        return Difference(aspect, sentence)
    at = next(
        (at for at, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other),
        min(len(ours), len(theirs)),
    )
    line = ours.count(b"\n", 0, at) + 1
    one, other = (_line(side, at) for side in (ours, theirs))
    sentence += f"; first at byte {at + 1:,}, line {line:,}: {_quoted(one)} and {_quoted(other)}"
    hint = _hint(ours, theirs, first, second)
    return Difference(aspect, sentence, hint, bool(hint))


def _line(data: bytes, at: int) -> bytes:
    start = data.rfind(b"\n", 0, at) + 1
    end = data.find(b"\n", at)
    line = data[start : end if end >= 0 else len(data)]
    cut = max(0, at - start - _SHOWN // 2)
    return line[cut : cut + _SHOWN]


def _quoted(line: bytes) -> str:
    return f"'{one_line(line.decode('utf-8', 'backslashreplace'), _SHOWN)}'" if line else "nothing"


def _hint(ours: bytes, theirs: bytes, first: State, second: State) -> str:
    """Why two outputs may differ although the programs do the same."""
    if not ours or not theirs:
        return ""
    numbers = [_NUMBERS.findall(side) for side in (ours, theirs)]
    if _NUMBERS.sub(b"0", ours) == _NUMBERS.sub(b"0", theirs):
        pairs = [(int(one[:18]), int(other[:18]))
                 for one, other in zip(*numbers, strict=True) if one != other]  # fmt: skip
        if all(one in first.pids and other in second.pids for one, other in pairs):
            return "only process ids differ"
        if len(pairs) <= 3 and all(one > 10**9 and other > 10**9 for one, other in pairs):
            return "only great numbers differ: times? --runs 2 tells what varies by itself"
        return ""
    if _HEX.sub(b"0", ours) == _HEX.sub(b"0", theirs):
        return "only long hexadecimal words differ: random values? --runs 2 tells"
    return ""
