# SPDX-License-Identifier: MIT
"""Records that are well-formed and lie: whatever they say, all that looks at a trace ends well."""

from __future__ import annotations

import struct
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from renacer_otel.analysis.assertions import memory, patterns
from renacer_otel.analysis.assertions.subject import Subject
from renacer_otel.analysis.causality import naming, relation
from renacer_otel.analysis.causality.critical_path import critical_path
from renacer_otel.analysis.causality.graph import BY, graph_of
from renacer_otel.analysis.causality.history import History
from renacer_otel.analysis.golden import canonical, differences, golden_file, learning
from renacer_otel.analysis.loading import load
from renacer_otel.analysis.sql import tables
from renacer_otel.analysis.sql.database import Database
from renacer_otel.errors import RenacerError, TraceUnreadable
from renacer_otel.reporters import (
    golden_form_text,
    graph_dot,
    graph_json,
    graph_mermaid,
    path_json,
    path_text,
    relation_json,
    relation_text,
)
from renacer_otel.ring import trace_file
from tests.cli.tool import renacer
from tests.ring import traces
from tests.scale import FULL

if TYPE_CHECKING:
    from renacer_otel.spans.replay import Replay

PROGRAM = """
import os, threading
reading, writing = os.pipe()
thread = threading.Thread(target=lambda: os.write(writing, b"x"))
thread.start()
os.read(reading, 1)
thread.join()
child = os.fork()
if not child:
    os.execv("/bin/true", ["true"])
os.waitpid(child, 0)
"""
#: Of a record's head: where each field is, and its bytes (event.h).
FIELDS = {
    "kind": (4, 1), "abi": (5, 1), "flags": (6, 2), "tid": (8, 4), "pid": (12, 4), "t0": (24, 8),
    "t1": (32, 8), "nr": (40, 4), "result": (96, 8),
    **{f"arg{n}": (48 + 8 * n, 8) for n in range(6)},
}  # fmt: skip
WORDS = st.one_of(
    st.sampled_from((0, 1, 2, 3, 7, 255, (1 << 31) - 1, 1 << 31, (1 << 63) - 1, 1 << 63)),
    st.sampled_from((-1, -2, -512, -(1 << 63))),
    st.integers(0, (1 << 64) - 1),
)


class Sample(NamedTuple):
    """A real trace: all its records, and where each begins."""

    metadata: dict[str, object]
    raw: bytes
    offsets: list[int]

    def __repr__(self) -> str:
        return f"<{len(self.offsets)} records>"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    path = tmp_path_factory.mktemp("lying") / "trace"
    done = renacer("--format", "record", "-o", path, "--", sys.executable, "-S", "-c", PROGRAM)
    assert done.code == 0, done.err
    with trace_file.open_trace(path) as reader:
        raw = b"".join(frame.records for frame in reader)
        metadata = reader.metadata
    offsets = [0]
    while (at := offsets[-1] + struct.unpack_from("<I", raw, offsets[-1])[0]) < len(raw):
        offsets.append(at)
    return Sample(metadata, raw, offsets)


def look_at_all(run: Replay) -> None:
    history = History.of(run)
    subject = Subject(history)
    path = critical_path(history)
    path_json.render(history, path, whole=run.is_whole)
    path_text.render(history, path)
    for by in BY:
        graph = graph_of(history, by)
        graph_dot.render(graph)
        graph_mermaid.render(graph)
        graph_json.render(graph, whole=run.is_whole)
    for name in patterns.ours():
        list(patterns.rule(name).find(subject))
    with suppress(memory.TooMany):
        memory.peaks(subject)
    form = canonical.of_replay(run)
    golden = learning.learn([form], "x", ["x"])
    with suppress(RenacerError):  # too much of it
        golden = golden_file.load(golden_file.dump(golden))
    assert differences.between(golden, [form]) == []
    golden_form_text.render(golden)
    numbers = run.calls["seq"].tolist()
    for first, last in zip(numbers[:2], numbers[-2:], strict=False):
        with suppress(RenacerError):
            a, b = naming.find(history, f"#{first}"), naming.find(history, f"#{last}")
            found = relation.relate(history, a, b)
            relation_json.render(history, found)
            relation_text.render(history, found)


@given(
    lies=st.lists(
        st.tuples(st.integers(0, 1 << 20), st.sampled_from(sorted(FIELDS)), WORDS), max_size=40
    ),
    bits=st.lists(st.integers(0, 1 << 24), max_size=3),
    sql=st.integers(0, 9),
)
@settings(
    max_examples=60 if FULL else 8,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_lies(sample: Sample, lies: list[tuple[int, str, int]], bits: list[int], sql: int) -> None:
    data = bytearray(sample.raw)
    for which, name, value in lies:
        at, size = FIELDS[name]
        at += sample.offsets[which % len(sample.offsets)]
        data[at : at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
    for bit in bits:
        data[bit // 8 % len(data)] ^= 1 << bit % 8
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trace")
        traces.write(path, [bytes(data)], {}, sample.metadata)
        try:
            run = load(path, shown=True)
        except TraceUnreadable:
            return
    look_at_all(run)
    if sql == 0:
        with Database(run) as database:
            for table in tables.TABLES:
                with database.answer(f"SELECT * FROM {table}") as answer:
                    list(answer.batches)


def test_more_memory_than_there_is(tmp_path: Path) -> None:
    metadata = {**traces.METADATA, "id_key": [3, 4], "lamport_seed": 0}
    mapping = traces.record(9, nr=9, args=(0, 2**64 - 1, 3, 0x22, 2**64 - 1, 0), result=4096)
    at, size = FIELDS["flags"]
    mapping = mapping[:at] + bytes(size) + mapping[at + size :]  # it did not fail
    traces.write(tmp_path / "trace", [mapping], {}, metadata)
    look_at_all(load(tmp_path / "trace", shown=True))
