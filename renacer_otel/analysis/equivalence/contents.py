# SPDX-License-Identifier: MIT
"""The content of a file or a stream, put together from hashes of what was written where.

Hashes compose (spans.content), so one write or a hundred give the same. What was written over in
part cannot be taken apart again: then the content is not known.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from typing import TYPE_CHECKING

from renacer_otel.analysis.equivalence.state import Bytes
from renacer_otel.spans.content import Content, of_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_PARTS = 100_000  # of one file; beyond, its content is not known


class Stream:
    """Bytes in the order in which they were written. `unknown`: how many are not hashed."""

    def __init__(self) -> None:
        self.size = 0
        self.unknown = 0
        self._content = Content()

    def add(self, length: int, content: Content | None) -> None:
        """`length` bytes more; None: they were not hashed."""
        self.size += length
        if content is None or content.length != length:
            self.unknown += length
        elif not self.unknown:
            self._content = self._content + content

    def value(self) -> Bytes:
        """What it is."""
        if self.unknown:
            return Bytes(self.size, b"", "hashes")
        return Bytes(self.size, digest_of((self._content.length, self._content.lanes)), "hashes")


class Messages:
    """Where messages end in what was sent: each is one to whoever receives it."""

    def __init__(self) -> None:
        self.count: int | None = 0  # None: not known
        self._begun = 0  # bytes of one that is not sent yet
        self._are_known = True
        self._lengths = hashlib.sha256()

    def add(self, length: int, *, more: bool = False) -> None:
        """One; `more`: only its beginning (MSG_MORE)."""
        self._begun += length
        if more:
            return
        self._lengths.update(b"%d," % self._begun)
        self._begun = 0
        if self.count is not None:
            self.count += 1

    def add_unknown(self, count: int | None) -> None:
        """So many, of lengths that are not known; None: nor is how many."""
        self._are_known = False
        self.count = None if self.count is None or count is None else self.count + count

    def value(self) -> Bytes:
        """How many, and the lengths."""
        if self.count is None:
            return Bytes(0, b"", "messages, uncounted")
        return Bytes(self.count, self._lengths.digest() if self._are_known else b"", "messages")


class Extents:
    """Bytes by their offsets in a file. `end`: the greatest offset that was written."""

    def __init__(self) -> None:
        self.end = 0
        self.unknown = 0  # bytes that were not hashed, or written over in part
        self._starts: list[int] = []
        self._parts: list[tuple[int, Content | None]] = []  # length

    def put(self, start: int, length: int, content: Content | None) -> None:
        """Writes over what was there."""
        if not length:
            return
        if content is not None and content.length != length:
            content = None
        if start < self.end:
            self._clear(start, start + length)
        at = bisect_left(self._starts, start)
        if len(self._starts) >= _MOST_PARTS:
            self._merge()
            at = bisect_left(self._starts, start)
        self._starts.insert(at, start)
        self._parts.insert(at, (length, content))
        self.end = max(self.end, start + length)

    def cut(self, length: int) -> None:
        """Ends it there."""
        self._clear(length, max(self.end, length))
        self.end = min(self.end, length)

    def _clear(self, low: int, high: int) -> None:
        at = bisect_left(self._starts, low)
        if at and self._starts[at - 1] + self._parts[at - 1][0] > low:
            at -= 1
        while at < len(self._starts) and self._starts[at] < high:
            start, (length, content) = self._starts.pop(at), self._parts.pop(at)
            for left, right in (
                (start, min(start + length, low)),
                (max(start, high), start + length),
            ):
                if left < right:  # the rest of it is of bytes that are not known one by one
                    self._starts.insert(at, left)
                    self._parts.insert(at, (right - left, None))
                    at += 1
            del content

    def _merge(self) -> None:
        """Makes one part of those that touch."""
        merged = list(self._joined())
        self._starts = [start for start, _, _ in merged]
        self._parts = [(length, content) for _, length, content in merged]
        if len(merged) >= _MOST_PARTS:
            self._starts, self._parts = [0], [(self.end, None)]

    def _joined(self) -> Iterator[tuple[int, int, Content | None]]:
        """(start, length, content) of parts that do not touch each other."""
        now: tuple[int, int, Content | None] | None = None
        for start, (length, content) in zip(self._starts, self._parts, strict=True):
            if now is not None and now[0] + now[1] == start:
                both = now[2] + content if now[2] is not None and content is not None else None
                now = (now[0], now[1] + length, both)
                continue
            if now is not None:
                yield now
            now = (start, length, content)
        if now is not None:
            yield now

    def value(self, *, size: int | None, tail: Stream) -> Bytes:
        """What it is. `size`: None: over what was there before the run, which is not known, and
        `tail` behind its end."""
        if size is not None:
            self._fill(size)
        parts = list(self._joined())
        kind = "hashes"
        if size is None:  # comparable with what was written to the same places
            places = [(start, length) for start, length, _ in parts]
            kind = f"over {digest_of(places).hex()}"
        total = sum(length for _, length, _ in parts) + tail.size
        if any(content is None for _, _, content in parts) or tail.unknown:
            return Bytes(total if size is None else size, b"", kind)
        known = tuple(
            (start, length, content.lanes)
            for start, length, content in parts
            if content is not None
        )
        rest = (tail.size, tail.value().digest)
        if size is None:
            return Bytes(total, digest_of((known, rest)), kind)
        return Bytes(size, digest_of((known, rest)), "hashes")

    def _fill(self, size: int) -> None:
        """Holes are zeros."""
        at = 0
        for start, length, _ in [*self._joined(), (size, 0, None)]:
            if at < start:
                self.put(at, start - at, _zeros(start - at))
            at = start + length


def _zeros(length: int) -> Content:
    """So many zero bytes: put together by doubling, whatever length a trace claims."""
    made, block = Content(), of_bytes(b"\0")
    while length:
        if length & 1:
            made = made + block
        block = block + block
        length >>= 1
    return made


def digest_of(what: object) -> bytes:
    """A digest of something whose repr() says all of it."""
    return hashlib.sha256(repr(what).encode()).digest()
