# SPDX-License-Identifier: MIT
"""Runs commands traced and untraced, and looks at what became of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renacer_otel.engine import native
from renacer_otel.exporters.receiver import Receiver
from renacer_otel.ring import trace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = (sys.executable, "-m", "renacer_otel")
SUBJECTS = Path(__file__).parent / "subjects"
LIMIT = 60.0

ENTER, EXIT, CALL, START, EXEC, END, SIGNAL, GROUP_STOP = range(1, 9)
FAILED, INTERRUPTED, RESTARTED, UNFINISHED = 1, 2, 4, 8
ERESTARTNOINTR = -513
BIRTHS = ("launch", "fork", "vfork", "clone", "attach", "unknown")

SpanKey = tuple[bytes, bytes]


def environment(**more: str) -> dict[str, str]:
    """Ours, with the package on the path even where it is not installed."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": path, **more}


@dataclass(frozen=True)
class Done:
    """How a command ended: exit code (-signal), standard output and standard error."""

    status: int
    output: str
    errors: str


@dataclass
class Event:
    """A record of a TRACE file, as Python values."""

    kind: int
    flags: int
    tid: int
    pid: int
    seq: int
    name: str
    args: tuple[int, ...]
    result: int
    t0: int
    t1: int
    pieces: list[trace_file.Piece] = field(default_factory=list)


def read_events(path: Path, pieces: bool = False) -> list[Event]:
    """Every record of a whole TRACE file, in ring order."""
    trace = trace_file.read(path)
    assert trace.complete
    found = []
    for row, raw in enumerate(trace.events):
        name = native.lib.rn_table_name(int(raw["abi"]), int(raw["nr"]))
        found.append(
            Event(
                kind=int(raw["kind"]),
                flags=int(raw["flags"]),
                tid=int(raw["tid"]),
                pid=int(raw["pid"]),
                seq=int(raw["seq"]),
                name=native.ffi.string(name).decode() if name else f"#{raw['nr']}",
                args=tuple(int(arg) for arg in raw["args"]),
                result=int(raw["result"]),
                t0=int(raw["t0"]),
                t1=int(raw["t1"]),
                pieces=trace.pieces(row) if pieces else [],
            )
        )
    return found


def without_restarts(events: Sequence[Event]) -> list[Event]:
    """Without calls that a signal kept from their work, and that were begun anew unseen.

    A fork is, where a signal waits: whether another child's SIGCHLD does so is a matter of chance.
    """
    kept: dict[int, Event] = {}
    entered: dict[int, int] = {}
    for place, event in enumerate(events):
        if event.kind in (CALL, EXIT) and event.result == ERESTARTNOINTR:
            if event.kind == EXIT:
                del kept[entered[event.tid]]
            continue
        if event.kind == ENTER:
            entered[event.tid] = place
        kept[place] = event
    return list(kept.values())


def entries(events: Sequence[Event], tid: int | None = None) -> list[str]:
    """Names of the calls that were begun, in order."""
    return [
        event.name
        for event in events
        if event.kind in (ENTER, CALL) and (tid is None or event.tid == tid)
    ]


def execute(
    words: Sequence[object],
    env: Mapping[str, str] | None = None,
    feed: str | None = None,
    **options: Any,
) -> Done:
    """Runs a program to its end; kills it if it takes longer than LIMIT."""
    process = subprocess.Popen(
        [str(word) for word in words],
        env=dict(env) if env is not None else environment(),
        stdin=subprocess.DEVNULL if feed is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="surrogateescape",
        **options,
    )
    try:
        output, errors = process.communicate(feed, LIMIT)
    finally:
        process.kill()
        process.wait()
    return Done(process.returncode, output, errors)


def traced(*options: str | Path) -> tuple[str | Path, ...]:
    """The words that go before a command to trace it, all in silence."""
    return (*PROGRAM, "-q", *options, "--")


def both(
    words: Sequence[object],
    *options: str,
    env: Mapping[str, str] | None = None,
    **more: Any,
) -> tuple[Done, Done]:
    """A command without and with the tracer around it."""
    bare = execute(words, env, **more)
    return bare, execute([*traced("-o", "/dev/null", *options), *words], env, **more)


def same(words: Sequence[object], *options: str, **more: Any) -> Done:
    """Asserts that a command does and says the same with and without the tracer."""
    bare, seen = both(words, *options, **more)
    assert seen == bare
    return bare


@dataclass
class Recorded:
    """A traced run and its record file."""

    done: Done
    path: Path

    @property
    def events(self) -> list[Event]:
        return read_events(self.path)


def record(
    folder: Path,
    words: Sequence[object],
    *options: str,
    env: Mapping[str, str] | None = None,
    **more: Any,
) -> Recorded:
    """Traces a command into a TRACE file."""
    path = folder / "run.renacer"
    before = traced("--format", "record", "-o", path, *options)
    return Recorded(execute([*before, *words], env, **more), path)


@dataclass
class Spans:
    """What a receiver got from one run."""

    done: Done
    spans: list[Span]

    def named(self, name: str) -> list[Span]:
        """Call spans of that name."""
        return [span for span in self.spans if span.name == name and "syscall.name" in facts(span)]

    @cached_property
    def processes(self) -> list[Span]:
        return [
            span
            for span in self.spans
            if any(pair.key == "process.pid" for pair in span.attributes)
        ]

    @property
    def root(self) -> Span:
        (root,) = [span for span in self.spans if span.name == "renacer-otel run"]
        return root

    @cached_property
    def by_id(self) -> dict[SpanKey, Span]:
        found = {(span.trace_id, span.span_id): span for span in self.spans}
        assert len(found) == len(self.spans), "a span id was given twice"
        return found

    def check_tree(self, inbound: SpanKey | None = None) -> None:
        """Asserts one trace, and that each parent is there or is the inbound one."""
        assert {span.trace_id for span in self.spans} == {self.root.trace_id}
        known = self.by_id
        for span in self.spans:
            key = (span.trace_id, span.parent_span_id)
            if span is self.root and inbound is None:
                assert span.parent_span_id == b""
            else:
                assert key in known or key == inbound, f"{span.name} is an orphan"


def facts(span: Span) -> dict[str, Any]:
    """Attributes of a span as Python values."""
    found = {}
    for pair in span.attributes:
        kind = pair.value.WhichOneof("value")
        assert kind is not None
        value = getattr(pair.value, kind)
        if kind == "array_value":
            value = [getattr(item, str(item.WhichOneof("value"))) for item in value.values]
        found[pair.key] = value
    return found


def export(
    words: Sequence[object],
    *options: str | Path,
    env: Mapping[str, str] | None = None,
    **more: Any,
) -> Spans:
    """Traces a command into a receiver of its own."""
    with Receiver() as receiver:
        whole = ("--fold", "off", "--max-trace-spans", "0")
        before = traced("--otlp-endpoint", receiver.endpoint, *whole, *options)
        done = execute([*before, *words], env, **more)
        return Spans(done, [received.span for received in receiver.spans])


@contextmanager
def running(words: Sequence[object], **more: Any) -> Iterator[subprocess.Popen[str]]:
    """A process with pipes, killed and reaped at the end whatever happens."""
    process = subprocess.Popen(
        [str(word) for word in words],
        env=more.pop("env", environment()),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **more,
    )
    try:
        yield process
    finally:
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()
        process.wait()


def line_of(process: subprocess.Popen[str]) -> str:
    """The next line that a running process writes: its word that it is ready."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"it ended, {process.wait()}"
    return line.rstrip("\n")


def ready_pid(process: subprocess.Popen[str]) -> int:
    """The pid of a subject that says `ready PID`."""
    match = re.fullmatch(r"ready (\d+)", line_of(process))
    assert match
    return int(match[1])


def normalised(text: str, *rules: tuple[str, str | Callable[[re.Match[str]], str]]) -> str:
    """`text` with what differs from run to run replaced."""
    for pattern, by in rules:
        text = re.sub(pattern, by, text)
    return text
