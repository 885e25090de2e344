# SPDX-License-Identifier: MIT
"""OTLP/JSON as columns: spans of `--format otlp-json`, or as a collector's file exporter writes.

Objects follow each other, each an ExportTraceServiceRequest, one a line. Only spans of our own
scope count, of one run; docs/spans.md says what is in them. Numbers of events are not: they are
given anew, in the order of time, and where that is the same of Lamport time. What a link says
caused something becomes an edge.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from renacer_otel.analysis.loading import names
from renacer_otel.analysis.loading.columns import Rows, Texts
from renacer_otel.analysis.loading.runs import CALL, LINK, PROCESS, Spans, assembled
from renacer_otel.analysis.loading.stream import Stream
from renacer_otel.spans import replay

if TYPE_CHECKING:
    from io import BufferedReader

SCOPE = "renacer_otel"
_HEAD = re.compile(rb'\s*\{\s*"resource(Spans|Logs|Metrics)"')
_PEEKED = 4096
_INTERRUPTED = range(-516, -511)  # ERESTART* of the kernel
_ESCAPE = re.compile(rb"\\(?:\\|x([0-9a-f]{2}))")
_HEX = re.compile(r"0x[0-9a-f]{1,16}", re.ASCII)
_NUMBERS = (-(1 << 31), (1 << 31) - 1)  # of calls
_DIGITS = 20  # of 64 bits, with a sign
_SIGNALS = 65
_ARGS = "syscall.args."
_NO_VALUE: dict[str, Any] = {}


def is_one(file: BufferedReader) -> bool:
    """Whether the file begins as such a file does. Its position stays at its begin."""
    file.seek(0)
    found = _HEAD.match(file.read(_PEEKED))
    file.seek(0)
    return found is not None


def load(file: BufferedReader, name: str, *, details: bool) -> replay.Replay:
    """The run whose spans are in the file. Raises TraceUnreadable."""
    reader = _Reader(Stream(file, name))
    reader.read()
    return assembled(reader.spans, details=details)


class _Reader:
    """Walks through the requests, and keeps what is ours."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.spans = Spans(Rows(CALL), Rows(PROCESS), Rows(LINK), Texts())
        self._signals = {replay.signal_name(number): number for number in range(1, _SIGNALS)}
        self._edges = {kind: number for number, kind in enumerate(replay.edge_names())}
        self._runs: set[str] = set()

    def read(self) -> None:
        """All of them. Raises TraceUnreadable."""
        stream = self._stream
        while stream.peek():
            for key in stream.members():
                if key == "resourceSpans":
                    for _ in stream.elements():
                        self._resource()
                else:
                    stream.skip()
        if not len(self.spans.ids):
            raise stream.wrong(f"it has no span of the scope {SCOPE}")
        if len(self._runs) > 1:
            raise stream.wrong(
                f"it has spans of {len(self._runs)} runs (renacer.run.id); leave one in it"
            )

    def _resource(self) -> None:
        stream, run = self._stream, None
        for key in stream.members():
            if key == "resource":
                attributes = self._attributes(self._dict(stream.value()).get("attributes"))
                run = attributes.get("renacer.run.id")
            elif key == "scopeSpans":
                for _ in stream.elements():
                    if self._scope() and isinstance(run, str):
                        self._runs.add(run)
            else:
                stream.skip()

    def _scope(self) -> bool:
        """Whether it is ours, and has spans."""
        stream, ours, any_span = self._stream, False, False
        for key in stream.members():
            if key == "scope":
                ours = self._dict(stream.value()).get("name") == SCOPE
            elif key == "spans" and ours:
                for _ in stream.elements():
                    self._span(self._dict(stream.value()))
                    any_span = True
            elif key == "spans":
                for _ in stream.elements():
                    stream.value()
                    self.spans.others += 1
            else:
                stream.skip()
        return any_span

    # --- values -------------------------------------------------------------------------------

    def _dict(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._stream.wrong("an object is missing where OTLP has one")
        return value

    def _list(self, value: Any) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._stream.wrong("an array is missing where OTLP has one")
        return value

    def _text(self, value: Any) -> str:
        if not isinstance(value, str):
            raise self._stream.wrong("a text is missing where OTLP has one")
        return value

    def _whole(self, value: Any, least: int = 0, most: int = (1 << 64) - 1) -> int:
        """A 64-bit number: proto3 has it as a text, readers are to take a number, too."""
        if type(value) is str and len(value) <= _DIGITS:
            try:
                value = int(value) if value.isascii() and value.lstrip("-").isdigit() else None
            except ValueError:
                value = None
        if type(value) is not int or not least <= value <= most:
            raise self._stream.wrong("a whole number is missing, or out of range")
        return value

    def _id(self, value: Any) -> int:
        text = self._text(value)
        try:
            if len(text) != 16 or not text.isalnum():
                raise ValueError
            return int(text, 16)
        except ValueError:
            raise self._stream.wrong("a span id is not 16 hex digits") from None

    def _attributes(self, given: Any) -> dict[str, Any]:
        """Texts, whole numbers, True and False, and lists of texts; others are left out."""
        found: dict[str, Any] = {}
        for pair in self._list(given):
            # As plain as can be: there are some ten of them a span.
            if type(pair) is not dict:
                raise self._stream.wrong("an attribute is no object")
            key, value = pair.get("key"), pair.get("value", _NO_VALUE)
            if type(key) is not str or type(value) is not dict:
                raise self._stream.wrong("an attribute has no key, or its value is no object")
            for kind, content in value.items():
                if kind == "stringValue":
                    if type(content) is not str:
                        raise self._stream.wrong("the text of an attribute is none")
                    found[key] = content
                elif kind == "intValue":
                    found[key] = self._whole(content, -(1 << 63), (1 << 63) - 1)
                elif kind == "boolValue":
                    found[key] = content is True
                elif kind == "doubleValue" and type(content) in (int, float):
                    found[key] = float(content)
        return found

    def _number(self, attributes: dict[str, Any], key: str, default: int = 0) -> int:
        value = attributes.get(key, default)
        if type(value) is not int:
            raise self._stream.wrong(f"{key} is no whole number")
        return value

    def _bytes(self, text: str) -> bytes:
        """As the program gave it: what spans escape."""
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            raise self._stream.wrong("half of a surrogate pair") from error
        if b"\\" not in data:
            return data
        return _ESCAPE.sub(lambda m: bytes([int(m[1], 16)]) if m[1] else b"\\", data)

    # --- spans --------------------------------------------------------------------------------

    def _span(self, span: dict[str, Any]) -> None:
        attributes = self._attributes(span.get("attributes"))
        number = self._id(span.get("spanId"))
        if number in self.spans.ids:
            self.spans.twice += 1
            return
        parent = self._id(span["parentSpanId"]) if span.get("parentSpanId") else 0
        times = (
            self._whole(span.get("startTimeUnixNano")),
            self._whole(span.get("endTimeUnixNano")),
            *(
                max(self._number(attributes, f"renacer.lamport.{end}"), 0)
                for end in ("start", "end")
            ),
        )
        if times[1] < times[0]:
            raise self._stream.wrong("a span ends before it starts")
        owner = self._links(number, span.get("links"))
        if "renacer.copy" in attributes:
            self.spans.ids.add(number)
            self.spans.copies[number] = owner
        elif "renacer.fold.count" in attributes:
            self.spans.ids.add(number)
            self.spans.folded += max(self._number(attributes, "renacer.fold.count"), 0)
        elif "syscall.name" in attributes:
            self.spans.ids.add(number)
            self._call(number, owner or parent, times, attributes)
        elif "process.pid" in attributes:
            self.spans.ids.add(number)
            self._process(number, times, attributes)
        elif "renacer.command" in attributes:
            self.spans.ids.add(number)
            self.spans.run = (times, attributes)

    def _links(self, number: int, links: Any) -> int:
        """Keeps the causes; returns the process of a call that is under another span."""
        owner = 0
        for link in self._list(links):
            given = self._dict(link)
            kind = self._attributes(given.get("attributes")).get("renacer.edge")
            if kind == "process":
                owner = self._id(given.get("spanId"))
            elif isinstance(kind, str) and self._edges.get(kind):
                self.spans.links.add((number, self._id(given.get("spanId")), self._edges[kind]))
        return owner

    def _call(
        self, number: int, process: int, times: tuple[int, ...], attributes: dict[str, Any]
    ) -> None:
        name = self._text(attributes["syscall.name"])
        number_told = "syscall.number" in attributes
        known = names.call(
            name, self._whole(attributes["syscall.number"], *_NUMBERS) if number_told else None
        )
        flags, result = 0, self._number(attributes, "syscall.result")
        if attributes.get("renacer.unfinished"):
            flags |= replay.UNFINISHED
        elif result in _INTERRUPTED:
            flags |= replay.INTERRUPTED
        elif "error.type" in attributes:
            flags |= replay.FAILED
        if attributes.get("renacer.restarted"):
            flags |= replay.RESTARTED
        words, paths = self._arguments(known, attributes)
        made = known.makes and 0 <= result <= names.MOST_FD and not flags
        fd = result if made else -1
        if fd < 0 and known.descriptor >= 0:
            low = words[known.descriptor] & 0xFFFFFFFF
            fd = low - (1 << 32) if low >> 31 else low
        texts = self.spans.texts
        file = attributes.get("file.path")
        path = paths[0] or (self._bytes(file) if isinstance(file, str) else b"")
        self.spans.calls.add((
            number, process, *times, result, self._tid(attributes), known.nr, flags, known.abi,
            "renacer.causes.incomplete" in attributes, fd, texts.add(path),
            texts.add(paths[1]), texts.add(self._peer(attributes)),
            words,
        ))  # fmt: skip

    def _tid(self, attributes: dict[str, Any]) -> int:
        return self._whole(attributes.get("syscall.tid", 0), 0, (1 << 31) - 1)

    def _arguments(
        self, known: names.Call, attributes: dict[str, Any]
    ) -> tuple[tuple[int, ...], list[bytes]]:
        """Six words, and two paths; what is told as text alone is 0."""
        words, paths = [0] * 6, [b"", b""]
        for place, (name, _) in enumerate(known.arguments):
            value = attributes.get(_ARGS + name)
            if type(value) is int:
                words[place] = value & (1 << 64) - 1
            elif not isinstance(value, str):
                continue
            elif _HEX.fullmatch(value):
                words[place] = int(value, 16)
            elif place in known.paths[:2]:
                paths[known.paths.index(place)] = self._bytes(value)
            else:
                words[place] = names.value(known.abi, known.nr, place, value) or 0
        return tuple(words), paths

    def _peer(self, attributes: dict[str, Any]) -> bytes:
        address = attributes.get("network.peer.address")
        if not isinstance(address, str):
            return b""
        port = attributes.get("network.peer.port")
        if type(port) is not int:
            text = self._bytes(address)
            return b"@" + text[1:] if text.startswith(b"\0") else text
        six = attributes.get("network.type") == "ipv6"
        return self._bytes(f"[{address}]:{port}" if six else f"{address}:{port}")

    def _process(self, number: int, times: tuple[int, ...], attributes: dict[str, Any]) -> None:
        exe = attributes.get("process.executable.path", "")
        status = -1
        if "process.exit.code" in attributes:
            status = (self._number(attributes, "process.exit.code") & 0xFF) << 8
        elif "renacer.process.signal" in attributes:
            status = self._signals.get(str(attributes["renacer.process.signal"]), 0x7F)
        most = (1 << 31) - 1
        self.spans.processes.add((
            number, *times, max(self._number(attributes, "renacer.calls"), 0),
            max(self._number(attributes, "renacer.errors"), 0),
            self._whole(attributes["process.pid"], 0, most),
            self._whole(attributes.get("process.parent_pid", 0), 0, most),
            status, self.spans.texts.add(self._bytes(self._text(exe))),
            bool(attributes.get("renacer.superseded")),
        ))  # fmt: skip
