# SPDX-License-Identifier: MIT
"""JSON read piece by piece: a file may be of any size, no piece of it takes more than some MiB.

Python's own parser reads the pieces (a call, a span); what is around them is walked by hand, so
that the whole is never in memory, and is never nested deeper than a caller asks for.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING, Any, BinaryIO

from renacer_otel.errors import TraceUnreadable
from renacer_otel.ring.strict_json import DECODER

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Of one value that is read as a whole: characters.
MAX_VALUE = 1 << 20
_AT_ONCE = 1 << 18
_MOST_KEYS = 10_000  # of an object that is walked
_SPACE = re.compile(r"[ \t\n\r]*")
# Elements of an array that need no look, each with its comma.
_PLAIN = re.compile(
    r"""(?:[ \t\n\r]*(?:-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,30})?|true|false|null|\[\]|\{\}"""
    r"""|"[^"\\\x00-\x1f]*")[ \t\n\r]*,){1,1000}"""
)


class Stream:
    """The JSON at the file's position. `name`: the file's, one printable line.

    Its methods raise TraceUnreadable.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self.name = name
        self._decode = codecs.getincrementaldecoder("utf-8")("strict").decode
        self._text = ""
        self._at = 0
        self._gone = 0  # characters before those of _text
        self._ended = False
        self._bytes = 0

    def wrong(self, what: str) -> TraceUnreadable:
        """The error for something that is not as it has to be."""
        return TraceUnreadable(f"{self.name}: damaged, or no trace: {what}")

    def _more(self) -> bool:
        """Reads on. False: there is no more."""
        if self._ended:
            return False
        try:
            data = self._file.read(_AT_ONCE)
        except OSError as error:
            raise TraceUnreadable(f"{self.name}: {error.strerror or error}") from error
        self._ended = not data
        self._bytes += len(data)
        try:
            text = self._decode(data, self._ended)
        except UnicodeDecodeError as error:
            raise self.wrong("it is not UTF-8") from error
        self._gone += self._at
        self._text = self._text[self._at :] + text
        self._at = 0
        return True

    def peek(self) -> str:
        """The next character that is no white space; "" at the end."""
        begin = self._gone + self._at
        while True:
            found = _SPACE.match(self._text, self._at)
            assert found is not None  # it may be empty
            self._at = found.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if self._gone + self._at - begin > MAX_VALUE:
                raise self.wrong(f"white space alone behind character {begin}")
            if not self._more():
                return ""

    def take(self, wanted: str) -> None:
        """One character that has to be there."""
        found = self.peek()
        if not found:
            raise self.wrong("it ends too early")
        if found != wanted:
            raise self.wrong(f"{wanted!r} is missing at character {self._gone + self._at}")
        self._at += 1

    def value(self) -> Any:
        """One whole value."""
        self.peek()
        begin = self._gone + self._at
        while True:
            try:
                found, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                # It may be that it goes on.
                self._room(begin, error.msg.removesuffix(" at"))
                continue
            except RecursionError:
                raise self.wrong(f"nested too deep at character {begin}") from None
            except ValueError as error:
                raise self.wrong(f"{error} in what begins at character {begin}") from error
            is_number = isinstance(found, (int, float))
            if is_number and not self._ended and end + len("e-") >= len(self._text):
                self._more()  # it may go on
                continue
            self._at = end
            return found

    def _room(self, begin: int, problem: str) -> None:
        """Reads as much again as there is of a value. Raises if there is no more, or too much."""
        there = len(self._text) - self._at
        if there <= MAX_VALUE:
            while self._more():
                if len(self._text) >= 2 * there + 1:
                    return
            if len(self._text) - self._at > there:
                return
        cut = "" if there > MAX_VALUE else "cut short, or "
        raise self.wrong(f"{cut}{problem} in what begins at character {begin}")

    def members(self) -> Iterator[str]:
        """The keys of an object; the caller takes each value before it asks for the next key."""
        self.take("{")
        known: set[str] = set()
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            if self.peek() != '"':
                raise self.wrong(f"a key is missing at character {self._gone + self._at}")
            key = str(self.value())
            if key in known or len(known) >= _MOST_KEYS:
                raise self.wrong("a key comes twice in an object, or there are too many")
            known.add(key)
            self.take(":")
            yield key
            if self.peek() != ",":
                self.take("}")
                return
            self._at += 1

    def elements(self) -> Iterator[None]:
        """Once for each element of an array; the caller takes each before it asks for the next."""
        self.take("[")
        if self.peek() == "]":
            self._at += 1
            return
        while True:
            yield
            if self.peek() != ",":
                self.take("]")
                return
            self._at += 1

    def skip(self, depth: int = 4) -> None:
        """A value of any size that nobody needs."""
        first = self.peek()
        if depth and first and first in "{[" and self._took_what_is_here():
            return
        if depth and first == "{":
            for _ in self.members():
                self.skip(depth - 1)
        elif depth and first == "[":
            for _ in self.elements():
                while found := _PLAIN.match(self._text, self._at):
                    self._at = found.end()
                self.skip(depth - 1)
        else:
            self.value()

    def _took_what_is_here(self) -> bool:
        """Takes an object or an array if the whole of it is read already, and sound."""
        try:
            _, self._at = DECODER.raw_decode(self._text, self._at)
        except (ValueError, RecursionError):
            return False
        return True

    def bytes_used(self) -> int:
        """How many bytes of the file were taken, at least."""
        rest = len(self._text[self._at :].encode("utf-8", "surrogatepass"))
        return max(self._bytes - rest - 3, 0)
