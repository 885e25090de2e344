# SPDX-License-Identifier: MIT
"""Process spans and the root: every field arrives, and only those that mean something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.encode.model import Value, attributes, count, creation_time, encode, escape, typed
from tests.encode.test_calls import TIMES, U64, signal_name
from tests.encode.test_utf8 import hostile
from tests.scale import examples

if TYPE_CHECKING:
    from tests.encode.core import Core

CONTEXTS = ["none", "absent", "ours", "foreign", "unreadable", "unsampled", "invalid"]
STATUSES = st.one_of(
    st.integers(0, 255).map(lambda code: code << 8),  # exited
    st.integers(1, 64).flatmap(lambda sig: st.sampled_from([sig, sig | 0x80])),  # killed, core
)
I32 = st.integers(-(1 << 31), (1 << 31) - 1)
TRACE_IDS = st.binary(min_size=16, max_size=16)
REALTIMES = st.integers(1 << 60, 1 << 61)
ANCHORS = st.integers(0, 1 << 59)
STATES = st.sampled_from(["", "a=1", "vendor=1,renacer=0000000000000001"])
C_STRINGS = hostile.map(lambda data: data.replace(b"\0", b"")[:200])

ERROR = Status(code=Status.STATUS_CODE_ERROR)


@dataclass(frozen=True)
class Link:
    trace_id: bytes
    span_id: int
    flags: int
    edge: bytes


links = st.builds(
    Link,
    TRACE_IDS,
    st.integers(1, (1 << 64) - 1),
    st.integers(0, 3),
    st.sampled_from([b"fork", b"process"]),
)


def ending(core: Core, status: int) -> dict[str, Value]:
    """What wait(2)'s word means."""
    if status & 0x7F:
        name = signal_name(core, status & 0x7F)
        return {"renacer.process.signal": name, "error.type": name}
    code = status >> 8
    found: dict[str, Value] = {"process.exit.code": code}
    if code:
        found["error.type"] = str(code)
    return found


def set_context(
    core: Core, ctx: Any, trace_id: bytes, span_id: int, flags: int, state: str
) -> None:
    ctx.trace_id = trace_id
    ctx.span_id = span_id
    ctx.flags = flags
    ctx.tracestate = core.text(state.encode())


@given(st.data(), REALTIMES, ANCHORS)
@settings(max_examples=examples(300))
def test_a_process_span_says_exactly_what_went_in(
    core: Core, data: st.DataObject, realtime: int, monotonic: int
) -> None:
    core.forget()
    draw = data.draw
    process = core.ffi.new("struct rn_process *")
    trace_id, state = draw(TRACE_IDS), draw(STATES)
    set_context(core, process.ctx, trace_id, draw(U64), draw(st.integers(0, 3)), state)
    process.pid, process.parent_pid = draw(I32), draw(I32)
    process.parent_span_id = draw(U64)
    process.parent_is_remote = draw(st.booleans())
    process.t_start, process.t_end = draw(TIMES), draw(TIMES)
    for number in ("lamport_start", "lamport_end", "lamport_sent", "calls", "errors"):
        setattr(process, number, draw(U64))
    exe, name = draw(C_STRINGS), draw(C_STRINGS)
    process.exe, process.name = core.text(exe), core.text(name)
    process.context = draw(st.integers(0, 6))
    process.wait_status = draw(STATUSES)
    process.ended, process.superseded = draw(st.booleans()), draw(st.booleans())
    wanted_links = draw(st.lists(links, max_size=4))
    process.nlinks = len(wanted_links)
    for slot, link in zip(process.links, wanted_links, strict=False):
        slot.trace_id, slot.span_id, slot.flags = link.trace_id, link.span_id, link.flags
        slot.edge = core.text(link.edge)

    span = encode(core, "process", core.trace(realtime, monotonic), process)

    start = realtime + process.t_start - monotonic
    assert span.start_time_unix_nano == start
    assert span.end_time_unix_nano == start + max(process.t_end - process.t_start, 0)
    assert span.trace_id == trace_id
    assert span.span_id == process.ctx.span_id.to_bytes(8, "big")
    assert int.from_bytes(span.parent_span_id, "big") == process.parent_span_id
    assert span.trace_state == state
    assert span.flags == process.ctx.flags | (0x300 if process.parent_is_remote else 0x100)
    full_name = escape(name) or "process"
    assert full_name.startswith(span.name)
    assert len(span.name.encode()) <= 256
    assert span.name == full_name or len(span.name.encode()) > 256 - 4

    expected: dict[str, Value] = {
        "process.pid": process.pid,
        "process.parent_pid": process.parent_pid,
        "process.creation.time": creation_time(start),
        "renacer.context": CONTEXTS[process.context],
        "renacer.calls": count(process.calls),
        "renacer.errors": count(process.errors),
        "renacer.lamport.start": count(process.lamport_start),
        "renacer.lamport.end": count(process.lamport_end),
    }
    if name:
        expected["process.executable.name"] = escape(name)
    if exe:
        expected["process.executable.path"] = escape(exe)
    if process.ended:
        expected |= ending(core, process.wait_status)
    if process.lamport_sent:
        expected["renacer.lamport.sent"] = count(process.lamport_sent)
    if process.superseded:
        expected["renacer.superseded"] = True
    elif not process.ended:
        expected["renacer.unfinished"] = True
    assert typed(attributes(span.attributes)) == typed(expected)
    assert span.status == (ERROR if process.ended and process.wait_status else Status())
    assert [
        Link(
            link.trace_id,
            int.from_bytes(link.span_id, "big"),
            link.flags & ~0x100,
            str(attributes(link.attributes)["renacer.edge"]).encode(),
        )
        for link in span.links
    ] == wanted_links
    assert all(link.flags & 0x100 for link in span.links)
    assert not span.events


@given(st.data(), REALTIMES, ANCHORS)
@settings(max_examples=examples(300))
def test_the_root_span_says_exactly_what_went_in(
    core: Core, data: st.DataObject, realtime: int, monotonic: int
) -> None:
    core.forget()
    draw = data.draw
    run = core.ffi.new("struct rn_run_span *")
    trace_id, state = draw(TRACE_IDS), draw(STATES)
    set_context(core, run.ctx, trace_id, draw(U64), draw(st.integers(0, 3)), state)
    run.ctx.is_remote = draw(st.booleans())
    run.parent_span_id = draw(U64)
    run.t_start, run.t_end = draw(TIMES), draw(TIMES)
    run.lamport_start, run.lamport_end = draw(U64), draw(U64)
    strings = {name: draw(C_STRINGS) for name in ("engine", "command", "options")}
    for name, value in strings.items():
        setattr(run, name, core.text(value))
    run.exit_code = draw(st.integers(-64, 255))
    run.ended = draw(st.booleans())
    counts = "events calls errors signals processes threads lost_calls lost_events stops".split()
    for name in [*counts, "unfinished", "attached", "seccomp"]:
        setattr(run.totals, name, draw(U64 | st.just(0)))
    for name in ("tracer_ns", "added_ns"):
        setattr(run.totals, name, draw(st.integers(0, 1 << 53)))  # exact as a double of ns

    span = encode(core, "run", core.trace(realtime, monotonic), run)

    start = realtime + run.t_start - monotonic
    assert span.name == "renacer-otel run"
    assert span.start_time_unix_nano == start
    assert span.end_time_unix_nano == start + max(run.t_end - run.t_start, 0)
    assert span.trace_id == trace_id
    assert int.from_bytes(span.parent_span_id, "big") == run.parent_span_id
    assert span.trace_state == state
    assert span.flags == run.ctx.flags | (0x300 if run.ctx.is_remote else 0x100)
    status = -run.exit_code if run.exit_code < 0 else run.exit_code << 8
    expected: dict[str, Value] = {
        "renacer.lamport.start": count(run.lamport_start),
        "renacer.lamport.end": count(run.lamport_end),
        "renacer.unfinished_calls": count(run.totals.unfinished),
        "renacer.tracer.cpu_time": run.totals.tracer_ns / 1e9,
        "renacer.tracer.added_time": run.totals.added_ns / 1e9,
        **{f"renacer.{name}": count(getattr(run.totals, name)) for name in counts},
        **{f"renacer.{name}": escape(value) for name, value in strings.items() if value},
    }
    if run.totals.attached:
        expected["renacer.attached_processes"] = count(run.totals.attached)
    if run.totals.seccomp:
        expected["renacer.seccomp"] = True
    if run.ended:
        expected |= ending(core, status)
    else:
        status = 0  # nobody's
    assert typed(attributes(span.attributes)) == typed(expected)
    assert span.status == (ERROR if status else Status())
    check_losses(span, run)
    assert not span.links


def check_losses(span: Span, run: Any) -> None:
    if not run.totals.lost_events:
        assert not span.events
        return
    (event,) = span.events
    assert event.name == "renacer.lost"
    assert event.time_unix_nano == span.end_time_unix_nano
    assert attributes(event.attributes) == {
        "renacer.lost.reason": "ring_full",
        "renacer.lost_events": count(run.totals.lost_events),
        "renacer.lost_calls": count(run.totals.lost_calls),
    }


def test_a_tracestate_that_is_not_one_is_left_out(core: Core) -> None:
    for state in (b"a=\n", b"a=\xc3\xa9", b"a=" + b"x" * 2000):
        core.forget()
        process = core.ffi.new("struct rn_process *")
        process.ctx.tracestate = core.text(state)
        process.name = process.exe = core.text(b"sh")
        process.t_start = 1
        assert encode(core, "process", core.trace(1 << 60, 0), process).trace_state == ""


def test_absent_strings_are_no_attributes(core: Core) -> None:
    core.forget()
    process = core.ffi.new("struct rn_process *")  # every pointer NULL
    span = encode(core, "process", core.trace(1 << 60, 0), process)
    assert span.name == "process"
    assert "process.executable.name" not in attributes(span.attributes)
    run = core.ffi.new("struct rn_run_span *")
    assert "renacer.engine" not in attributes(
        encode(core, "run", core.trace(1 << 60, 0), run).attributes
    )
