# SPDX-License-Identifier: MIT
"""renacer-json-v1 as columns: what Renacer's `--format json` prints, and NAME.json of a golden.

    {"version": "0.10.2", "format": "renacer-json-v1",
     "syscalls": [{"name": "openat", "args": ["0xffffff9c", "\\"/etc/hosts\\"", "0x0"], "result": 3,
                   "duration_us": 12, "source": {"file": "a.c", "line": 3, "function": "main"},
                   "ts_us": 1200, "tid": 7}],
     "summary": {"total_syscalls": 1, "total_time_us": 12, "exit_code": 0}}

`duration_us`, `source`, `ts_us` and `tid` may be absent (the last two are so in Renacer up to
0.10). There are three arguments of each call, in hex; only the path of an openat is a text, put
between quotes and not escaped. It stands in the traced program's own output, with which Renacer
shares standard output. Ours ("generator": "renacer-otel", spans/listing.py) have all arguments, as
strace shows them, and pids.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

from renacer_otel.analysis.loading import names
from renacer_otel.analysis.loading.descriptors import Descriptors
from renacer_otel.analysis.loading.listed import Listing, assembled
from renacer_otel.analysis.loading.stream import MAX_VALUE, Stream
from renacer_otel.errors import TraceUnreadable, one_line
from renacer_otel.spans import replay

if TYPE_CHECKING:
    from io import BufferedReader

VERSION = "renacer-json-v1"
#: Of other output before it that is looked through, bytes.
MOST_BEFORE = 64 << 20
_MARK = b'"renacer-json-v'
# What its first keys are, up to the mark.
_BEGIN = re.compile(rb'\{\s*(?:"version"\s*:\s*"[^"\\]{0,80}"\s*,\s*)?"format"\s*:\s*$')
_REACH = 256
_MOST_MARKS = 50_000  # that no beginning is before
_MOST_TRIES = 16
_REWIND = 4 * MAX_VALUE  # bytes
_MOST_US = 1 << 53
_MAX_ERRNO = 4095
_INTERRUPTED = range(-516, -511)  # ERESTART* of the kernel
_MORE_THREADS = ("clone", "clone3", "fork", "vfork")
# What it returns is a register of the code that it goes back to.
_NO_RESULT = ("rt_sigreturn", "sigreturn")
_OURS = "renacer-otel"
_WORDS = {"NULL": 0, "AT_FDCWD": (1 << 64) - 100}
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|x[0-9a-f]{2}|.)", re.DOTALL)
_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f"}
_HEX = re.compile(r"0x[0-9a-f]{1,16}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_KINDS = {dict: "object", list: "array", str: "text", int: "whole number"}


def find(file: BufferedReader, begin: int = 0) -> int | None:
    """Where in the file it begins, at or after a byte; None: it does not.

    At most MOST_BEFORE bytes are looked through, and _MOST_MARKS marks.
    """
    file.seek(begin)
    at, kept, marks = begin, b"", 0
    while at - begin < MOST_BEFORE and marks < _MOST_MARKS:
        data = file.read(1 << 20)
        if not data:
            return None
        text = kept + data
        start = at - len(kept)
        found = text.find(_MARK)
        while found >= 0 and marks < _MOST_MARKS:
            marks += 1
            match = _BEGIN.search(text, max(found - _REACH, 0), found)
            if match:
                return start + match.start()
            found = text.find(_MARK, found + 1)
        kept = text[-_REACH - len(_MARK) :]
        at += len(data)
    return None


def load(file: BufferedReader, name: str, begin: int, *, details: bool) -> replay.Replay:
    """The trace that begins at a byte of the file. Raises TraceUnreadable.

    The last one counts: one before it is the traced program's own output.
    """
    for _ in range(_MOST_TRIES):
        file.seek(begin)
        stream = Stream(file, name)
        reader, error = _Reader(stream), None
        try:
            reader.read()
        except TraceUnreadable as caught:
            error = caught
        # The next may have been taken for a part of what was cut short.
        back = _REWIND if error is not None else 0
        after = max(begin + stream.bytes_used() - back, begin + 1)
        again = find(file, after)
        if again is None:
            if error is not None:
                raise error
            return assembled(reader.listing, details=details)
        begin = again
    raise stream.wrong(f"{_MOST_TRIES} beginnings of {VERSION} are in it")


class _Reader:
    """One such object."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.listing = Listing()
        self._descriptors: dict[int, Descriptors] = {}  # by pid, 0 = not told
        self._objects = itertools.count(1)
        self._is_ours = False

    def read(self) -> None:
        """All of it. Raises TraceUnreadable."""
        stream, form = self._stream, ""
        for key in stream.members():
            if key == "syscalls":
                if form != VERSION:
                    raise stream.wrong(f'"format" does not come before "{key}"')
                for _ in stream.elements():
                    self._call(stream.value())
            elif key == "format":
                form = str(stream.value())
                if form != VERSION:
                    raise TraceUnreadable(
                        f"{stream.name}: of another format, '{one_line(form, 40)}'; this program"
                        f" reads {VERSION}; use a newer renacer-otel"
                    )
            elif key == "summary":
                self._summary(self._checked(stream.value(), dict, key))
            elif key == "generator":
                self._is_ours = stream.value() == _OURS
            elif key == "command":
                command = self._checked(stream.value(), list, key)
                self.listing.command = [self._checked(word, str, key) for word in command]
            elif key == "start_unix_us":
                self.listing.start_unix_us = self._whole({key: stream.value()}, key, 0, _MOST_US)
            else:
                stream.skip()

    def _checked(self, value: Any, kind: type, what: str) -> Any:
        if type(value) is not kind:
            raise self._stream.wrong(f'"{what}" is no {_KINDS[kind]}')
        return value

    def _whole(self, call: dict[str, Any], key: str, least: int, most: int) -> int:
        """A whole number that need not be there: -1."""
        value = call.get(key)
        if value is None:
            return -1
        self._checked(value, int, key)
        if not least <= value <= most:
            raise self._stream.wrong(f'"{key}" is out of range')
        return int(value)

    def _summary(self, summary: dict[str, Any]) -> None:
        listing = self.listing
        if "total_syscalls" in summary:
            listing.total = self._whole(summary, "total_syscalls", 0, 1 << 62)
        code = summary.get("exit_code")
        if code is not None:
            listing.exit_code = self._checked(code, int, "exit_code")
        listing.lost = max(self._whole(summary, "lost_syscalls", 0, 1 << 62), 0)

    def _call(self, call: Any) -> None:
        self._checked(call, dict, "syscalls[]")
        name = self._checked(call.get("name"), str, "name")
        result = self._checked(call.get("result"), int, "result")
        if not -(1 << 63) <= result < 1 << 63:
            raise self._stream.wrong('"result" is out of range')
        listing, known = self.listing, names.call(name)
        listing.unnamed += known.nr < 0
        args, paths = self._arguments(known, self._checked(call.get("args"), list, "args"))
        fd = _signed(args[known.descriptor]) if known.descriptor >= 0 else -1
        flags = 0
        if call.get("unfinished") is True:
            flags = replay.UNFINISHED
        elif result in _INTERRUPTED:
            flags = replay.INTERRUPTED
        elif -_MAX_ERRNO <= result < 0 and name not in _NO_RESULT:
            flags = replay.FAILED
        pid, tid = (max(self._whole(call, key, 0, (1 << 31) - 1), 0) for key in ("pid", "tid"))
        if pid not in self._descriptors:
            self._descriptors[pid] = Descriptors(self._objects)
        opened = self._descriptors[pid].follow(
            name, args, result, makes=known.makes and not flags, fd=fd, path=paths[0]
        )
        if known.makes and not flags:
            fd = result if 0 <= result <= names.MOST_FD else -1
        if pid and isinstance(program := call.get("process"), str):
            listing.programs[pid] = program[:256]
        listing.makes_others |= name in _MORE_THREADS and result > 0
        spent = self._whole(call, "duration_ns", 0, _MOST_US * 1000)
        if spent < 0:
            spent = 1000 * self._whole(call, "duration_us", 0, _MOST_US)
        listing.rows.add((
            known.nr, known.abi, pid, tid, result, spent,
            1000 * self._whole(call, "ts_us", 0, _MOST_US), flags, paths[0], paths[1],
            opened.path, opened.object, fd, args,
        ))  # fmt: skip

    def _arguments(
        self, known: names.Call, given: list[Any]
    ) -> tuple[tuple[int, ...], tuple[int, int]]:
        """Six words, and the indexes of two paths."""
        words, paths, told = [0] * 6, [0, 0], 0
        untold = self.listing.untold
        for place, text in enumerate(given):
            self._checked(text, str, "args[]")
            if place >= 6:
                break
            if _HEX.fullmatch(text):
                words[place] = int(text, 16)
            elif place in known.paths[:2] and len(text) > 1 and text[0] == text[-1] == '"':
                data = self._bytes(text[1:-1])
                data = _unescaped(data) if self._is_ours else data
                paths[known.paths.index(place)] = self.listing.texts.add(data)
                told += 1
            else:
                value = _number(known, place, text)
                words[place] = value or 0
                if value is None and known.kind(place) in names.NUMBERS:
                    untold.add("arguments")
        if len(given) < len(known.arguments) and not self._is_ours:
            untold.add("arguments")
        if told < len(known.paths[:2]):
            untold.add("paths")
        return tuple(words), (paths[0], paths[1])

    def _bytes(self, text: str) -> bytes:
        try:
            return text.encode()
        except UnicodeEncodeError as error:
            raise self._stream.wrong("half of a surrogate pair") from error


def _signed(word: int) -> int:
    """An int in a word of 64 bits."""
    low = word & 0xFFFFFFFF
    return low - (1 << 32) if low >> 31 else low


def _number(known: names.Call, place: int, text: str) -> int | None:
    """An argument as a word: a number, or as strace writes it; None: it is none."""
    if _DECIMAL.fullmatch(text):
        octal = len(text) > 1 and text[0] == "0"
        try:
            return int(text, 8 if octal else 10) & (1 << 64) - 1
        except ValueError:
            return None
    text = text.partition(" /* ")[0]
    if text in _WORDS:
        return _WORDS[text]
    return names.value(known.abi, known.nr, place, text)


def _unescaped(data: bytes) -> bytes:
    """A string of C as its bytes."""
    if b"\\" not in data:
        return data
    return _ESCAPE.sub(_meant, data)


def _meant(found: re.Match[bytes]) -> bytes:
    word = found[1]
    if word[:1].isdigit():
        return bytes([int(word, 8) & 0xFF])
    if word[:1] == b"x":
        return bytes([int(word[1:], 16)])
    return _LETTERS.get(word, word)
