# SPDX-License-Identifier: MIT
"""Call spans: any call, any argument kind, any captured bytes; the official classes judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.encode.core import Core, Piece
from tests.encode.model import (
    INT64_MAX,
    MORE,
    Value,
    attributes,
    count,
    encode,
    escape,
    signed,
    typed,
)
from tests.encode.test_utf8 import hostile
from tests.scale import examples

U64 = st.integers(0, (1 << 64) - 1)
# Mostly what registers hold: small numbers, negative ones, addresses.
REGISTERS = st.one_of(
    st.integers(0, 1000),
    st.integers((1 << 64) - 4096, (1 << 64) - 1),
    st.sampled_from([0xFFFFFF9C, 0xFFFFFFFF, INT64_MAX, INT64_MAX + 1, 0x7FFC_0000_1000]),
    U64,
)
TIMES = st.integers(0, 1 << 62)

CUT, UNREAD, AT_EXIT = 1, 2, 4
FAILED, INTERRUPTED, RESTARTED, UNFINISHED, TRUNCATED = 1, 2, 4, 8, 16

KINDS = (
    "RAW INT LONG UINT ULONG PTR FD DIRFD PATH STRING ARGV ENVP BUF_IN BUF_OUT PATH_OUT SIGNAL"
    " MODE PID FLAGS STRUCT_IN STRUCT_OUT WAIT_STATUS FD_PAIR_OUT"
).split()
PIECES = {"PATH": 1, "STRING": 2, "PATH_OUT": 1, "BUF_IN": 3, "BUF_OUT": 3, "ARGV": 4, "ENVP": 8}


@dataclass
class Arg:
    """One argument: description, register, and what was captured at entry and exit."""

    name: str
    kind: str
    value: int
    entry: Piece | None = None
    exit: Piece | None = None

    def expected(self) -> Value:
        piece = self.exit or self.entry
        pointer = hex(self.value)
        if piece and piece.flags & UNREAD:
            piece = None
        match self.kind:
            case "INT" | "FD" | "DIRFD" | "PID":
                return signed(self.value, 32)
            case "LONG":
                return signed(self.value, 64)
            case "UINT" | "MODE":
                return self.value & 0xFFFFFFFF
            case "RAW" | "ULONG" | "FLAGS":
                return self.value if self.value <= INT64_MAX else pointer
            case "PATH" | "STRING" | "PATH_OUT":
                return escape(piece.data) if piece else pointer
            case "ENVP":
                return count(int.from_bytes(piece.data, "little")) if piece else pointer
            case "ARGV":
                if not piece:
                    return pointer
                items = [escape(item) for item in piece.data.split(b"\0")]
                if piece.data.endswith(b"\0") or not piece.data:
                    items.pop()
                more = piece.flags & CUT or piece.total > len(items)
                return [*items, MORE] if more else items
        return pointer

    def list_is_cut(self) -> bool:
        value = self.expected()
        return self.kind == "ARGV" and isinstance(value, list) and value[-1:] == [MORE]


@dataclass
class Call:
    """One call, with the header fields that matter."""

    name: bytes | None
    args: list[Arg]
    flags: int
    result: int
    scalars: dict[str, int]
    trace_id: bytes
    process_trace_id: bytes
    tracestate: str
    two_records: bool

    def build(self, core: Core) -> Any:
        at_entry = [arg.entry for arg in self.args if arg.entry]
        at_exit = [arg.exit for arg in self.args if arg.exit]
        process = core.ffi.new("struct rn_process *")
        process.ctx.trace_id = self.process_trace_id
        process.ctx.tracestate = core.text(self.tracestate.encode())
        trace_id = core.ffi.new("uint8_t[16]", self.trace_id)
        call = core.ffi.new("struct rn_call *")
        call.process = process
        call.desc = core.desc(self.name, [(a.name, kind_number(core, a.kind)) for a in self.args])
        call.abi = core.lib.RN_ABI_X86_64
        call.flags = self.flags
        call.trace_id = trace_id
        call.result = self.result
        for key, value in self.scalars.items():
            setattr(call, key, value)
        for i, arg in enumerate(self.args):
            call.args[i] = arg.value
        call.entry = core.record(at_entry if self.two_records else at_entry + at_exit)
        call.exit = core.record(at_exit) if self.two_records else call.entry
        core.keep += [process, trace_id, call]
        return call


def kind_number(core: Core, kind: str) -> int:
    number: int = getattr(core.lib, f"RN_ARG_{kind}")
    return number


@st.composite
def pieces(draw: st.DrawFn, kind: str, arg: int, flags: int) -> Piece | None:
    if kind not in PIECES or draw(st.integers(0, 5)) == 0:
        return None
    if draw(st.integers(0, 7)) == 0:
        return Piece(PIECES[kind], arg, flags=flags | UNREAD)
    if kind == "ARGV":
        strings = draw(st.lists(hostile.map(lambda data: data.replace(b"\0", b"\n")), max_size=6))
        data = b"".join(item + b"\0" for item in strings)
        total = len(strings) + draw(st.integers(0, 1))
        return Piece(4, arg, data, total, flags | draw(st.sampled_from([0, 0, CUT])))
    if kind == "ENVP":
        return Piece(8, arg, draw(U64).to_bytes(8, "little"), 0, flags)
    data = draw(hostile)
    return Piece(PIECES[kind], arg, data, len(data), flags)


@st.composite
def calls(draw: st.DrawFn) -> Call:
    names = draw(
        st.lists(st.from_regex(r"[a-z_][a-z0-9_]{0,30}", fullmatch=True), max_size=6, unique=True)
    )
    args = []
    for i, name in enumerate(names):
        kind = draw(st.sampled_from(KINDS))
        entry, at_exit = draw(pieces(kind, i, 0)), draw(pieces(kind, i, AT_EXIT))
        if kind in ("PATH", "STRING", "ARGV", "ENVP"):
            at_exit = None  # captured at entry
        args.append(Arg(name, kind, draw(REGISTERS), entry, at_exit))
    flags = draw(st.integers(0, 31))
    failed = flags & (FAILED | INTERRUPTED)
    trace_id = draw(st.binary(min_size=16, max_size=16))
    i32 = st.integers(-(1 << 31), (1 << 31) - 1)
    return Call(
        name=draw(st.none() | st.from_regex(rb"[a-z_][a-z0-9_]{0,30}", fullmatch=True)),
        args=args,
        flags=flags,
        result=-draw(st.integers(1, 4095)) if failed else signed(draw(U64), 64),
        scalars={
            "tid": draw(i32),
            "nr": draw(i32),
            "span_id": draw(U64),
            "parent_span_id": draw(U64 | st.just(0)),
            "trace_flags": draw(st.integers(0, 3)),
            "t0": draw(TIMES),
            "t1": draw(TIMES),
            "lamport_start": draw(U64),
            "lamport_end": draw(U64),
        },
        trace_id=trace_id,
        process_trace_id=draw(st.sampled_from([trace_id, bytes(16)])),
        tracestate=draw(st.sampled_from(["", "a=1", "renacer=00ff,vendor=x y\\z"])),
        two_records=draw(st.booleans()),
    )


def expected_attributes(core: Core, call: Call) -> dict[str, Value]:
    name = call.name.decode() if call.name is not None else f"syscall_{call.scalars['nr']}"
    expected: dict[str, Value] = {
        "syscall.name": name,
        "syscall.number": call.scalars["nr"],
        "syscall.tid": call.scalars["tid"],
        "renacer.lamport.start": count(call.scalars["lamport_start"]),
        "renacer.lamport.end": count(call.scalars["lamport_end"]),
    }
    if not call.flags & UNFINISHED:
        expected["syscall.result"] = call.result
        if call.flags & (FAILED | INTERRUPTED):
            symbol = core.lib.rn_errno_name(-call.result)
            expected["error.type"] = (
                core.ffi.string(symbol).decode() if symbol else str(-call.result)
            )
    for arg in call.args:
        value = arg.expected()
        if arg.kind == "SIGNAL":
            value = signal_name(core, signed(arg.value, 32))
        expected[f"syscall.args.{arg.name}"] = value
    paths = [arg for arg in call.args if arg.kind == "PATH"]
    if paths and paths[0].entry and not paths[0].entry.flags & UNREAD:
        expected["file.path"] = paths[0].expected()
    markers = {
        "unfinished": call.flags & UNFINISHED,
        "truncated": call.flags & TRUNCATED or any(arg.list_is_cut() for arg in call.args),
        "restarted": call.flags & RESTARTED,
    }
    expected |= {f"renacer.{name}": True for name, holds in markers.items() if holds}
    return expected


def signal_name(core: Core, number: int) -> str:
    buf = core.ffi.new("struct rn_buf *")
    core.lib.rn_buf_init(buf)
    core.lib.rn_format_signal(buf, number)
    text = bytes(core.ffi.buffer(buf.data, buf.len)).decode()
    core.lib.rn_buf_deinit(buf)
    return text


@given(calls(), st.integers(1 << 60, 1 << 61), st.integers(0, 1 << 59))
@settings(max_examples=examples(400))
def test_a_call_span_says_exactly_what_went_in(
    core: Core, call: Call, realtime: int, monotonic: int
) -> None:
    core.forget()
    span = encode(core, "call", core.trace(realtime, monotonic), call.build(core))
    t0, t1 = call.scalars["t0"], call.scalars["t1"]
    assert span.start_time_unix_nano == realtime + t0 - monotonic
    assert span.end_time_unix_nano == realtime + max(t0, t1) - monotonic
    assert span.trace_id == call.trace_id
    assert span.span_id == call.scalars["span_id"].to_bytes(8, "big")
    parent = call.scalars["parent_span_id"]
    assert span.parent_span_id == (parent.to_bytes(8, "big") if parent else b"")
    same_trace = call.process_trace_id == call.trace_id
    assert span.trace_state == (call.tracestate if same_trace else "")
    assert span.flags == call.scalars["trace_flags"] | 0x100
    expected = expected_attributes(core, call)
    assert span.name == expected["syscall.name"]
    assert typed(attributes(span.attributes)) == typed(expected)
    assert not span.events
    assert not span.links
    routine = call.flags & INTERRUPTED or core.lib.rn_errno_is_routine(-call.result & 0x7FFFFFFF)
    error = call.flags & FAILED and not call.flags & UNFINISHED and not routine
    assert span.status == (Status(code=Status.STATUS_CODE_ERROR) if error else Status())


def plain_call(core: Core, abi: int, number: int) -> Any:
    call = core.ffi.new("struct rn_call *")
    process = core.ffi.new("struct rn_process *")
    process.ctx.tracestate = core.text(b"")
    call.process = process
    call.trace_id = process.ctx.trace_id
    call.abi = abi
    call.nr = number
    call.desc = core.lib.rn_syscall(abi, number)
    call.span_id = 1
    call.t0, call.t1 = 10, 20
    core.keep += [call, process]
    return call


def syscall_span(core: Core, call: Any) -> Span:
    return encode(core, "call", core.trace(1 << 60, 0), call)


def test_a_call_under_the_applications_span_is_linked_to_its_process(core: Core) -> None:
    call = plain_call(core, 1, 39)
    call.process.ctx.trace_id, call.process.ctx.span_id = bytes(range(16)), 77
    call.process.ctx.flags, call.process.ctx.tracestate = 3, core.text(b"a=b")
    trace_id = core.ffi.new("uint8_t[16]", bytes(range(16, 32)))
    call.trace_id, call.trace_flags = trace_id, 1
    call.parent_span_id, call.under_application = 99, True
    span = syscall_span(core, call)
    assert (span.trace_id, span.flags) == (bytes(range(16, 32)), 0x101)
    assert (span.parent_span_id, span.trace_state) == ((99).to_bytes(8, "big"), "")
    (link,) = span.links
    assert (link.trace_id, link.span_id) == (bytes(range(16)), (77).to_bytes(8, "big"))
    assert (link.flags, attributes(link.attributes)) == (0x103, {"renacer.edge": "process"})


@pytest.mark.parametrize("abi", ["X86_64", "AARCH64", "I386"])
def test_every_call_of_the_tables_makes_a_span(core: Core, abi: str) -> None:
    number = getattr(core.lib, f"RN_ABI_{abi}")
    limit = core.lib.rn_syscall_limit(number)
    assert limit > 300
    for nr in range(limit + 1):
        core.forget()
        call = plain_call(core, number, nr)
        found = attributes(syscall_span(core, call).attributes)
        if call.desc.name:
            assert found["syscall.name"] == core.ffi.string(call.desc.name).decode()
        else:
            assert found["syscall.name"] == f"syscall_{nr}"
        for i in range(call.desc.nargs):
            key = f"syscall.args.{core.ffi.string(call.desc.args[i].name).decode()}"
            # Absent only where it means nothing beside the other arguments.
            assert (key in found) != core.lib.rn_arg_is_void(call, i), key


def test_the_mode_of_an_open_is_told_only_where_it_counts(core: Core) -> None:
    core.forget()
    abi = core.lib.RN_ABI_X86_64
    call = plain_call(core, abi, core.lib.rn_syscall_number(abi, b"openat"))
    call.args[0], call.args[2], call.args[3] = 0xFFFFFF9C, 0x80000, 0o7654
    found = attributes(syscall_span(core, call).attributes)
    assert "syscall.args.mode" not in found
    assert found["syscall.args.dfd"] == -100
    call.args[2] = 0o101  # O_WRONLY | O_CREAT
    assert attributes(syscall_span(core, call).attributes)["syscall.args.mode"] == 0o7654


def test_a_signed_long_of_a_32_bit_program_has_32_bits(core: Core) -> None:
    core.forget()
    call = plain_call(core, core.lib.RN_ABI_I386, 1)
    call.desc = core.desc(b"f", [("offset", core.lib.RN_ARG_LONG)])
    call.args[0] = 0xFFFFFFFF
    assert attributes(syscall_span(core, call).attributes)["syscall.args.offset"] == -1


def test_payload_does_not_leave(core: Core) -> None:
    core.forget()
    secret = b"password=hunter2"
    call = plain_call(core, core.lib.RN_ABI_X86_64, 1)  # write
    call.args[1] = 0xABC
    call.entry = call.exit = core.record(
        [Piece(3, 1, secret, len(secret)), Piece(3, 1, secret, len(secret), AT_EXIT)]
    )
    span = syscall_span(core, call)
    assert secret not in span.SerializeToString()
    assert attributes(span.attributes)["syscall.args.buf"] == "0xabc"
