# SPDX-License-Identifier: MIT
"""The records of a TRACE file, interpreted by the core once more: NumPy columns of what came out.

No Python object a call: the columns lie in the core's memory (spans.columns).
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from renacer_otel.engine import native
from renacer_otel.errors import TraceUnreadable
from renacer_otel.ring import trace_file
from renacer_otel.spans import grouping
from renacer_otel.spans.columns import Columns, span_key
from renacer_otel.spans.content import Content

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_LONGEST_WORDS = 4096

# As in replay.h, which says what they mean.
CALL = np.dtype(
    [
        ("seq", "<u8"),
        ("end", "<u8"),
        ("t0", "<u8"),
        ("t1", "<u8"),
        ("lamport_start", "<u8"),
        ("lamport_end", "<u8"),
        ("result", "<i8"),
        ("thread", "<u4"),
        ("nr", "<i4"),
        ("flags", "<u2"),
        ("abi", "u1"),
        ("incomplete", "u1"),
        ("zero", "<u4"),
    ]
)
EVENT = np.dtype(
    [
        ("seq", "<u8"),
        ("t", "<u8"),
        ("value", "<u8"),
        ("thread", "<u4"),
        ("nr", "<i4"),
        ("kind", "<u4"),
        ("last", "<u4"),
    ]
)
EDGE = np.dtype(
    [
        ("cause", "<u8"),
        ("effect", "<u8"),
        ("cause_lamport", "<u8"),
        ("effect_lamport", "<u8"),
        ("cause_tid", "<i4"),
        ("effect_tid", "<i4"),
        ("kind", "<u4"),
        ("certain", "<u4"),
    ]
)
THREAD = np.dtype(
    [("ordinal", "<u8"), ("tid", "<i4"), ("pid", "<i4"), ("maker", "<u4"), ("zero", "<u4")]
)
DETAIL = np.dtype(
    [
        ("args", "<u8", (6,)),
        ("object", "<u8"),
        ("path", "<u4"),
        ("other_path", "<u4"),
        ("peer", "<u4"),
        ("fd", "<i4"),
        ("content", "<u4"),
        ("polls", "<u4"),
        ("source", "<u4"),
        ("own_end", "<u4"),
        ("hashed", "<u8"),
        ("hash", "<u8", (2,)),
    ]
)
SOURCE = np.dtype(
    [
        ("offset", "<u8"),
        ("path", "<u4"),
        ("file", "<u4"),
        ("function", "<u4"),
        ("module", "<u4"),
        ("line", "<u4"),
        ("how", "<u4"),
    ]
)
SHOWN = np.dtype(
    [
        ("text", "<u4"),
        ("path", "<u4"),
        ("other_path", "<u4"),
        ("other", "<u4"),
        ("other_fd", "<i4"),
        ("passed", "<u4"),
        ("kind", "u1"),
        ("foreign", "u1"),
        ("standard", "u1"),
        ("other_standard", "u1"),
        ("messages", "u1"),
        ("zero", "u1", (3,)),
    ]
)
TEXT = np.dtype([("at", "<u8"), ("len", "<u4"), ("hash", "<u4")])
_PROCESS = np.dtype(
    [
        ("ordinal", "<u8"),
        ("t_start", "<u8"),
        ("t_end", "<u8"),
        ("lamport_start", "<u8"),
        ("lamport_end", "<u8"),
        ("calls", "<u8"),
        ("errors", "<u8"),
        ("exe_at", "<u8"),
        ("exe_len", "<u4"),
        ("pid", "<i4"),
        ("parent_pid", "<i4"),
        ("wait_status", "<i4"),
        ("ended", "<u4"),
        ("superseded", "<u4"),
        ("peak", "<u8"),
        ("peak_known", "<u4"),
        ("shares", "<u4"),
    ]
)
#: Of Process.maker and of the column `maker` of threads: not known.
NO_THREAD = 0xFFFFFFFF
#: What a form of traces other than that of records may not tell, by a word for it.
UNKNOWN = {
    "calls": "whether all calls are in it",
    "times": "when calls were made",
    "durations": "how long calls took",
    "processes": "which process or thread made a call",
    "arguments": "all arguments of calls",
    "paths": "the paths of all calls",
    "objects": "which open file or socket a call is about",
    "peers": "addresses of connections",
    "signals": "signals",
    "causes": "what caused what",
}
#: Of the column `flags` of calls: RN_FLAG_… of event.h.
FAILED, INTERRUPTED, RESTARTED, UNFINISHED = 1, 2, 4, 8
#: Of the column `content` of details: RN_CONTENT_… of replay.h.
CONTENT_NONE, CONTENT_HASHED, CONTENT_UNREAD, CONTENT_UNSEEN = range(4)


class Process(NamedTuple):
    """A process; times are CLOCK_MONOTONIC, ns. `wait_status` is None if it had not ended."""

    ordinal: int
    pid: int
    parent_pid: int
    exe: str  # path of the last program that it ran; "" = unknown
    wait_status: int | None
    t_start: int
    t_end: int
    lamport_start: int
    lamport_end: int
    calls: int
    errors: int
    #: Bytes that it had resident at most; a lower bound if it is not `peak_known`.
    peak: int = 0
    peak_known: bool = False  # from all of its life, or it had no memory but its maker's

    @property
    def name(self) -> str:
        """The program's name, as its span has it; "" = unknown."""
        return self.exe.rpartition("/")[2]


@dataclass
class Details:
    """What calls were given: `rows` (DETAIL), as many as calls, in their order.

    Its columns of texts (`path`, `other_path`, `peer`, `own_end`) have indexes into `texts` (TEXT),
    `source` into `sources` (SOURCE, see spans.source); 0 = none.
    `hashed` and `hash` mean something only where `content` is CONTENT_HASHED.
    """

    rows: NDArray[Any]
    texts: NDArray[Any]
    text_bytes: NDArray[np.uint8]
    sources: NDArray[Any] = field(default_factory=lambda: np.zeros(1, SOURCE))
    shown: NDArray[Any] | None = None  # SHOWN, as many as calls, if asked for

    def text(self, index: int) -> bytes:
        """One text as the program gave it."""
        if index == 0:
            return b""
        at, length = int(self.texts["at"][index]), int(self.texts["len"][index])
        return self.text_bytes[at : at + length].tobytes()

    def content(self, row: int) -> Content | None:
        """What the call in this row wrote or sent; None: nothing, or nothing that is known."""
        one = self.rows[row]
        if one["content"] != CONTENT_HASHED:
            return None
        return Content(int(one["hashed"]), (int(one["hash"][0]), int(one["hash"][1])))

    def all_texts(self) -> list[bytes]:
        """Every text, by its index; the first is empty."""
        data = self.text_bytes.tobytes()
        ends = self.texts["at"] + self.texts["len"]
        pairs = zip(self.texts["at"].tolist(), ends.tolist(), strict=True)
        return [data[at:end] for at, end in pairs] or [b""]


@dataclass
class Replay:
    """What a TRACE file tells once it is interpreted.

    `calls` (CALL) in the order of their ends, `events` (EVENT), `edges` (EDGE), `threads`
    (THREAD): arrays; a thread is meant by its index. `processes`: by ordinal.
    """

    metadata: dict[str, Any]
    calls: NDArray[Any]
    events: NDArray[Any]
    edges: NDArray[Any]
    threads: NDArray[Any]
    processes: dict[int, Process]
    complete: bool  # False: the file was cut short
    lost_events: int  # that the ring could not take
    lost_calls: int
    missed: int  # rows for which there was no memory
    details: Details | None = None  # if asked for
    end: dict[str, Any] | None = None  # the run's counts: launch.Stats; None: cut short
    form: str = "record"  # of the file
    #: What it does not tell, in words that follow "does not tell", and of these what is in UNKNOWN.
    lacks: list[str] = field(default_factory=list)
    unknown: frozenset[str] = frozenset()

    @property
    def is_whole(self) -> bool:
        """Whether all that happened is here."""
        lost = self.lost_events or self.lost_calls or self.missed
        return self.complete and not (lost or self.is_filtered or self.unknown)

    @property
    def is_filtered(self) -> bool:
        """Whether only some calls were recorded: `-e trace=`."""
        return bool(self.metadata.get("filtered"))

    @property
    def has_hashes(self) -> bool:
        """Whether what was written was hashed: `--capture hashes`."""
        return bool(self.metadata.get("hashes"))

    @property
    def has_peaks(self) -> bool:
        """Whether programs told at their ends what they had resident: `--capture rss`."""
        return bool(self.metadata.get("peaks"))

    def number_of_span(self, span_id: int) -> int:
        """The counter of a span id: the number of a call's entry, or as ids.h says."""
        return int(native.lib.rn_span_counter(*span_key(self.metadata), span_id))

    def span_of_process(self, ordinal: int) -> int:
        """The id of the span that a process began with."""
        return self.span_of_number(1 << 63 | ordinal)

    def span_of_number(self, number: int) -> int:
        """The id of the span of the call whose entry has this number."""
        return int(native.lib.rn_span_id(*span_key(self.metadata), number))


@functools.cache
def call_name(abi: int, nr: int) -> str:
    """A call's name, as its span has it."""
    name = native.lib.rn_table_name(abi, nr)
    if name == native.ffi.NULL:
        return f"syscall_{int(nr) & 0xFFFFFFFF:#x}"
    return str(native.ffi.string(name).decode())


def call_names(calls: NDArray[Any]) -> tuple[NDArray[Any], list[str]]:
    """The names of calls (CALL): an index for each call, and the names, one for each ABI."""
    first, codes = grouping.grouped(calls["abi"], calls["nr"])
    names = [call_name(int(calls["abi"][row]), int(calls["nr"][row])) for row in first.tolist()]
    return codes, names


def call_number(abi: int, name: str) -> int | None:
    """The number of a call of this name, None where the ABI has none."""
    number = int(native.lib.rn_table_number(abi, name.encode("utf-8", "replace")))
    return None if number < 0 else number


def call_flags(abi: int, nr: int) -> int:
    """RN_CALL_… of syscalls.h."""
    return int(native.lib.rn_table_flags(abi, nr))


def arguments(abi: int, nr: int) -> list[tuple[str, int]]:
    """The kernel's names of a call's arguments, and what they are: enum rn_arg_kind."""
    kind = native.ffi.new("int *")
    found = []
    for place in range(6):
        name = native.lib.rn_table_argument(abi, nr, place, kind)
        if name == native.ffi.NULL:
            break
        found.append((native.ffi.string(name).decode(), int(kind[0])))
    return found


def constant(abi: int, nr: int, place: int, name: str) -> int | None:
    """The value of a constant by which an argument is shown: O_CLOEXEC; None: of no such name."""
    value = native.ffi.new("uint64_t *")
    text = name.encode("utf-8", "replace")
    return int(value[0]) if native.lib.rn_table_value(abi, nr, place, text, value) else None


def words(abi: int, nr: int, args: Sequence[int] | NDArray[Any]) -> bytes:
    """The text of SHOWN for a call of which only the six arguments are known."""
    ffi, lib = native.load()
    to = ffi.new("char[]", _LONGEST_WORDS)
    given = ffi.new("uint64_t[6]", [int(word) for word in args])
    return bytes(ffi.buffer(to, lib.rn_replay_words(abi, nr, given, to, _LONGEST_WORDS)))


def error_name(number: int) -> str | None:
    """The symbol of an errno: ENOENT; None where there is none."""
    name = native.lib.rn_table_errno(number)
    return str(native.ffi.string(name).decode()) if name != native.ffi.NULL else None


def signal_name(number: int) -> str:
    """A signal's name: SIGINT."""
    name = native.lib.rn_table_signal(number)
    return str(native.ffi.string(name).decode()) if name != native.ffi.NULL else f"signal {number}"


def edge_names() -> tuple[str, ...]:
    """The kinds of edges: values of renacer.edge, by the column `kind`; the first is none."""
    found = ["none"]
    while (name := native.lib.rn_table_edge(len(found))) != native.ffi.NULL:
        found.append(native.ffi.string(name).decode())
    return tuple(found)


def of_trace(
    path: str | os.PathLike[str],
    max_bytes: int | None = None,
    *,
    details: bool = False,
    shown: bool = False,
    portable: bool = False,
) -> Replay:
    """Interprets a TRACE file. A file that was cut short gives what is whole of it.

    `max_bytes`: of all columns (default: half of the machine's memory); what does not fit is
    `missed`. `details`: arguments, paths, peers and sources too, 112 bytes a call, each text once.
    `shown`: beside them each call's arguments in words, 32 bytes more.
    `portable`: hashes of what is written, and lengths, as if the folder that the run began in were
    called RN_FOLDER (event.h) in it.

    Raises TraceNotFound, TraceUnreadable, MemoryError.
    """
    with trace_file.open_trace(path) as reader:
        return of_reader(reader, max_bytes, details=details, shown=shown, portable=portable)


def of_reader(
    reader: trace_file.TraceReader,
    max_bytes: int | None = None,
    *,
    details: bool = False,
    shown: bool = False,
    portable: bool = False,
) -> Replay:
    """The same of a TRACE file that is open."""
    if max_bytes is None:
        max_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    try:
        columns = Columns.of(reader.metadata, max_bytes)
    except (LookupError, TypeError, ValueError) as error:
        raise TraceUnreadable(
            f"{reader.name}: damaged: its description lacks the key of its"
            " span ids, or which calls are in it; capture it again"
        ) from error
    if details or shown:
        columns.want_details(shown, portable)
    lost_events, lost_calls = columns.feed(reader)
    return Replay(
        reader.metadata,
        columns.column("calls", CALL),
        columns.column("events", EVENT),
        columns.column("edges", EDGE),
        columns.column("threads", THREAD),
        _processes(columns),
        reader.complete,
        lost_events,
        lost_calls,
        columns.missed(),
        _details(columns, shown) if details or shown else None,
        reader.end,
    )


def nothing() -> Replay:
    """A trace in which nothing happened, with details."""
    calls, events, edges, threads = (np.empty(0, form) for form in (CALL, EVENT, EDGE, THREAD))
    details = Details(np.empty(0, DETAIL), np.zeros(1, TEXT), np.empty(0, "u1"))
    return Replay({}, calls, events, edges, threads, {}, True, 0, 0, 0, details)


def _details(columns: Columns, shown: bool) -> Details:
    return Details(
        columns.column("details", DETAIL),
        columns.column("texts", TEXT),
        columns.column("text_bytes", np.dtype("u1")),
        columns.column("sources", SOURCE),
        columns.column("shown_rows", SHOWN) if shown else None,
    )


def _processes(columns: Columns) -> dict[int, Process]:
    names = columns.column("names", np.dtype("u1"))
    found: dict[int, Process] = {}
    for row in columns.column("processes", _PROCESS):
        ordinal, at = int(row["ordinal"]), int(row["exe_at"])
        exe = os.fsdecode(names[at : at + int(row["exe_len"])].tobytes())
        process = Process(
            ordinal,
            int(row["pid"]),
            int(row["parent_pid"]),
            exe,
            int(row["wait_status"]) if row["ended"] else None,
            int(row["t_start"]),
            int(row["t_end"]),
            int(row["lamport_start"]),
            int(row["lamport_end"]),
            int(row["calls"]),
            int(row["errors"]),
            int(row["peak"]),
            bool(row["peak_known"] or row["shares"]),
        )
        former = found.get(ordinal)
        if former is not None:  # an exec moved it into another trace
            process = process._replace(
                t_start=former.t_start,
                lamport_start=former.lamport_start,
                calls=former.calls + process.calls,
                errors=former.errors + process.errors,
            )
        found[ordinal] = process
    return found
