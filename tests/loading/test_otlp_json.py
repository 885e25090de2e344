# SPDX-License-Identifier: MIT
"""OTLP/JSON: of a real run beside its records, and spans made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from renacer_otel.analysis.assertions import memory
from renacer_otel.analysis.assertions.subject import Subject
from renacer_otel.analysis.causality import naming
from renacer_otel.analysis.causality.history import History
from renacer_otel.analysis.loading import load
from renacer_otel.errors import TraceUnreadable
from renacer_otel.spans import replay
from tests.cli.tool import renacer
from tests.loading.made import attribute, caused_by, request, span

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = r"""
import mmap, os
area = mmap.mmap(-1, 64 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
try:
    os.rename(b"/not\\here\xff", b"/nor\nthere")
except OSError:
    pass
child = os.fork()
if not child:
    os.stat("/")
    os._exit(3)
os.waitpid(child, 0)
os.kill(os.getpid(), 0)
"""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[replay.Replay, replay.Replay]:
    """One program traced twice: its records, its spans."""
    import sys

    folder = tmp_path_factory.mktemp("otlp")
    found = []
    for form in ("record", "otlp-json"):
        path = folder / form
        done = renacer("--format", form, "-o", path, "--", sys.executable, "-S", "-c", PROGRAM)
        assert done.code == 0, done.err
        found.append(load(path))
    return found[0], found[1]


def texts(run: replay.Replay, column: str, names: tuple[str, ...]) -> set[tuple[str, bytes]]:
    details = run.details
    assert details is not None
    codes, known = replay.call_names(run.calls)
    return {
        (known[code], details.text(int(row[column])))
        for code, row in zip(codes, details.rows, strict=True)
        if known[code] in names
    }


def edges(run: replay.Replay) -> set[str]:
    """The kinds of those that are certain, and have their ends in the trace."""
    names = replay.edge_names()
    found = History.of(run).edges
    return {names[row["kind"]] for row in found[found["certain"]]}


def test_same_as_its_records(both: tuple[replay.Replay, replay.Replay]) -> None:
    record, spans = both
    assert spans.form == "OTLP/JSON"
    assert spans.complete
    assert spans.unknown == {"objects", "signals"}
    for column in ("path", "other_path"):
        wanted = texts(record, column, ("rename", "execve", "newfstatat", "openat"))
        assert texts(spans, column, ("rename", "execve", "newfstatat", "openat")) == wanted
    assert ("rename", b"/not\\here\xff") in texts(spans, "path", ("rename",))
    assert [p.wait_status for p in spans.processes.values()] == [0, 3 << 8]
    assert [p.name for p in spans.processes.values()] == [p.name for p in record.processes.values()]
    assert {"fork", "wait"} <= edges(spans) <= edges(record)


def test_memory_by_names_of_flags(both: tuple[replay.Replay, replay.Replay]) -> None:
    """Flags are told by name, and become numbers again."""
    for run in both:
        peak = memory.peaks(Subject(History.of(run)))[0].total
        assert 64 << 20 <= peak < 100 << 20


def test_each_thread_in_order(both: tuple[replay.Replay, replay.Replay]) -> None:
    calls = both[1].calls
    for thread in range(len(both[1].threads)):
        mine = calls[calls["thread"] == thread]
        mine = mine[mine["seq"].argsort()]
        ended = mine[mine["end"] > 0]
        assert (ended["seq"] < ended["end"]).all()
        assert (mine["seq"][1:] > mine["end"][:-1]).all()
        assert (mine["lamport_start"][1:] > mine["lamport_end"][:-1]).all()


def test_span_ids_are_the_files(both: tuple[replay.Replay, replay.Replay]) -> None:
    run = both[1]
    history = History.of(run)
    ordinal = 2
    word = f"{run.span_of_process(ordinal):016x}"
    assert naming.find(history, word).name == naming.process_name(history, ordinal)
    number = int(run.calls["seq"][5])
    found = naming.find(history, f"{run.span_of_number(number):016x}")
    assert found.start.number == number
    assert run.number_of_span(12345) == 0


# --- made up ----------------------------------------------------------------------------------

RUN = span(1, 0, 1, 100, {"renacer.command": "a", "renacer.calls": 2, "process.exit.code": 0})
PARENT = span(
    2, 1, 2, 99, {"process.pid": 10, "process.executable.path": "/bin/a", "process.exit.code": 0}
)
CLONE = span(
    3, 2, 10, 12,
    {"syscall.name": "clone", "syscall.number": 56, "syscall.tid": 10, "syscall.result": 11},
)  # fmt: skip
CHILD = span(
    4, 2, 11, 40, {"process.pid": 11, "process.executable.path": "/bin/a", "process.exit.code": 7},
    links=[caused_by(3, "fork")],
)  # fmt: skip
WAIT = span(
    5, 2, 20, 41,
    {"syscall.name": "wait4", "syscall.number": 61, "syscall.tid": 10, "syscall.result": 11},
    links=[caused_by(4, "wait"), caused_by(77, "pipe"), caused_by(3, "nonsense")],
)  # fmt: skip
SPANS = [CLONE, CHILD, WAIT, PARENT, RUN]


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[[str], replay.Replay]:
    def read(text: str) -> replay.Replay:
        path = tmp_path / "spans.jsonl"
        path.write_text(text, encoding="utf-8")
        return load(path)

    return read


def test_made_up_run(loaded: Callable[[str], replay.Replay]) -> None:
    run = loaded(request(SPANS))
    assert [(p.ordinal, p.pid, p.exe, p.wait_status) for p in run.processes.values()] == [
        (1, 10, "/bin/a", 0),
        (2, 11, "/bin/a", 7 << 8),
    ]
    names = replay.edge_names()
    found = [
        (names[row["kind"]], int(row["cause_tid"]), int(row["effect_tid"])) for row in run.edges
    ]
    assert sorted(found) == [("fork", 10, 11), ("wait", 11, 10)]
    assert len(History.of(run).edges) == 2
    makers = dict(zip(run.threads["tid"].tolist(), run.threads["maker"].tolist(), strict=True))
    assert run.threads["tid"][makers[11]] == 10


@pytest.mark.parametrize("form", ["lines", "one", "indented", "numbers", "several"])
def test_forms_of_the_same(loaded: Callable[[str], replay.Replay], form: str) -> None:
    """A span a line, all in one, as a collector writes it; 64-bit numbers as numbers."""
    wanted = loaded(request(SPANS))
    text = request(SPANS)
    if form == "lines":
        text = "".join(request([each]) for each in reversed(SPANS))
    elif form == "indented":
        text = json.dumps(json.loads(text), indent=4)
    elif form == "numbers":
        text = json.dumps(json.loads(text), separators=(",", ":"))
        for word in ("startTimeUnixNano", "endTimeUnixNano", "intValue"):
            head, *rest = text.split(f'"{word}":"')
            text = head + "".join(f'"{word}":' + part.replace('"', "", 1) for part in rest)
        assert '"intValue":10}' in text
    elif form == "several":
        others = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"a": 1}]}]}]})
        text = others + "\n" + request([{"spanId": "zz"}], scope="other") + text + others
    found = loaded(text)
    for column in ("calls", "events", "edges", "threads"):
        assert getattr(found, column).tolist() == getattr(wanted, column).tolist()
    assert found.processes == wanted.processes


def test_what_is_missing_is_told(loaded: Callable[[str], replay.Replay]) -> None:
    run = loaded(request([CLONE, RUN]))
    assert {"calls", "processes"} <= run.unknown
    assert any("1 calls" in sentence for sentence in run.lacks)
    assert len(run.processes) == 1
    assert not loaded(request([CLONE, PARENT])).complete
    twice = loaded(request(SPANS) + request([CLONE]))
    assert len(twice.calls) == 2
    assert any("again" in sentence for sentence in twice.lacks)
    filtered = {**RUN, "attributes": [*RUN["attributes"], attribute("renacer.seccomp", True)]}
    assert "calls" in loaded(request([*SPANS[:-1], filtered])).unknown


def test_application_spans_do_not_own_calls(loaded: Callable[[str], replay.Replay]) -> None:
    """A call under the application's span names its process by a link."""
    under = {**CLONE, "parentSpanId": "00000000000000aa", "links": [caused_by(2, "process")]}
    run = loaded(request([under, *SPANS[1:]]))
    assert run.threads["ordinal"][run.calls["thread"]].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (request([]), "no span of the scope"),
        (request([CLONE], scope="other"), "no span of the scope"),
        (request([CLONE], "a") + request([WAIT], "b"), "2 runs"),
        (request([{**CLONE, "spanId": "xyz"}]), "span id"),
        (request([{**CLONE, "spanId": "-00000000000001a"}]), "span id"),
        (request([{**CLONE, "startTimeUnixNano": "1e9"}]), "whole number"),
        (request([{**CLONE, "startTimeUnixNano": str(1 << 64)}]), "out of range"),
        (request([{**CLONE, "startTimeUnixNano": str(2 * 10**18)}]), "ends before"),
        (request([{**CLONE, "attributes": {}}]), "array"),
        (request([{**CLONE, "attributes": [3]}]), "object"),
        (request([{**CLONE, "links": 7}]), "array"),
        ('{"resourceSpans": {}}', "missing"),
        ('{"resourceSpans": [null]}', "missing"),
        (request(SPANS)[:-4], "ends too early"),
        (request(SPANS) + "]", "missing"),
    ],
)
def test_what_is_not_as_it_has_to_be(
    loaded: Callable[[str], replay.Replay], text: str, match: str
) -> None:
    with pytest.raises(TraceUnreadable, match=match) as caught:
        loaded(text)
    assert caught.value.message.isprintable()


def test_strings_are_bounded(loaded: Callable[[str], replay.Replay]) -> None:
    """A span of more than 1 MiB is none of ours."""
    big: dict[str, Any] = {**CLONE, "name": "x" * (4 << 20)}
    with pytest.raises(TraceUnreadable, match="at character"):
        loaded(request([big]))
