# SPDX-License-Identifier: MIT
"""What passes through a role's streams otherwise: how many bytes, and which."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from renacer_otel.analysis.golden import mapped, patterns, places, sentences
from renacer_otel.analysis.golden.model import Difference, Range, Role, Severity, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The kernel's own files say how the machine is, not what the program does.
_KERNEL = ("/proc/", "/sys/", "/dev/")
_SHARED = "/dev/shm/"
_PIPE = "<pipe>"


def between(known: Role, role: Role) -> Iterator[Difference]:
    """The differences of streams that both have; that one is new is told with its calls."""
    exact = {(stream.direction, stream.name): stream for stream in known.streams}
    wild = [stream for stream in known.streams if patterns.is_pattern(stream.name)]
    sums: dict[tuple[str, str], list[Stream]] = defaultdict(list)
    for stream in role.streams:
        found = exact.get((stream.direction, stream.name)) or next(
            (
                one for one in wild
                if one.direction == stream.direction and patterns.fits(one.name, stream.name)
            ),
            None,
        )  # fmt: skip
        if found is not None:
            sums[found.direction, found.name].append(stream)
    broken = _is_broken(known) or _is_broken(role)
    for key, streams in sums.items():
        expected = exact[key]
        kernel = expected.name.startswith(_KERNEL) and not expected.name.startswith(_SHARED)
        if kernel or (broken and _is_local(expected.name)):
            continue
        yield from _one(known, expected, streams)


def _is_broken(role: Role) -> bool:
    """Whether its reader may have gone before it had all: who is first decides how much."""
    return "SIGPIPE" in role.exits or any(
        part.item.result == "EPIPE"
        or (part.item.call == "signal" and part.item.arguments[0].text == "SIGPIPE")
        for part in role.items
    )


def _is_local(name: str) -> bool:
    return name.startswith("<")


def _one(known: Role, expected: Stream, streams: list[Stream]) -> Iterator[Difference]:
    now = sum(stream.size.low for stream in streams)
    low, high = expected.size
    if expected.direction == mapped.MAPPED:
        yield from _left(known, expected, streams)
        return
    writes = expected.direction == "write"
    name = sentences.word(expected.name)
    if expected.varies or not expected.size.is_one:
        slack = 64 + high // 4
        low, high = max(low - slack, 0), high + slack
    if not low <= now <= high:
        # What is read is the surroundings' doing; what a program makes of it shows elsewhere.
        verb = "writes" if writes else "reads"
        way = "to" if writes else "from"
        yield Difference(
            "bytes", Severity.CHANGED if writes else Severity.MINOR,
            f"now {verb} {sentences.size(Range(now, now))} {way} {name} instead of"
            f" {sentences.size(expected.size)}, in {known.shown}",
            known.shown, sentences.size(expected.size), str(now),
        )  # fmt: skip
        return
    content = streams[0].content if len(streams) == 1 else ""
    # A sum is not to be held against the hash of a whole.
    alike = _sort(expected.content) == _sort(content)
    if writes and expected.content and content not in ("", expected.content) and alike:
        yield Difference(
            "bytes", Severity.CHANGED,
            f"now writes other bytes to {name} ({now} as before), in {known.shown}",
            known.shown, expected.content, content,
        )  # fmt: skip
        return
    if writes and len(streams) == 1 and places.differ(expected.places, streams[0].places):
        cut = places.are_messages(expected.places)
        what = "cuts other messages for" if cut else "writes to other places in"
        yield Difference(
            "bytes", Severity.CHANGED,
            f"now {what} {name} ({now} bytes as before), in {known.shown}",
            known.shown, expected.places, streams[0].places,
        )  # fmt: skip


def _left(known: Role, expected: Stream, streams: list[Stream]) -> Iterator[Difference]:
    """What memory left in a file; where runs left different things, that is chance."""
    now = streams[0]
    if expected.varies or len(streams) > 1 or not expected.content:
        return
    if (now.size, now.content) == (expected.size, expected.content):
        return
    name = sentences.word(expected.name)
    size = sentences.size(now.size)
    if now.size == expected.size:
        what = f"other bytes in {name} through shared memory ({size} as before)"
    else:
        before = sentences.size(expected.size)
        what = f"{size} in {name} through shared memory instead of {before}"
    yield Difference(
        "bytes", Severity.CHANGED, f"now leaves {what}, in {known.shown}",
        known.shown, expected.content, now.content,
    )  # fmt: skip


def _sort(content: str) -> str:
    """What a hash is of: "" a whole, "~" writes, "=" objects."""
    return content[:1] if content[:1] in ("~", "=") else ""
