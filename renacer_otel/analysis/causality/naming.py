# SPDX-License-Identifier: MIT
"""What is meant by a user's words for a span or an event, and words for what there is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from renacer_otel.analysis.causality.history import EXEC, EXIT, SIGNAL, START
from renacer_otel.errors import UsageError, did_you_mean, one_line
from renacer_otel.spans import replay

if TYPE_CHECKING:
    from renacer_otel.analysis.causality.history import History, Point

_RUN = 1 << 63  # RN_ID_RUN of ids.h
_EVENTS = {START: "start", EXEC: "exec", EXIT: "exit", SIGNAL: "signal", 8: "stop"}
HOW = "#NUMBER, a span id in hex, PID or NAME of a process, PID:CALL or PID:CALL[N]"


class Span(NamedTuple):
    """From one event to another of the same process; of an event, both are it.

    `end` is None where it never ended.
    """

    name: str
    start: Point
    end: Point | None


def find(history: History, word: str) -> Span:
    """The span or event that `word` means; see HOW. Raises UsageError."""
    if match := re.fullmatch(r"#(\d{1,19})", word):
        return _numbered(history, int(match[1]), word)
    if re.fullmatch(r"[0-9a-f]{16}", word):
        return _by_span_id(history, int(word, 16), word)
    if match := re.fullmatch(r"(\d{1,9})", word):
        return _process_of_pid(history, int(word))
    if named := _named(history, word):
        return _process(history, named)
    if match := re.fullmatch(r"(.+):(\w+)(?:\[(-?\d{1,18})\])?", word, re.ASCII | re.DOTALL):
        nth = int(match[3] or 1)
        if re.fullmatch(r"\d{1,9}", match[1]):
            return _nth_call(history, int(match[1]), match[2], nth)
        if named := _named(history, match[1]):
            return _nth_call(history, history.run.processes[named].pid, match[2], nth, named)
        word = match[1]
    hint = did_you_mean(word, {process.name for process in history.run.processes.values()})
    raise UsageError(f"'{one_line(word, 60)}' means no span: write {HOW}{hint}")


def _numbered(history: History, number: int, word: str) -> Span:
    point = history.point(number)
    if point is None:
        raise UsageError(f"{word}: no event of this number is in the trace")
    if point.is_call and not point.is_exit:
        return _call(history, point)
    return Span(describe(history, point), point, point)


def _call(history: History, entry: Point) -> Span:
    end = int(history.run.calls["end"][entry.row])
    return Span(describe(history, entry), entry, history.point(end))


def _by_span_id(history: History, span_id: int, word: str) -> Span:
    number = history.run.number_of_span(span_id)
    if number < _RUN:
        point = history.point(number)
        if point is not None and point.is_call and not point.is_exit:
            return _call(history, point)
    elif number - _RUN in history.run.processes:
        return _process(history, number - _RUN)
    raise UsageError(f"{word}: no call or process of this trace has this span id")


def _process_of_pid(history: History, pid: int) -> Span:
    found = [each.ordinal for each in history.run.processes.values() if each.pid == pid]
    if not found:
        raise UsageError(f"{pid}: no process of this id is in the trace{_pids(history)}")
    if len(found) > 1:
        spans = ", ".join(f"{history.run.span_of_process(each):016x}" for each in found[:8])
        raise UsageError(f"{pid}: {len(found)} processes had this id one after the other: {spans}")
    return _process(history, found[0])


def _named(history: History, name: str) -> int:
    """The ordinal of the only process of this name; 0 = none has it."""
    found = [each for each in history.run.processes.values() if name and each.name == name]
    if len(found) > 1:
        pids = _some([each.pid for each in found])
        raise UsageError(
            f"{len(found)} processes are called {one_line(name, 60)}: say which, by its PID, of"
            f" {pids}"
        )
    return found[0].ordinal if found else 0


def _process(history: History, ordinal: int) -> Span:
    """From its first event to its last."""
    run = history.run
    threads = np.flatnonzero(run.threads["ordinal"] == ordinal)
    events = run.events[np.isin(run.events["thread"], threads)]
    calls = run.calls[np.isin(run.calls["thread"], threads)]
    numbers = np.concatenate([events["seq"], calls["seq"]])
    first = history.point(int(numbers.min())) if len(numbers) else None
    if first is None:
        raise UsageError(f"process {ordinal} of the trace has no events")
    ends = events["seq"][(events["kind"] == EXIT) & (events["last"] != 0)]
    return Span(process_name(history, ordinal), first, history.point(int(ends.max(initial=0))))


def _nth_call(history: History, pid: int, name: str, nth: int, ordinal: int = 0) -> Span:
    """`ordinal`: of the process; 0 = of whichever had this pid."""
    run = history.run
    ours = run.threads["ordinal"] == ordinal if ordinal else run.threads["pid"] == pid
    threads = np.flatnonzero(ours)
    if not len(threads):
        raise UsageError(f"{pid}: no process of this id is in the trace{_pids(history)}")
    rows = np.flatnonzero(np.isin(run.calls["thread"], threads))
    calls = run.calls[rows]
    named = np.zeros(len(rows), bool)
    for abi in np.unique(calls["abi"]).tolist():
        number = replay.call_number(abi, name)
        if number is not None:
            named |= (calls["abi"] == abi) & (calls["nr"] == number)
    numbers = np.sort(calls["seq"][named])
    if not len(numbers):
        pairs = np.unique(calls[["abi", "nr"]])
        known = [replay.call_name(int(pair["abi"]), int(pair["nr"])) for pair in pairs]
        hint = did_you_mean(name, known)
        raise UsageError(f"process {pid} made no call {one_line(name, 40)}{hint}")
    if nth == 0 or abs(nth) > len(numbers):
        raise UsageError(
            f"{pid}:{one_line(name, 40)}[{nth}]: there are {len(numbers):,}: from [1] to"
            f" [{len(numbers)}], or back from [-1]"
        )
    point = history.point(int(numbers[nth - 1 if nth > 0 else nth]))
    assert point is not None
    return _call(history, point)


def _pids(history: History) -> str:
    known = sorted({process.pid for process in history.run.processes.values()})
    return f"; it has {_some(known)}" if known else ""


def _some(pids: list[int]) -> str:
    return ", ".join(map(str, pids[:8])) + (", …" if len(pids) > 8 else "")


def process_name(history: History, ordinal: int) -> str:
    """A process, in words: sh[123]. One printable line."""
    process = history.run.processes.get(ordinal)
    if process is None:
        return f"process {ordinal}"
    return f"{one_line(process.name, 60) or 'unknown'}[{process.pid}]"


def thread_name(history: History, thread: int) -> str:
    """A thread, in words: sh[123], of one that is not the first sh[123/124]."""
    row = history.run.threads[thread]
    name = process_name(history, int(row["ordinal"]))
    if row["tid"] == row["pid"]:
        return name
    return f"{name[:-1]}/{row['tid']}]" if name.endswith("]") else f"{name}/{row['tid']}"


def describe(history: History, point: Point) -> str:
    """An event, in words: sh[123] write #45."""
    who = thread_name(history, point.thread)
    if not point.is_call:
        row = history.run.events[point.row]
        what = _EVENTS.get(int(row["kind"]), "event")
        if row["kind"] == SIGNAL:
            what = replay.signal_name(int(row["nr"]))
        return f"{who} {what} #{point.number}"
    call = history.run.calls[point.row]
    name = replay.call_name(int(call["abi"]), int(call["nr"]))
    return f"{who} {name} #{int(call['seq'])}"
