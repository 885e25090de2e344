# SPDX-License-Identifier: MIT
"""Of any stream of records: no call is missing, no parent, no end of a link; bounds are kept."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from renacer_otel.engine import calls, native
from renacer_otel.engine import python_record as records
from renacer_otel.engine.launch import NativeRun, RunConfig, Tuning
from tests.scale import examples

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = ("read", "write", "getppid", "lseek")
PLACES = 4  # processes at a time
SIGUSR1, SA_USER = 10, 0

PLACE = st.integers(0, PLACES - 1)
#: (what, who, which, how long): runs of calls, so that there is something to fold.
STEP = st.one_of(
    st.tuples(
        st.just("calls"), PLACE, st.lists(st.sampled_from(NAMES), min_size=1, max_size=5),
        st.integers(1, 30),
    ),
    st.tuples(st.sampled_from(["fail", "slow", "fork", "exit", "wait", "kill", "block", "go on"]),
              PLACE, PLACE, st.integers(1, 900)),
)  # fmt: skip
SHAPES = st.builds(
    Tuning,
    engine=st.just("python"),
    fold=st.sampled_from(["off", "auto", "always"]),
    spans=st.sampled_from(["all", "all", "process"]),
    max_trace_spans=st.sampled_from([0, 32, 64]),
    min_duration_ns=st.sampled_from([0, 0, 500]),
    errors_only=st.sampled_from([False, False, True]),
    keep_errors=st.booleans(),
    keep_slow_ns=st.sampled_from([0, 700]),
)


class Stream:
    """Records that a tracer might write. `told`: calls that begin in it, by their numbers."""

    def __init__(self) -> None:
        self.records: list[bytes] = []
        self.told = 0
        self._seq, self._now, self._pids, self._made = 0, 1000, 100, 0
        self._pid: list[int] = [0] * PLACES  # 0 = nobody is there
        self._in: dict[int, str] = {}  # the call that a process is in
        self._ended: list[int] = []
        self._start(0, 0)

    def step(self, what: str, who: int, which: Any, long: int) -> None:
        """One of STEP; nothing, where it makes no sense."""
        pid = self._pid[who]
        if not pid:
            return
        if pid in self._in:
            if what == "go on":
                self._leave(pid, 0)
            return
        if what == "calls":
            for _ in range(long):
                for name in which:
                    self._call(pid, name, 5, 7)
        elif what == "fail":
            self._call(pid, "read", -9, 7)
        elif what == "slow":
            self._call(pid, "read", 5, long)
        elif what == "block":
            self._enter(pid, "poll")
        elif what == "fork" and not self._pid[which]:
            self._enter(pid, "fork" if "fork" in NUMBERS else "clone")
            self._leave(pid, self._start(which, pid))
        elif what == "kill" and self._pid[which] and which != who:
            self._call(pid, "kill", 0, 7, (self._pid[which], SIGUSR1))
            signal = self._record(records.SIGNAL, self._pid[which])
            signal.nr, signal.args = SIGUSR1, (SA_USER, pid, 0, 0, 0)
            self._put(signal)
        elif what == "wait" and self._ended:
            self._call(pid, "wait4", self._ended.pop(), long)
        elif what == "exit" and who:
            end = self._record(records.END, pid)
            end.args = (0, 0, 1)
            self._put(end)
            self._pid[who] = 0
            self._ended.append(pid)

    def _record(self, kind: int, pid: int) -> records.Record:
        self._now += 10
        return records.Record(kind, pid, pid, self._now)

    def _put(self, record: records.Record, events: int = 1) -> None:
        record.seq = self._seq + 1
        self._seq += events
        self.records.append(record.pack())

    def _start(self, place: int, maker: int) -> int:
        self._pids, self._made = self._pids + 1, self._made + 1
        start = self._record(records.START, self._pids)
        start.args = (self._made, maker, maker, 0, 1 if maker else 0)
        self._put(start)
        self._pid[place] = self._pids
        return self._pids

    def _of(self, kind: int, pid: int, name: str) -> records.Record:
        record = self._record(kind, pid)
        record.abi, record.nr = calls.native_abi(), NUMBERS[name]
        return record

    def _call(
        self, pid: int, name: str, result: int, long: int, args: Sequence[int] = (3,)
    ) -> None:
        record = self._of(records.CALL, pid, name)
        self._now += long
        record.t1, record.result, record.args = self._now, result, tuple(args)
        record.flags = records.FAILED if result < 0 else 0
        self._put(record, 2)
        self.told += 1

    def _enter(self, pid: int, name: str) -> None:
        self._put(self._of(records.ENTER, pid, name))
        self._in[pid] = name
        self.told += 1

    def _leave(self, pid: int, result: int) -> None:
        record = self._of(records.EXIT, pid, self._in.pop(pid))
        record.result = result
        self._put(record)


NUMBERS = {
    call.name: number for (abi, number), call in calls.table().items() if abi == calls.native_abi()
}


def spans_of(stream: Stream, tuning: Tuning) -> list[dict[str, Any]]:
    """What the core tells of these records, as OTLP/JSON."""
    config = RunConfig(argv=["x"], environ=[], trace_id=bytes(range(16)), id_key=(3, 4),
                       tuning=tuning, json=True, trace_flags=3)  # fmt: skip
    run = NativeRun(config)
    spans: list[dict[str, Any]] = []
    try:
        run.start()
        for record in stream.records:
            assert native.lib.rn_run_feed(run._run, record, len(record)) == 0
        native.lib.rn_run_feed_end(run._run, 0, 0, 0)
        while (block := run.take(run.JSON, 60)) is not None:
            spans += json.loads(b"[" + bytes(block.view) + b"]")
            block.release()
        assert run.wait(60) == 0
        assert run.stats().spans == len(spans)
    finally:
        run.close()
    return spans


def attributes(span: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for pair in span["attributes"]:
        ((kind, value),) = pair["value"].items()
        found[pair["key"]] = int(value) if kind == "intValue" else value
    return found


def number(span: dict[str, Any], end: str) -> int:
    return int(span[f"{end}TimeUnixNano"])


@given(st.lists(STEP, min_size=1, max_size=60), SHAPES)
@settings(max_examples=examples(300))
def test_what_is_told_of_any_stream(steps: list[tuple[Any, ...]], tuning: Tuning) -> None:
    stream = Stream()
    for step in steps:
        stream.step(*step)
    spans = spans_of(stream, tuning)
    ids = {(span["traceId"], span["spanId"]): span for span in spans}
    assert len(ids) == len({span["spanId"] for span in spans}) == len(spans)
    told = omitted = left_out = 0
    for span in spans:
        found = attributes(span)
        assert number(span, "start") <= number(span, "end")
        assert (
            found["renacer.lamport.start"] < found["renacer.lamport.end"] or "renacer.part" in found
        )
        parent = None
        if span.get("parentSpanId"):
            parent = ids[span["traceId"], span["parentSpanId"]]
        for link in span.get("links", ()):
            assert (link["traceId"], link["spanId"]) in ids
        left_out += span.get("droppedLinksCount", 0) if "renacer.parts" not in found else 0
        if "syscall.name" in found:
            count = found.get("renacer.fold.count", 1)
            told += count
            assert parent is not None
            # Within its process; a copy ends with its part, a call that outlasts it does not.
            assert number(parent, "start") <= number(span, "start")
            if "renacer.copy" not in attributes(parent):
                assert number(span, "end") <= number(parent, "end")
            if "renacer.fold.count" in found:
                low, high = found["renacer.fold.duration.min"], found["renacer.fold.duration.max"]
                total = found["renacer.fold.duration.sum"]
                assert low * count <= total <= high * count
                assert total <= number(span, "end") - number(span, "start")
                assert not span.get("links")
                assert "error.type" not in found
        elif "renacer.copy" not in found and "process.pid" in found:
            omitted += found.get("renacer.omitted.calls", 0)
    assert told + omitted == stream.told
    (run,) = [found for found in map(attributes, spans) if "renacer.calls" in found
              and "process.pid" not in found]  # fmt: skip
    assert run["renacer.calls"] == stream.told
    assert run.get("renacer.omitted.calls", 0) == omitted
    assert run.get("renacer.omitted.links", 0) == left_out
    if tuning.max_trace_spans:
        sizes = Counter(span["traceId"] for span in spans)
        del sizes[bytes(range(16)).hex()]  # it has all processes
        assert not sizes or max(sizes.values()) <= tuning.max_trace_spans
