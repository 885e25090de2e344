# SPDX-License-Identifier: MIT
"""The spans of a run put together as columns: processes, threads, events, edges."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from renacer_otel.analysis.loading.columns import no_details
from renacer_otel.spans import replay

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from renacer_otel.analysis.loading.columns import Rows, Texts

FORM = "OTLP/JSON"
# enum rn_kind of event.h.
START, EXEC, EXIT = 4, 5, 6
_SPAN_TIMES = [("t0", "<u8"), ("t1", "<u8"), ("lamport_start", "<u8"), ("lamport_end", "<u8")]
#: A call's span; `process`: the span id of its process.
CALL = np.dtype(
    [
        ("id", "<u8"),
        ("process", "<u8"),
        *_SPAN_TIMES,
        ("result", "<i8"),
        ("tid", "<i4"),
        ("nr", "<i4"),
        ("flags", "<u2"),
        ("abi", "u1"),
        ("incomplete", "u1"),
        ("fd", "<i4"),
        ("path", "<u4"),
        ("other_path", "<u4"),
        ("peer", "<u4"),
        ("args", "<u8", (6,)),
    ]
)
#: A process's; `status`: wait(2)'s, -1 = it had not ended; `exe`: an index of the texts.
PROCESS = np.dtype(
    [
        ("id", "<u8"),
        *_SPAN_TIMES,
        ("calls", "<u8"),
        ("errors", "<u8"),
        ("pid", "<i4"),
        ("parent_pid", "<i4"),
        ("status", "<i4"),
        ("exe", "<u4"),
        ("superseded", "?"),
    ]
)
#: From a span (`id`) to one that caused it.
LINK = np.dtype([("id", "<u8"), ("cause", "<u8"), ("kind", "<u4")])


@dataclass
class Spans:
    """What was found. `run`: the times and attributes of the run's span; `twice`: spans that came
    again; `others`: of other scopes; `copies`: of processes in later parts, to their own spans;
    `folded`: calls that are told with others as one span."""

    calls: Rows
    processes: Rows
    links: Rows
    texts: Texts
    ids: set[int] = field(default_factory=set)
    run: tuple[tuple[int, ...], dict[str, Any]] | None = None
    twice: int = 0
    others: int = 0
    copies: dict[int, int] = field(default_factory=dict)
    folded: int = 0


@dataclass
class RunOfSpans(replay.Replay):
    """A run whose span ids are told, not computed. `ids` by number: entries of calls, and
    processes as of span_of_process()."""

    numbers: dict[int, int] = field(default_factory=dict)

    def number_of_span(self, span_id: int) -> int:
        """The number of a span id's call or process; one that is none where it is not there."""
        return self.numbers.get(span_id, 0)

    def span_of_number(self, number: int) -> int:
        """The id of a span; 0 where there is none."""
        return self._by_number.get(number, 0)

    def span_of_process(self, ordinal: int) -> int:
        """The id of the span that a process began with."""
        return self.span_of_number(1 << 63 | ordinal)

    @property
    def _by_number(self) -> dict[int, int]:
        found = self.__dict__.get("_spans_by_number")
        if found is None:
            found = {number: span for span, number in reversed(self.numbers.items())}
            self.__dict__["_spans_by_number"] = found
        return found


def assembled(spans: Spans, *, details: bool) -> replay.Replay:
    """The columns of a run."""
    return _Assembly(spans).columns(details=details)


class _Assembly:
    def __init__(self, spans: Spans) -> None:
        self._spans = spans
        calls = spans.calls.all()
        if spans.copies:
            of = spans.copies
            calls["process"] = [of.get(span, span) for span in calls["process"].tolist()]
        self._calls = calls[np.lexsort((calls["lamport_end"], calls["t1"]))]
        processes = spans.processes.all()
        self._of_processes = processes[np.lexsort((processes["lamport_start"], processes["t0"]))]
        self._strange = 0  # processes that have no span
        self._processes()
        self._threads()
        self._events()

    def _processes(self) -> None:
        """`_ordinal` by span id, and `_found` by ordinal."""
        self._ordinal: dict[int, int] = {}
        self._found: dict[int, replay.Process] = {}
        going_on: dict[int, int] = {}  # pid to ordinal, of those that an exec moved
        texts = self._spans.texts.listed()
        for row in self._of_processes:
            pid = int(row["pid"])
            ordinal = going_on.pop(pid, 0) or len(self._found) + 1
            self._ordinal[int(row["id"])] = ordinal
            if row["superseded"]:
                going_on[pid] = ordinal
            process = replay.Process(
                ordinal, pid, int(row["parent_pid"]), os.fsdecode(texts[int(row["exe"])]),
                int(row["status"]) if row["status"] >= 0 else None,
                int(row["t0"]), int(row["t1"]), int(row["lamport_start"]),
                int(row["lamport_end"]), int(row["calls"]), int(row["errors"]),
            )  # fmt: skip
            former = self._found.get(ordinal)
            if former is not None:
                process = process._replace(
                    t_start=former.t_start,
                    lamport_start=former.lamport_start,
                    calls=former.calls + process.calls,
                    errors=former.errors + process.errors,
                )
            self._found[ordinal] = process
        known = np.fromiter(self._ordinal, "u8", len(self._ordinal))
        for span in np.setdiff1d(self._calls["process"], known).tolist():
            self._strange += 1
            self._ordinal[span] = len(self._found) + 1
            self._found[len(self._found) + 1] = self._made_up(span, len(self._found) + 1)

    def _made_up(self, span: int, ordinal: int) -> replay.Process:
        """A process by its calls, where its own span is not there."""
        calls = self._calls[self._calls["process"] == span]
        return replay.Process(
            ordinal, int(calls["tid"].min()), 0, "", None, int(calls["t0"].min()),
            int(calls["t1"].max()), int(calls["lamport_start"].min()),
            int(calls["lamport_end"].max()), len(calls),
            int(np.count_nonzero(calls["flags"] & replay.FAILED)),
        )  # fmt: skip

    def _threads(self) -> None:
        """`threads`, and which one made each call."""
        spans = np.fromiter(self._ordinal, "u8", len(self._ordinal))
        ordinals = np.fromiter(self._ordinal.values(), "u8", len(self._ordinal))
        order = np.argsort(spans)
        at = order[np.searchsorted(spans[order], self._calls["process"])] if len(spans) else order
        of_call = ordinals[at] if len(self._calls) else np.zeros(0, np.uint64)
        leaders = list(self._found.values())
        form = [("ordinal", "<u8"), ("tid", "<i4")]
        keys = np.zeros(len(self._calls) + len(leaders), form)
        keys["ordinal"][: len(of_call)], keys["tid"][: len(of_call)] = of_call, self._calls["tid"]
        keys["ordinal"][len(of_call) :] = [each.ordinal for each in leaders]
        keys["tid"][len(of_call) :] = [each.pid for each in leaders]
        known, index = np.unique(keys, return_inverse=True)
        index = index.reshape(-1)
        threads = np.zeros(len(known), replay.THREAD)
        threads["ordinal"], threads["tid"] = known["ordinal"], known["tid"]
        threads["pid"] = [self._found[int(ordinal)].pid for ordinal in known["ordinal"]]
        threads["maker"] = replay.NO_THREAD
        self.threads, self._thread = threads, index[: len(of_call)]
        self._leader = dict(
            zip((each.ordinal for each in leaders), index[len(of_call) :].tolist(), strict=True)
        )

    def _events(self) -> None:
        """Events, and the numbers of all: by time, then by Lamport time."""
        calls = self._calls
        rows = [
            (process.t_start, process.lamport_start, self._leader[ordinal], START, 0)
            for ordinal, process in self._found.items()
        ]
        rows += [
            (process.t_end, process.lamport_end, self._leader[ordinal], EXIT, process.wait_status)
            for ordinal, process in self._found.items() if process.wait_status is not None
        ]  # fmt: skip
        names = {(int(abi), int(nr)) for abi, nr in np.unique(calls[["abi", "nr"]]).tolist()}
        execs = [key for key in names if replay.call_name(*key) in ("execve", "execveat")]
        done = np.zeros(len(calls), bool)
        for abi, nr in execs:
            done |= (calls["abi"] == abi) & (calls["nr"] == nr)
        done &= (calls["flags"] == 0) & (calls["result"] == 0)
        rows += [
            (int(calls["t1"][at]), int(calls["lamport_end"][at]), int(self._thread[at]), EXEC, 0)
            for at in np.flatnonzero(done).tolist()
        ]
        events = np.zeros(len(rows), replay.EVENT)
        lamport = np.zeros(len(rows), np.uint64)
        for at, (time, when, thread, kind, status) in enumerate(rows):
            events[at] = (0, time, status, thread, 0, kind, kind == EXIT)
            lamport[at] = when
        ended = (calls["flags"] & replay.UNFINISHED) == 0
        ends = np.flatnonzero(ended)
        count = len(calls)
        times = np.concatenate([calls["t0"], calls["t1"][ends], events["t"]])
        clocks = np.concatenate([calls["lamport_start"], calls["lamport_end"][ends], lamport])
        # Of one instant: a start, an entry, an exec, an exit, an end.
        first = np.where(events["kind"] == START, 0, np.where(events["kind"] == EXEC, 2, 4))
        kinds = np.concatenate([np.full(count, 1), np.full(len(ends), 3), first])
        numbers = np.empty(len(times), np.uint64)
        numbers[np.lexsort((kinds, clocks, times))] = np.arange(1, len(times) + 1)
        self._entry = numbers[:count]
        self._exit = np.zeros(count, np.uint64)
        self._exit[ends] = numbers[count : count + len(ends)]
        events["seq"] = numbers[count + len(ends) :]
        self.events = events[np.argsort(events["seq"])]

    def _edges(self) -> NDArray[Any]:
        """Of the links whose two ends are here."""
        links = self._spans.links.all()
        entry = dict(zip(self._calls["id"].tolist(), range(len(self._calls)), strict=True))
        numbers = {
            kind: {
                int(self.threads["ordinal"][row["thread"]]): int(row["seq"])
                for row in self.events[self.events["kind"] == kind]
            }
            for kind in (START, EXIT)
        }
        forks = {replay.edge_names().index(name) for name in ("fork",)}
        found = []
        for span, cause, kind in links.tolist():
            if cause in entry:
                at = entry[cause]
                begin = (int(self._entry[at]), int(self._calls["lamport_start"][at]),
                         int(self._calls["tid"][at]))  # fmt: skip
            else:
                begin = self._of_process(cause, numbers[EXIT], "lamport_end")
            if span in entry:
                at = entry[span]
                end = (int(self._entry[at]), int(self._calls["lamport_end"][at]),
                       int(self._calls["tid"][at]))  # fmt: skip
                if kind in forks and cause not in entry:
                    continue
            elif kind in forks:
                end = self._of_process(span, numbers[START], "lamport_start")
                self._made_by(span, cause, entry)
            else:
                end = self._of_process(span, numbers[EXIT], "lamport_end")
            if begin[0] and end[0]:
                found.append((begin[0], end[0], begin[1], end[1], begin[2], end[2], kind, 1))
        edges = np.zeros(len(found), replay.EDGE)
        if found:
            edges[:] = np.array(found, replay.EDGE)
        return edges[np.lexsort((edges["cause"], edges["effect"]))]

    def _of_process(self, span: int, numbers: dict[int, int], clock: str) -> tuple[int, int, int]:
        """The number of its event (0 = there is none), its Lamport time, its thread."""
        process = self._found.get(self._ordinal.get(span, 0))
        if process is None:
            return 0, 0, 0
        return numbers.get(process.ordinal, 0), getattr(process, clock), process.pid

    def _made_by(self, span: int, cause: int, entry: dict[int, int]) -> None:
        if cause in entry and span in self._ordinal:
            leader = self._leader[self._ordinal[span]]
            self.threads["maker"][leader] = self._thread[entry[cause]]

    def columns(self, *, details: bool) -> replay.Replay:
        """All of it."""
        calls = np.zeros(len(self._calls), replay.CALL)
        for name in ("t0", "t1", "lamport_start", "lamport_end", "result", "nr", "flags", "abi",
                     "incomplete"):  # fmt: skip
            calls[name] = self._calls[name]
        calls["seq"], calls["end"], calls["thread"] = self._entry, self._exit, self._thread
        edges = self._edges()
        spans = self._spans
        run_times, run = spans.run or ((0, 0, 0, 0), {})
        lacks, unknown = self._lacks(run)
        numbers = dict(zip(self._calls["id"].tolist(), self._entry.tolist(), strict=True))
        numbers |= {span: 1 << 63 | ordinal for span, ordinal in self._ordinal.items()}
        return RunOfSpans(
            _described(run),
            calls,
            self.events,
            edges,
            self.threads,
            self._found,
            complete=spans.run is not None,
            lost_events=_count(run, "renacer.lost_events"),
            lost_calls=_count(run, "renacer.lost_calls"),
            missed=sum(rows.missed for rows in (
                spans.calls, spans.processes, spans.links, spans.texts
            )),
            details=self._details() if details else None,
            end=_totals(run_times, run) if spans.run else None,
            form=FORM,
            lacks=lacks,
            unknown=unknown,
            numbers=numbers,
        )  # fmt: skip

    def _details(self) -> replay.Details:
        rows = no_details(len(self._calls))
        for name in ("args", "path", "other_path", "peer", "fd"):
            rows[name] = self._calls[name]
        return self._spans.texts.details(rows)

    def _lacks(self, run: dict[str, Any]) -> tuple[list[str], frozenset[str]]:
        """In words, and of replay.UNKNOWN."""
        spans = self._spans
        lacks = [
            "which open file a call is about",
            "signals",
            "causes that are not certain",
            "buffers and structures as numbers",
        ]
        unknown = {"objects", "signals"}
        missing = _count(run, "renacer.calls") - len(self._calls)
        if missing > 0 or run.get("renacer.filtered_calls") or run.get("renacer.seccomp"):
            unknown.add("calls")
            if spans.folded:
                lacks.append(
                    f"{spans.folded:,} calls apart from each other (--fold off tells each)"
                )
                missing -= spans.folded
        if missing > 0 or run.get("renacer.filtered_calls") or run.get("renacer.seccomp"):
            some = f"{missing:,} calls" if missing > 0 else "calls"
            lacks.append(f"{some} that were not asked for, or not exported")
        if self._strange:
            lacks.append(f"the spans of {self._strange:,} processes")
            unknown.add("processes")
        if spans.twice:
            lacks.append(f"nothing by {spans.twice:,} spans that come again")
        return lacks, frozenset(unknown)


def _count(run: dict[str, Any], key: str) -> int:
    value = run.get(key, 0)
    return value if type(value) is int and value >= 0 else 0


def _described(run: dict[str, Any]) -> dict[str, Any]:
    """As the description of a TRACE file has it; times are Unix times."""
    command = run.get("renacer.command")
    return {
        "engine": str(run.get("renacer.engine", "")),
        "command": [command] if isinstance(command, str) else [],
        "realtime_anchor": 0,
        "monotonic_anchor": 0,
        "id_key": [0, 0],
        "lamport_seed": 0,
    }


def _totals(times: tuple[int, ...], run: dict[str, Any]) -> dict[str, Any]:
    added = run.get("renacer.tracer.added_time")
    known = isinstance(added, float) and 0 <= added < 1e9
    return {
        "added_ns": int(float(added or 0) * 1e9) if known else -1,
        "wall_ns": times[1] - times[0],
    }
