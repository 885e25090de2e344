# SPDX-License-Identifier: MIT
"""Which spans a record file must have become: a second interpreter, in plain Python.

Written from the descriptions (the record in native/include/renacer/event.h, the span
table and the clocks in docs/, the attributes at the head of native/encode/span_walk.h)
and not from the core's code, with nothing of the core but its span ids. It knows
launched trees in one trace: no foreign contexts, no gaps.
"""

from __future__ import annotations

import datetime
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.live.tables import NATIVE_ABI, Argument, errors, native_calls, signal_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tests.live.jaeger_api import AttributeValue

ENTER, EXIT, CALL, START, EXEC, END, SIGNAL, GROUP_STOP, CONTEXT, GAP = range(1, 11)
FAILED, INTERRUPTED, RESTARTED, UNFINISHED, TRUNCATED = 1, 2, 4, 8, 16
CUT, UNREAD, AT_EXIT = 1, 2, 4
PATH, STRING, _BUFFER, ARGV, STRUCT, EXE, _CONTEXT_PIECE, ENVC = range(1, 9)
CONTEXTS = ("none", "absent", "ours", "foreign", "unreadable", "unsampled", "invalid")
RUN = 2**63
# Shown by names, or left out where it means nothing: what is right is the decoder's own tests'
# (tests/decode against strace, native/tests). Here only that it is a string or a number.
SHOWN: dict[str, Any] = {"shown": True}
_SHOWN_KINDS = ("VOID", "SOCKADDR_IN", "SOCKADDR_OUT", "IOCTL", "MAKEDEV", "HIGH_HALF")
_NETWORK = tuple(
    f"network.{name}"
    for name in ("peer.address", "peer.port", "local.address", "local.port", "type", "transport")
)
O_CREAT, O_TMPFILE = 0o100, 0o20000000


@dataclass(frozen=True)
class Piece:
    """Captured data of one argument; `total` as in struct rn_piece."""

    type: int
    arg: int
    flags: int
    total: int
    data: bytes


@dataclass(frozen=True)
class Record:
    """One record; the fields are those of struct rn_event."""

    kind: int
    abi: int
    flags: int
    tid: int
    pid: int
    seq: int
    t0: int
    t1: int
    nr: int
    args: tuple[int, ...]
    result: int
    pieces: tuple[Piece, ...]


@dataclass
class Expected:
    """A span that must be there; times are CLOCK_MONOTONIC ns."""

    name: str
    parent: int
    start: int
    end: int
    error: bool
    attributes: dict[str, AttributeValue]


@dataclass
class _Process:
    ordinal: int
    pid: int
    parent_pid: int
    parent: int
    start: int
    lamport_start: int
    exe: bytes = b""
    context: str = "none"
    lamport_sent: int = 0
    calls: int = 0
    errors: int = 0
    clock: int = 0  # greatest Lamport time of its threads


@dataclass
class _Thread:
    process: _Process
    clock: int
    entry: Record | None = None
    entry_clock: int = 0
    signals: int = 0  # since its clock was last told by a span


def escape(data: bytes) -> str:
    r"""Bytes as rn_utf8_escape() writes them: \xHH for controls and what is no UTF-8."""
    out = []
    for character in data.decode("utf-8", "surrogateescape"):
        code = ord(character)
        if 0xDC80 <= code <= 0xDCFF:
            out.append(f"\\x{code - 0xDC00:02x}")
        elif character == "\\":
            out.append("\\\\")
        elif code < 0x20 or 0x7F <= code < 0xA0:
            out += [f"\\x{byte:02x}" for byte in character.encode()]
        else:
            out.append(character)
    return "".join(out)


def _signed(value: int, bits: int) -> int:
    value &= 2**bits - 1
    return value - 2**bits if value >> (bits - 1) else value


def _strings(piece: Piece) -> list[AttributeValue]:
    parts = piece.data.split(b"\0")
    if parts[-1] == b"":
        parts.pop()
    cut = piece.flags & CUT or len(parts) < piece.total
    return [*(escape(part) for part in parts), *(["\u2026"] if cut else [])]


def _argument(
    argument: Argument, value: int, args: tuple[int, ...], piece: Piece | None
) -> AttributeValue:
    """The attribute's value, or None where the argument means nothing in this call."""
    kind = argument.kind
    if argument.is_named or kind in _SHOWN_KINDS:
        return SHOWN
    if kind == "MODE" and argument.aux and not args[argument.aux] & (O_CREAT | O_TMPFILE):
        return None
    if kind in ("INT", "FD", "DIRFD", "PID", "ID"):
        return _signed(value, 32)
    if kind == "LONG":
        return _signed(value, 64)
    if kind in ("UINT", "MODE", "MODE_TYPE"):
        return value & 0xFFFFFFFF
    if kind in ("RAW", "ULONG", "FLAGS"):
        return value if value < 2**63 else hex(value)
    if kind == "SIGNAL":
        return signal_name(_signed(value, 32))
    if piece is not None and not piece.flags & UNREAD:
        if kind in ("PATH", "STRING", "PATH_OUT"):
            return escape(piece.data.removesuffix(b"\0"))
        if kind == "ARGV":
            return _strings(piece)
        if kind == "ENVP":
            return int.from_bytes(piece.data[:8], "little")
        if "RN_SHAPE_" in argument.form or kind not in ("PTR", "BUF_IN", "BUF_OUT"):
            return SHOWN  # in strace's notation
    return hex(value)


def _pieces(entry: Record, leave: Record | None) -> dict[int, Piece]:
    """Captured data by argument: the exit's, else the entry's."""
    found = {piece.arg: piece for piece in entry.pieces if not piece.flags & AT_EXIT}
    if leave is not None:
        found |= {piece.arg: piece for piece in leave.pieces if piece.flags & AT_EXIT}
    return found


def _ended_child(name: str, result: int, pieces: Mapping[int, Piece]) -> int:
    """The pid whose end a wait has told of, else 0."""
    if result <= 0 and name != "waitid":
        return 0
    if name == "wait4":
        status = pieces.get(1)
        if status is not None and len(status.data) >= 4:
            (word,) = struct.unpack_from("<I", status.data)
            if word & 0xFF == 0x7F or word == 0xFFFF:
                return 0
        return result
    if name == "waitid" and result == 0 and 2 in pieces and len(pieces[2].data) >= 20:
        _signo, _errno, code, _pad, pid = struct.unpack_from("<5i", pieces[2].data)
        return pid if code in (1, 2, 3) else 0
    return 0


def _ending(status: int) -> tuple[dict[str, AttributeValue], bool]:
    """Attributes of how a process ended, by wait(2)'s word, and whether that is an error."""
    if number := status & 0x7F:
        name = signal_name(number)
        return {"renacer.process.signal": name, "error.type": name}, True
    code = status >> 8 & 0xFF
    if code:
        return {"process.exit.code": code, "error.type": str(code)}, True
    return {"process.exit.code": 0}, False


@dataclass
class Oracle:
    """Feeds on records, in order; then `spans` has all but the root, and `root` its part.

    `span_id` gives the id of a counter, see native/include/renacer/ids.h. Which event of another
    thread caused an effect is not known here, but for births and waits: the clock that `arrived`
    with a span (start and end, by id) may be later than its own thread's, if it is that of the
    event after one that was recorded before.
    """

    span_id: Callable[[int], int]
    arrived: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    lamport_seed: int = 0
    spans: dict[int, Expected] = field(default_factory=dict)
    totals: Counter[str] = field(default_factory=Counter)
    root: dict[str, AttributeValue] = field(default_factory=dict)
    root_error: bool = False
    last_time: int = 0
    _threads: dict[int, _Thread] = field(default_factory=dict)
    _ended: dict[int, int] = field(default_factory=dict)
    _greatest: int = 0
    _times: set[int] = field(default_factory=set)

    def run(self, records: Iterable[Record]) -> None:
        """Raises AssertionError for what it does not know or what cannot be."""
        self._greatest = self.lamport_seed + 1
        handlers = {
            ENTER: self._enter,
            EXIT: self._exit,
            CALL: self._call,
            START: self._start,
            EXEC: self._exec,
            END: self._end,
            SIGNAL: self._signal,
            GROUP_STOP: self._signal,
        }
        seq = 1
        for record in records:
            assert record.seq == seq, "a hole in the sequence"
            seq += 2 if record.kind == CALL else 1
            assert record.kind in handlers, f"kind {record.kind}"
            self.totals["events"] += 2 if record.kind == CALL else 1
            self.last_time = max(self.last_time, record.t1)
            handlers[record.kind](record)
        assert not self._threads, "threads that never ended"
        self._finish_root()

    def _tick(self, thread: _Thread, cause: int = 0, arrived: int = 0) -> int:
        least = max(thread.clock, cause) + 1
        if arrived > least:
            # The cause is that of this event, or of a signal before it, of which no span tells.
            moved = range(arrived - 1 - thread.signals, arrived)
            assert not self._times.isdisjoint(moved)
            self._times.update(moved)
        assert not arrived or arrived >= least
        if arrived:
            thread.signals = 0
        thread.clock = arrived or least
        self._times.add(thread.clock)
        thread.process.clock = max(thread.process.clock, thread.clock)
        self._greatest = max(self._greatest, thread.clock)
        return thread.clock

    def _arrived(self, counter: int) -> tuple[int, int]:
        return self.arrived.get(self.span_id(counter), (0, 0))

    def _put(self, counter: int, span: Expected) -> None:
        identity = self.span_id(counter)
        assert identity
        assert identity not in self.spans
        self.spans[identity] = span

    def _start(self, record: Record) -> None:
        maker = self._threads.get(record.args[1])
        assert record.tid not in self._threads
        cause = self.lamport_seed + 1
        parent = self.span_id(RUN)
        if maker is not None:
            cause = maker.entry_clock if maker.entry is not None else maker.clock
            parent = self.span_id(RUN + maker.process.ordinal)
        clock = cause + 1
        self._greatest = max(self._greatest, clock)
        self._times.add(clock)
        if record.tid == record.pid:
            process = _Process(record.args[0], record.pid, record.args[2], parent, record.t0, clock)
            if maker is not None:
                process.exe = maker.process.exe
            self.totals["processes"] += 1
        else:
            assert maker is not None
            process = maker.process
            assert process.pid == record.pid
        self.totals["threads"] += 1
        self._threads[record.tid] = _Thread(process, clock)

    def _enter(self, record: Record) -> None:
        thread = self._threads[record.tid]
        assert thread.entry is None
        self.totals["calls"] += 1
        thread.entry = record
        thread.entry_clock = self._tick(thread, arrived=self._arrived(record.seq)[0])

    def _exit(self, record: Record) -> None:
        thread = self._threads[record.tid]
        entry = thread.entry
        assert entry is not None
        assert (entry.nr, entry.args, entry.t0) == (record.nr, record.args, record.t0)
        thread.entry = None
        self._span_of_call(thread, entry, record, thread.entry_clock)

    def _call(self, record: Record) -> None:
        thread = self._threads[record.tid]
        assert thread.entry is None
        self.totals["calls"] += 1
        clock = self._tick(thread, arrived=self._arrived(record.seq)[0])
        self._span_of_call(thread, record, record, clock)

    def _span_of_call(
        self, thread: _Thread, entry: Record, leave: Record | None, clock: int, until: int = 0
    ) -> None:
        table = native_calls()
        assert entry.abi == NATIVE_ABI
        name = table.names[entry.nr]
        pieces = _pieces(entry, leave)
        flags = entry.flags | (leave.flags if leave is not None else UNFINISHED)
        cause = 0
        if leave is not None:
            cause = self._ended.get(_ended_child(name, leave.result, pieces), 0)
        attributes: dict[str, AttributeValue] = {
            "syscall.name": name,
            "syscall.number": entry.nr,
            "syscall.tid": entry.tid,
            "renacer.lamport.start": clock,
            "renacer.lamport.end": self._tick(thread, cause, self._arrived(entry.seq)[1]),
        }
        error = False
        process = thread.process
        process.calls += 1
        if leave is None:
            attributes["renacer.unfinished"] = True
            self.totals["unfinished_calls"] += 1
        else:
            attributes["syscall.result"] = leave.result
            if flags & (FAILED | INTERRUPTED):
                symbol, routine = errors()[-leave.result]
                attributes["error.type"] = symbol
                error = bool(flags & FAILED) and not routine
        if flags & FAILED:
            process.errors += 1
            self.totals["errors"] += 1
        if flags & TRUNCATED:
            attributes["renacer.truncated"] = True
        if flags & RESTARTED:
            attributes["renacer.restarted"] = True
        for index, argument in enumerate(table.arguments[entry.nr]):
            value = _argument(argument, entry.args[index], entry.args, pieces.get(index))
            if value is not None:
                attributes[f"syscall.args.{argument.name}"] = value
            if argument.kind.startswith("SOCKADDR"):
                attributes |= dict.fromkeys(_NETWORK, SHOWN)
        for index, argument in enumerate(table.arguments[entry.nr]):
            if argument.kind == "PATH":
                if index in pieces and not pieces[index].flags & UNREAD:
                    attributes["file.path"] = escape(pieces[index].data)
                break
        self._put(
            entry.seq,
            Expected(
                name,
                self.span_id(RUN + process.ordinal),
                entry.t0,
                leave.t1 if leave is not None else until,
                error,
                attributes,
            ),
        )

    def _exec(self, record: Record) -> None:
        assert record.tid == record.args[1], "an exec from a thread that is not the leader"
        thread = self._threads[record.tid]
        self._tick(thread)
        context = CONTEXTS[record.args[2]]
        assert context != "foreign"
        thread.process.context = context
        thread.process.lamport_sent = record.args[4]
        (exe,) = [piece.data for piece in record.pieces if piece.type == EXE]
        thread.process.exe = exe

    def _signal(self, record: Record) -> None:
        thread = self._threads[record.tid]
        self._tick(thread)
        thread.signals += 1
        self.totals["signals"] += record.kind == SIGNAL

    def _end(self, record: Record) -> None:
        thread = self._threads.pop(record.tid)
        process = thread.process
        if thread.entry is not None:
            self._span_of_call(thread, thread.entry, None, thread.entry_clock, record.t0)
        # A process ends after all of its threads.
        if not record.args[2]:
            self._tick(thread)
            return
        arrived = self._arrived(RUN + process.ordinal)[1]
        clock = self._tick(thread, process.clock, arrived)
        assert record.tid == record.pid
        assert all(other.process is not process for other in self._threads.values())
        self._ended[record.pid] = clock
        ending, error = _ending(record.args[1])
        if process.ordinal == 1:
            self.root |= ending
            self.root_error = error
        sent = {"renacer.lamport.sent": process.lamport_sent} if process.lamport_sent else {}
        path = escape(process.exe)
        name = escape(process.exe.rpartition(b"/")[2])
        self._put(
            RUN + process.ordinal,
            Expected(
                name,
                process.parent,
                process.start,
                record.t0,
                error,
                {
                    "process.pid": process.pid,
                    "process.parent_pid": process.parent_pid,
                    "process.executable.name": name,
                    "process.executable.path": path,
                    **ending,
                    "renacer.context": process.context,
                    "renacer.calls": process.calls,
                    "renacer.errors": process.errors,
                    "renacer.lamport.start": process.lamport_start,
                    "renacer.lamport.end": clock,
                    **sent,
                },
            ),
        )

    def _finish_root(self) -> None:
        for key in (
            "events",
            "calls",
            "errors",
            "signals",
            "processes",
            "threads",
            "unfinished_calls",
            "lost_calls",
            "lost_events",
        ):
            self.root[f"renacer.{key}"] = self.totals[key]
        self.root["renacer.lamport.start"] = self.lamport_seed + 1
        self.root["renacer.lamport.end"] = self._greatest + 1


def iso_time(unix_ns: int) -> str:
    """process.creation.time of a Unix time in ns."""
    seconds, ns = divmod(unix_ns, 10**9)
    moment = datetime.datetime.fromtimestamp(seconds, tz=datetime.timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"
