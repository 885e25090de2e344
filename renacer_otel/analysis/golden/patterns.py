# SPDX-License-Identifier: MIT
"""Words that differ from run to run: what they have in common, and whether others fit.

A pattern is a text in which <number> stands for digits and <any> for anything. It is matched in
time linear in the length of both but for <any>, which goes back to the last one only.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from renacer_otel.analysis.golden.model import Argument, Item

if TYPE_CHECKING:
    from collections.abc import Sequence

NUMBER, ANY = "<number>", "<any>"
_TOKENS = re.compile(f"({NUMBER}|{ANY})")
_DIGITS = re.compile(r"[0-9]+")
_LONGEST = 4096


def skeleton(text: str) -> str:
    """The text with each number as <number>."""
    return _DIGITS.sub(NUMBER, text)


def is_pattern(text: str) -> bool:
    """Whether it has wildcards."""
    return NUMBER in text or ANY in text


def fits(pattern: str, text: str) -> bool:
    """Whether a text (or a narrower pattern) is one of those that a pattern means."""
    if pattern == text:
        return True
    if not is_pattern(pattern) or len(text) > _LONGEST:
        return False
    parts = [part for part in _TOKENS.split(pattern) if part]
    at = part = 0
    back: tuple[int, int] | None = None  # the last <any>: its part, and how far it reaches
    while True:
        if part == len(parts):
            if at == len(text):
                return True
        elif parts[part] == ANY:
            back = (part, at)
            part += 1
            continue
        else:
            length = _taken(parts[part], text, at)
            if length:
                at += length
                part += 1
                continue
        if back is None or back[1] >= len(text):
            return False
        back = (back[0], back[1] + 1)
        part, at = back[0] + 1, back[1]


def _taken(part: str, text: str, at: int) -> int:
    """How much of the text this part takes; 0: it does not fit."""
    if part != NUMBER:
        return len(part) if text.startswith(part, at) else 0
    if text.startswith(NUMBER, at):
        return len(NUMBER)
    match = _DIGITS.match(text, at)
    return match.end() - at if match else 0


def joined(first: str, second: str) -> str:
    """A pattern that both fit."""
    if fits(first, second):
        return first
    if skeleton(first) == skeleton(second):
        return _numbers(first, second)
    start = 0
    while start < min(len(first), len(second)) and first[start] == second[start]:
        start += 1
    end = 0
    while end < min(len(first), len(second)) - start and first[-1 - end] == second[-1 - end]:
        end += 1
    # A wildcard that the cut would break is taken out whole.
    head, tail = first[:start], first[len(first) - end :]
    opened = head.rfind("<")
    if opened >= 0 and ">" not in head[opened:]:
        head = head[:opened]
    closed = tail.find(">")
    if closed >= 0 and "<" not in tail[:closed]:
        tail = tail[closed + 1 :]
    return head + ANY + tail


def _numbers(first: str, second: str) -> str:
    """Of two texts that differ in numbers: these as <number>, the others as they are."""
    others = iter(_DIGITS.findall(second.replace(NUMBER, "0")))
    source = first.replace(NUMBER, "\0")
    found = []
    for part in re.split(r"([0-9]+|\0)", source):
        if part == "\0":
            next(others, "")
            found.append(NUMBER)
        elif part.isdigit():
            found.append(part if next(others, "") == part else NUMBER)
        else:
            found.append(part)
    return "".join(found)


def item_fits(pattern: Item, item: Item) -> bool:
    """Whether an item is one of those that a pattern means."""
    return (
        pattern.call == item.call
        and pattern.result == item.result
        and len(pattern.arguments) == len(item.arguments)
        and all(
            fits(one.text, other.text)
            for one, other in zip(pattern.arguments, item.arguments, strict=True)
        )
    )


def item_joined(first: Item, second: Item) -> Item:
    """The pattern of two items of the same call."""
    return Item(
        first.call, arguments_joined(first.arguments, second.arguments), first.result, first.rank
    )


def arguments_joined(first: Sequence[Argument], second: Sequence[Argument]) -> tuple[Argument, ...]:
    """The patterns of two lists of the same length."""
    return tuple(
        one if one.text == other.text else Argument("pattern", joined(one.text, other.text))
        for one, other in zip(first, second, strict=True)
    )


def arguments_fit(pattern: Sequence[Argument], words: Sequence[Argument]) -> bool:
    """Whether a list is one of those that a list of patterns means."""
    return len(pattern) == len(words) and all(
        fits(one.text, other.text) for one, other in zip(pattern, words, strict=True)
    )
