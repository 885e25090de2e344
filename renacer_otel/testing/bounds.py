# SPDX-License-Identifier: MIT
"""`@pytest.mark.renacer(…)`: what a run may do at most."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from renacer_otel.errors import did_you_mean, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from renacer_otel.testing.traced import Trace

_MOST_NAMED = 5
_FOLDER = "{tmp_path}"
# Nobody finds there later what was written.
_NOWHERE = re.compile(r"/dev/(?:null|zero|full|tty|ptmx|pts/\d+|std(?:in|out|err)|fd/\d+)")


class MarkerError(ValueError):
    """What is wrong with a marker, in one line."""


@dataclass(frozen=True)
class Bounds:
    """None = not bounded."""

    max_syscalls: int | None = None
    max_duration_ms: float | None = None
    no_network: bool = False
    writes_only: tuple[str, ...] | None = None

    @property
    def are_some(self) -> bool:
        """Whether there is anything to hold to."""
        return self != Bounds()


def of_markers(markers: Iterable[tuple[Sequence[Any], Mapping[str, Any]]]) -> Bounds:
    """The bounds of a test: arguments of its markers, the nearest first. Raises MarkerError."""
    values: dict[str, Any] = {}
    for positional, named in markers:
        if positional:
            raise MarkerError(
                f"renacer: {one_line(repr(positional[0]), 40)} needs its name, one of"
                f" {', '.join(_CHECKS)}"
            )
        for name, value in named.items():
            if name not in _CHECKS:
                hint = did_you_mean(name, _CHECKS) or f"; there are {', '.join(_CHECKS)}"
                raise MarkerError(f"renacer: unknown argument '{one_line(name, 40)}'{hint}")
            checked = _CHECKS[name](name, value)
            values.setdefault(name, checked)
    return Bounds(**values)


def _wrong(name: str, value: object, what: str) -> MarkerError:
    return MarkerError(f"renacer: {name} = {one_line(repr(value), 60)}: {what}")


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong(name, value, "must be a number of calls, 0 or more")
    return value


def _milliseconds(name: str, value: Any) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value <= 0:
        raise _wrong(name, value, "must be a number of milliseconds, more than 0")
    return float(value)


def _yes_or_no(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, value, "must be True or False")
    return value


def _patterns(name: str, value: Any) -> tuple[str, ...]:
    is_list = isinstance(value, (list, tuple))
    if not is_list or not all(isinstance(each, (str, os.PathLike)) for each in value):
        raise _wrong(name, value, "must be a list of patterns of paths, such as ['out/**']")
    return tuple(os.fspath(each) for each in value)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "max_syscalls": _count,
    "max_duration_ms": _milliseconds,
    "no_network": _yes_or_no,
    "writes_only": _patterns,
}


def exceeded(bounds: Bounds, trace: Trace, cwd: str, tmp_path: str | None) -> list[str]:
    """A sentence for each bound that a run does not keep to.

    `cwd`: what patterns of paths are relative to; `tmp_path`: what {tmp_path} stands for.
    """
    found = []
    if trace.lacks and bounds.are_some:
        found.append(f"cannot be known, as {trace.lacks}")
    if bounds.max_syscalls is not None and trace.call_count > bounds.max_syscalls:
        most = ", ".join(f"{count:,} {name}" for name, count in trace.calls.most_common(6))
        found.append(
            f"max_syscalls={bounds.max_syscalls:,}: {trace.call_count:,} system calls ({most})"
        )
    if bounds.max_duration_ms is not None and trace.duration_ms > bounds.max_duration_ms:
        found.append(
            f"max_duration_ms={bounds.max_duration_ms:g}: it took {trace.duration_ms:,.3f} ms,"
            " without what tracing added"
        )
    if bounds.no_network and trace.effects.network:
        found.append(f"no_network: talked to {_some(trace.effects.network)}")
    if bounds.writes_only is not None:
        allowed = [_matcher(pattern, cwd, tmp_path) for pattern in bounds.writes_only]
        others = [
            path
            for path in trace.files_written
            if not _NOWHERE.fullmatch(path) and not any(match(path) for match in allowed)
        ]
        if others:
            shown = one_line(", ".join(bounds.writes_only) or "nothing", 120)
            found.append(f"writes_only={shown}: wrote {_some(others)}")
    return found


def _some(words: Sequence[str]) -> str:
    shown = ", ".join(one_line(word, 120) for word in words[:_MOST_NAMED])
    more = len(words) - _MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def _matcher(pattern: str, cwd: str, tmp_path: str | None) -> Callable[[str], object]:
    """Whether a path fits: * and ? stop at /, ** does not; "x/**" is x and all below it.

    What comes before the first of them is a path: its dots and symbolic links are resolved, as they
    are now. Raises MarkerError.
    """
    whole = pattern
    if _FOLDER in whole:
        if tmp_path is None:
            raise MarkerError(f"renacer: {_FOLDER} is for tests that ask for tmp_path")
        whole = whole.replace(_FOLDER, _literally(tmp_path))
    elif not whole.startswith(("/", "**")):
        whole = os.path.join(_literally(os.path.realpath(cwd)), whole)
    path, rest = _split(whole)
    if any(part in (".", "..") for part in rest.split("/")):
        raise _wrong("writes_only", pattern, "has . or .. behind what stands for other names")
    meanings = {os.path.normpath(path), os.path.realpath(path)} if path else {""}
    if not rest:  # the file itself may be a link, or what it leads to
        folder, name = os.path.split(os.path.normpath(path))
        meanings.add(os.path.join(os.path.realpath(folder), name))
    try:
        tail = _regex(f"/{rest}" if path and rest else rest)
        starts = "|".join(re.escape(each.rstrip("/")) for each in sorted(meanings))
        return re.compile(f"(?:{starts}){tail}", re.DOTALL).fullmatch
    except re.error as error:
        raise _wrong("writes_only", pattern, f"is no pattern: {error}") from error


def _literally(path: str) -> str:
    """A pattern that fits this path alone."""
    return re.sub(r"([\[*?])", r"[\1]", path)


def _split(pattern: str) -> tuple[str, str]:
    """The path that a pattern begins with, and what comes behind it."""
    names = pattern.split("/")
    for at, name in enumerate(names):
        parts = _PARTS.findall(name)
        if any(part in _MEANINGS or len(part) > 3 or part == "[!]" for part in parts):
            return "/".join(names[:at]) or ("/" if at else ""), "/".join(names[at:])
        names[at] = "".join(part[1] if len(part) == 3 else part for part in parts)
    return "/".join(names), ""


_PARTS = re.compile(r"/\*\*$|\*\*/|\*\*|\*|\?|\[[!^]?\]?[^\]]*\]|.", re.DOTALL)
_MEANINGS = {"/**": "(?:/.*)?", "**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _regex(pattern: str) -> str:
    made = ""
    for part in _PARTS.findall(pattern):
        if part in _MEANINGS:
            made += _MEANINGS[part]
        elif len(part) > 2:
            inner = re.sub(r"([\\\[&~|])", r"\\\1", part[1:-1])
            made += "[^" + inner[1:] + "]" if inner[0] in "!^" else "[" + inner + "]"
        else:
            made += re.escape(part)
    return made
