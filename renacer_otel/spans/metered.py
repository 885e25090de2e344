# SPDX-License-Identifier: MIT
"""Calls measured by the core: of a run, or of the records of a TRACE file.

Python objects here are one a series (a call's name and a program's), never one a call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from renacer_otel.engine import native

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from renacer_otel.engine.launch import NativeRun

#: Series of a metric, the one for the rest included (OpenTelemetry specification, metrics/sdk.md).
LIMIT = 2000

# What begins anew when it was taken, as enum rn_anew.
NOTHING, SLOWEST, ALL = range(3)


class NotNow(Exception):  # noqa: N818
    """What was measured cannot be had: no memory, or the core waits for an output. Ask later."""


class Slowest(NamedTuple):
    """The slowest call of a series that has a span. `at`: its end, CLOCK_MONOTONIC ns."""

    ns: int
    at: int
    trace_id: bytes
    span_id: bytes


@dataclass(frozen=True)
class CallSeries:
    """Calls of one name by one program; times in ns, of the `count` calls that returned.

    `buckets`: of an exponential histogram, the first has index `offset`; see histogram.h.
    """

    call: str
    program: str  # "" = not known
    pid: int  # 0 = not told apart
    rest: bool  # all that is beyond the limit; no name is anything then
    count: int
    zero: int
    sum: int
    shortest: int
    longest: int
    scale: int
    offset: int
    buckets: tuple[int, ...]
    read: int | None  # bytes; None = no call that reads any
    written: int | None
    unfinished: int  # calls that did not return
    slowest: Slowest | None


@dataclass(frozen=True)
class ErrorSeries:
    """Calls of one name by one program that failed with one error ("ENOENT", or its number)."""

    call: str
    program: str
    pid: int
    rest: bool
    error: str
    count: int


class Measured(NamedTuple):
    """All that was measured. `missed`: calls that could not be, for want of memory."""

    calls: list[CallSeries]
    errors: list[ErrorSeries]
    missed: int = 0


def of_run(run: NativeRun, anew: int) -> Measured:
    """What a run that measures has measured so far, at any time. Raises NotNow."""
    return _take(run.meter(), anew)


def of_records(chunks: Iterable[bytes], *, by_pid: bool = False, limit: int = LIMIT) -> Measured:
    """Measures records: bytes of whole ones, in order.

    Raises MemoryError, NotNow, and ValueError for what is no record.
    """
    ffi, lib = native.load()
    meter = lib.rn_meter_new(by_pid, limit)
    if meter == ffi.NULL:
        raise MemoryError
    try:
        native.feed(lib.rn_meter_feed, meter, chunks)
        lib.rn_meter_finish(meter)
        return _take(meter, ALL)
    finally:
        lib.rn_meter_free(meter)


def _take(meter: Any, anew: int) -> Measured:
    ffi, lib = native.load()
    metered = lib.rn_meter_take(meter, anew)
    if metered == ffi.NULL:
        raise NotNow
    try:
        calls = [_calls(raw) for raw in _all("rn_metered_calls", lib.rn_metered_series, metered)]
        errors = [_errors(raw) for raw in _all("rn_metered_errors", lib.rn_metered_error, metered)]
        return Measured(
            [series for series in calls if series.count or series.unfinished],
            [series for series in errors if series.count],
            int(lib.rn_metered_missed(metered)),
        )
    finally:
        lib.rn_metered_free(metered)


def _all(kind: str, get: Any, metered: Any) -> Iterator[Any]:
    raw = native.ffi.new(f"{kind} *")
    at = 0
    while get(metered, at, raw):
        yield raw
        at += 1


def _text(raw: Any) -> str:
    return str(native.ffi.string(raw).decode("utf-8", "replace"))


def _calls(raw: Any) -> CallSeries:
    slowest = None
    if raw.slowest_span:
        trace_id = bytes(native.ffi.buffer(raw.slowest_trace))
        span_id = int(raw.slowest_span).to_bytes(8, "big")
        slowest = Slowest(int(raw.slowest), int(raw.slowest_at), trace_id, span_id)
    read, written = (int(raw.bytes[way]) if raw.moved[way] else None for way in (0, 1))
    return CallSeries(
        call=_text(raw.call),
        program=_text(raw.program),
        pid=int(raw.pid),
        rest=bool(raw.rest),
        count=int(raw.count),
        zero=int(raw.zero),
        sum=int(raw.sum),
        shortest=int(raw.shortest),
        longest=int(raw.longest),
        scale=int(raw.scale),
        offset=int(raw.offset),
        buckets=tuple(native.ffi.unpack(raw.bucket, raw.buckets)) if raw.buckets else (),
        read=read,
        written=written,
        unfinished=int(raw.unfinished),
        slowest=slowest,
    )


def _errors(raw: Any) -> ErrorSeries:
    name = native.lib.rn_table_errno(raw.err)
    return ErrorSeries(
        call=_text(raw.call),
        program=_text(raw.program),
        pid=int(raw.pid),
        rest=bool(raw.rest),
        error=str(int(raw.err)) if name == native.ffi.NULL else _text(name),
        count=int(raw.count),
    )
