# SPDX-License-Identifier: MIT
"""Received spans as a tree for people: run, processes, calls.

    renacer-otel run  12.3 ms  L 1-96
    └─ sh  pid 4711  11.9 ms  L 2-95
       ├─ execve  412 µs  L 3-4
       ├─ read x12  88 µs  L 5-28
       └─ cat  pid 4712  3.1 ms  L 31-60
          └─ openat x3  41 µs  L 33-38  1 ENOENT
    1 trace, 1 run, 2 processes, 16 calls (1 failed), 19 spans

Runs of the same call without children become one line, their durations added. Whatever a span
says is shown as printable text on its own line.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from renacer_otel.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

RUN_NAME = "renacer-otel run"
_MAX_DEPTH = 24  # of indentation; deeper spans keep the indentation of this depth
_MAX_NAME = 60
_UNICODE = ("├─ ", "└─ ", "│  ", "   ", "…", "\N{MULTIPLICATION SIGN}", "µs")
_ASCII = ("|- ", "`- ", "|  ", "   ", "...", "x", "us")


@dataclass
class _Node:
    span: Span
    attributes: dict[str, str | int]
    children: list[_Node] = field(default_factory=list)
    seen: bool = False

    @property
    def kind(self) -> str:
        """run, process or call; "span" for others' spans."""
        if "syscall.name" in self.attributes:
            return "call"
        if "process.parent_pid" in self.attributes:
            return "process"
        return "run" if self.span.name == RUN_NAME else "span"

    @property
    def order(self) -> tuple[int, int, bytes]:
        start = self.attributes.get("renacer.lamport.start", 0)
        lamport = start if isinstance(start, int) else 0
        return self.span.start_time_unix_nano, lamport, self.span.span_id

    @property
    def duration(self) -> int:
        return max(self.span.end_time_unix_nano - self.span.start_time_unix_nano, 0)


def _scalars(span: Span) -> dict[str, str | int]:
    found: dict[str, str | int] = {}
    for pair in span.attributes:
        if pair.value.HasField("int_value"):
            found[pair.key] = pair.value.int_value
        elif pair.value.HasField("string_value"):
            found[pair.key] = pair.value.string_value
    return found


def format_duration(nanoseconds: int, micro: str = "µs") -> str:
    """Three significant digits and a unit: "412 µs", "1.05 s"."""
    value, unit = float(nanoseconds), "ns"
    for bigger in (micro, "ms", "s"):
        if value < 999.5:
            break
        value, unit = value / 1000, bigger
    digits = 0 if unit == "ns" or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {unit}"


def _width(text: str) -> int:
    """Columns that `text` takes in a terminal."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def _fit(text: str, width: int, ellipsis: str) -> str:
    """`text`, cut to `width` columns."""
    if _width(text) <= width:
        return text
    kept, columns = [], width - len(ellipsis)
    for char in text:
        columns -= _width(char)
        if columns < 0:
            break
        kept.append(char)
    return "".join(kept) + ellipsis


class _Painter:
    def __init__(self, width: int, ascii_only: bool) -> None:
        self._width = width
        (self._tee, self._corner, self._bar, self._gap, self._cut, self._times, self._micro) = (
            _ASCII if ascii_only else _UNICODE
        )
        self._ascii = ascii_only

    def paint(self, root: _Node) -> Iterator[str]:
        """The lines of one tree, without recursion: depth is the sender's choice."""
        stack: list[tuple[str, str, int, list[_Node]]] = [("", "", 0, [root])]
        while stack:
            lead, below, depth, run = stack.pop()
            yield self._line(lead + self._label(run))
            groups = list(_groups(run[0].children)) if len(run) == 1 else []
            for position, group in reversed(list(enumerate(groups))):
                last = position == len(groups) - 1
                joint = self._corner if last else self._tee
                deeper = below + (self._gap if last else self._bar)
                if depth >= _MAX_DEPTH:
                    deeper = below
                stack.append((below + joint, deeper, depth + 1, group))

    def _line(self, text: str) -> str:
        if self._ascii:
            text = text.encode("ascii", "backslashreplace").decode("ascii")
        return _fit(text, self._width, self._cut).rstrip()

    def _label(self, run: list[_Node]) -> str:
        first = run[0]
        parts = [one_line(first.span.name, _MAX_NAME)]
        if len(run) > 1:
            parts[0] += f" {self._times}{len(run)}"
        if first.kind == "process":
            parts.append(f"pid {first.attributes.get('process.pid', '?')}")
        parts.append(format_duration(sum(node.duration for node in run), self._micro))
        lamport = _lamport(run)
        if lamport:
            parts.append(lamport)
        parts += _endings(run)
        return "  ".join(parts)


def _lamport(run: list[_Node]) -> str:
    """ "L 3-8": the Lamport times that a line spans."""
    starts = [node.attributes.get("renacer.lamport.start") for node in run]
    ends = [node.attributes.get("renacer.lamport.end") for node in run]
    numbers = [value for value in starts + ends if isinstance(value, int)]
    return f"L {min(numbers)}-{max(numbers)}" if numbers else ""


def _endings(run: list[_Node]) -> list[str]:
    """How the spans of a line ended, where that is worth a word."""
    first = run[0]
    if first.kind != "call":
        code = first.attributes.get("process.exit.code")
        words = [f"exit {code}"] if code else []
        signal = first.attributes.get("renacer.process.signal")
        if signal:
            words.append(f"killed by {one_line(str(signal), 20)}")
    else:
        errors = Counter(
            one_line(str(node.attributes["error.type"]), 20)
            for node in run
            if "error.type" in node.attributes
        )
        words = [
            f"{count} {name}" if len(run) > 1 else name for name, count in errors.most_common(3)
        ]
        if len(run) == 1 and "file.path" in first.attributes:
            words.append(one_line(str(first.attributes["file.path"]), _MAX_NAME))
    unfinished = sum(1 for node in run if _is_unfinished(node))
    if unfinished:
        words.append("unfinished" if len(run) == 1 else f"{unfinished} unfinished")
    return words


def _is_unfinished(node: _Node) -> bool:
    return any(pair.key == "renacer.unfinished" for pair in node.span.attributes)


def _groups(children: list[_Node]) -> Iterator[list[_Node]]:
    """Children in order of time; neighbours that are the same call and have no children of
    their own are one group."""
    group: list[_Node] = []
    for node in sorted(children, key=lambda node: node.order):
        foldable = node.kind == "call" and not node.children
        if group and not (
            foldable
            and group[-1].kind == "call"
            and not group[-1].children
            and group[-1].span.name == node.span.name
        ):
            yield group
            group = []
        group.append(node)
    if group:
        yield group


def _link(spans: Iterable[Span]) -> tuple[list[_Node], list[_Node]]:
    """(all nodes, those whose parent did not come)."""
    nodes: dict[tuple[bytes, bytes], _Node] = {}
    everything: list[_Node] = []
    for span in spans:
        node = _Node(span, _scalars(span))
        everything.append(node)
        nodes.setdefault((span.trace_id, span.span_id), node)
    tops = []
    for node in everything:
        parent = nodes.get((node.span.trace_id, node.span.parent_span_id))
        if parent is None or parent is node:
            tops.append(node)
        else:
            parent.children.append(node)
    return everything, tops


def _mark(tops: list[_Node]) -> None:
    """Marks what hangs below `tops`."""
    stack = list(tops)
    while stack:
        node = stack.pop()
        if not node.seen:
            node.seen = True
            stack.extend(node.children)


def counts(spans: Sequence[Span]) -> str:
    """One line: "1 trace, 1 run, 2 processes, 16 calls (1 failed), 19 spans"."""
    nodes = [_Node(span, _scalars(span)) for span in spans]
    kinds = Counter(node.kind for node in nodes)
    failed = sum(1 for node in nodes if node.kind == "call" and "error.type" in node.attributes)
    parts = [_plural(len({span.trace_id for span in spans}), "trace")]
    for kind, name in (("run", "run"), ("process", "process"), ("call", "call")):
        if kinds[kind] or kind != "run":
            parts.append(_plural(kinds[kind], name))
    if failed:
        parts[-1] += f" ({failed} failed)"
    return ", ".join([*parts, _plural(len(spans), "span")])


def _plural(count: int, name: str) -> str:
    ending = "" if count == 1 else "es" if name.endswith("s") else "s"
    return f"{count} {name}{ending}"


def render(spans: Iterable[Span], width: int = 80, ascii_only: bool = False) -> str:
    """Renders official Span messages as a tree, one line for each span or run of equal calls.

    `width`: columns; longer lines are cut. `ascii_only`: for terminals without UTF-8. Spans
    whose parent is not among `spans` stand at the top, as does the run itself; those that a
    circle of parents keeps out of every tree are told by number. Ends with a line of counts.
    """
    messages = list(spans)
    everything, tops = _link(messages)
    _mark(tops)
    painter = _Painter(max(width, 20), ascii_only)
    lines: list[str] = []
    by_trace: defaultdict[bytes, list[_Node]] = defaultdict(list)
    for node in sorted(tops, key=lambda node: node.order):
        by_trace[node.span.trace_id].append(node)
    for roots in by_trace.values():
        for root in roots:
            lines += painter.paint(root)
    circular = sum(1 for node in everything if not node.seen)
    if circular:
        lines.append(f"not shown: {_plural(circular, 'span')} whose parents form a circle")
    lines.append(counts(messages))
    return "\n".join(lines) + "\n"
