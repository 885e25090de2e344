# SPDX-License-Identifier: MIT
"""A TRACE file interpreted again gives what the run itself exported."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from renacer_otel.errors import TraceUnreadable
from renacer_otel.exporters.receiver import Receiver
from renacer_otel.spans import replay
from tests.cli.tool import renacer
from tests.ring import traces
from tests.scale import FULL

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

METADATA = {**traces.METADATA, "id_key": [3, 2**64 - 1], "lamport_seed": 40}
COMMAND = """
import os, subprocess, sys, threading
thread = threading.Thread(target=os.getppid)
thread.start()
thread.join()
subprocess.run(["sh", "-c", "cat /proc/sys/kernel/ostype | cat; exec sh -c 'exit 3'"])
try:
    os.rmdir("/")
except OSError:
    sys.exit(4)
"""


def attributes(span: Span) -> dict[str, str | int]:
    return {pair.key: pair.value.string_value or pair.value.int_value for pair in span.attributes}


def test_same_as_the_run_exported(tmp_path: Path) -> None:
    with Receiver() as receiver:
        done = renacer(
            *("--otlp-endpoint", receiver.endpoint, "--format", "record", "-o", tmp_path / "r"),
            *("--", sys.executable, "-S", "-c", COMMAND),
        )
        assert done.code == 4, done.err
        spans = [item.span for item in receiver.spans]
    found = replay.of_trace(tmp_path / "r")
    assert found.is_whole
    exported = {}
    processes = {}
    for span in spans:
        keys = attributes(span)
        number = found.number_of_span(int.from_bytes(span.span_id, "big"))
        if "syscall.name" in keys:
            exported[number] = (
                span.name,
                keys["syscall.tid"],
                keys.get("syscall.result"),
                keys["renacer.lamport.start"],
                keys["renacer.lamport.end"],
                span.end_time_unix_nano - span.start_time_unix_nano,
            )
        elif "process.pid" in keys:
            processes[number - 2**63] = (
                keys["process.pid"], keys["process.executable.path"], keys["renacer.calls"]
            )  # fmt: skip
    calls = found.calls
    assert len(exported) == len(calls) > 300
    again = {
        int(call["seq"]): (
            replay.call_name(int(call["abi"]), int(call["nr"])),
            int(found.threads["tid"][call["thread"]]),
            int(call["result"]) if call["end"] else None,
            int(call["lamport_start"]),
            int(call["lamport_end"]),
            int(call["t1"] - call["t0"]),
        )
        for call in calls
    }
    assert again == exported
    assert {
        ordinal: (process.pid, process.exe, process.calls)
        for ordinal, process in found.processes.items()
    } == processes
    for number in exported:
        assert found.number_of_span(found.span_of_number(number)) == number
    # A thread's events have numbers of their own, each of one thread.
    numbers = np.concatenate([calls["seq"], calls["end"][calls["end"] > 0], found.events["seq"]])
    assert len(np.unique(numbers)) == len(numbers)


def test_names_of_calls_as_the_columns_have_them() -> None:
    assert replay.call_name(np.uint8(1), np.int32(0)) == "read"
    assert replay.call_name(np.uint8(1), np.int32(-1)) == "syscall_0xffffffff"


def test_columns_outlive_the_rest(tmp_path: Path) -> None:
    traces.write(tmp_path / "r", [traces.block(1, 500)], {}, METADATA)
    calls = replay.of_trace(tmp_path / "r").calls
    gc.collect()
    assert calls["result"].tolist() == list(range(500))
    with pytest.raises(ValueError, match="read-only"):
        calls["result"] = 0


def test_memory_has_a_bound_and_what_is_missing_is_told(tmp_path: Path) -> None:
    traces.write(tmp_path / "r", [traces.block(1, 5000)], {}, METADATA)
    found = replay.of_trace(tmp_path / "r", 64 * 1024)
    assert found.missed > 0
    assert not found.is_whole
    assert 100 < len(found.calls) < 64 * 1024 // replay.CALL.itemsize


def test_cut_short_and_lost(tmp_path: Path) -> None:
    gap = traces.record(101, kind=10, nr=0, args=(7, 3, 0, 0, 0, 0))
    traces.write(tmp_path / "r", [traces.block(1, 50), gap], None, METADATA)
    found = replay.of_trace(tmp_path / "r")
    assert len(found.calls) == 50
    assert (found.complete, found.lost_events, found.lost_calls) == (False, 7, 3)


@pytest.mark.parametrize("key", [None, 5, [1], [1, "x"], [1, 2, 3], {}, [1, None]])
def test_without_its_key(tmp_path: Path, key: object) -> None:
    traces.write(tmp_path / "r", [], {}, {**METADATA, "id_key": key})
    with pytest.raises(TraceUnreadable, match="key of its span ids"):
        replay.of_trace(tmp_path / "r")


@pytest.mark.parametrize("wanted", [None, 5, ["x"], ["1"], [1] * 54])
def test_without_its_filter(tmp_path: Path, wanted: object) -> None:
    traces.write(tmp_path / "r", [], {}, {**METADATA, "filtered": True, "wanted": wanted})
    with pytest.raises(TraceUnreadable, match="which calls"):
        replay.of_trace(tmp_path / "r")


@pytest.mark.parametrize(("spec", "is_followed"), [("all", True), ("read,write", False)])
def test_nothing_is_invented_where_calls_were_left_out(
    tmp_path: Path, spec: str, is_followed: bool
) -> None:
    """Descriptors mean nothing unless all calls that make and move them are there."""
    command = ("sh", "-c", "echo a | cat")
    done = renacer("-q", "-e", spec, "--format", "record", "-o", tmp_path / "r", "--", *command)
    assert done.code == 0, done.err
    found = replay.of_trace(tmp_path / "r")
    pipe = replay.edge_names().index("pipe")
    assert (found.edges["kind"] == pipe).any() == is_followed


MEASURE = """
import resource, sys
from renacer_otel.spans import replay
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = replay.of_trace(sys.argv[1])
assert len(found.calls) == int(sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_of_many_calls(tmp_path: Path) -> None:
    """The columns, half as much to grow them, and what a frame takes: nothing else a call."""
    each, frames = 10_000, 100 if FULL else 40
    traces.write(
        tmp_path / "r",
        [traces.block(1 + 2 * each * i, each) for i in range(frames)],
        {},
        METADATA,
    )
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path / "r", str(each * frames)],
        stdout=subprocess.PIPE,
        check=True,
    )
    assert int(done.stdout) * 1024 < 1.5 * replay.CALL.itemsize * each * frames + (32 << 20)


def test_details_say_what_calls_were_given(tmp_path: Path) -> None:
    """Paths, peers, arguments, objects; beside the same columns as without them."""
    subject = tmp_path / "subject"
    subject.write_bytes(b"x" * 10)
    script = f"""
import os, socket
fd = os.open({str(subject)!r}, os.O_RDONLY)
os.read(fd, 7)
os.close(fd)
os.rename({str(subject)!r}, {str(tmp_path / "other")!r})
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    one.connect(("127.0.0.1", 9))
    one.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)
"""
    done = renacer(
        *("-q", "--format", "record", "-o", tmp_path / "r", "--"),
        *(sys.executable, "-S", "-c", script),
    )
    assert done.code == 0, done.err
    plain = replay.of_trace(tmp_path / "r")
    assert plain.details is None
    found = replay.of_trace(tmp_path / "r", details=True)
    assert found.details is not None
    assert found.is_whole
    assert found.calls.tobytes() == plain.calls.tobytes()
    rows, text = found.details.rows, found.details.text
    assert len(rows) == len(found.calls)
    assert [text(index) for index in range(len(found.details.texts))] == found.details.all_texts()
    names = [replay.call_name(int(c["abi"]), int(c["nr"])) for c in found.calls]
    about = [
        (name, text(row["path"]), text(row["other_path"]), int(row["object"]), int(row["args"][2]))
        for name, row in zip(names, rows, strict=True)
        if text(row["path"]) == bytes(subject)
    ]
    opened = about[0][3]
    assert opened > 0
    assert [(name, thing) for name, _, _, thing, _ in about] == [
        *[(name, opened) for name in ("openat", "read", "close")],
        *[(name, 0) for name in ("rename",)],
    ]
    assert about[1][4] == 7
    assert about[3][2] == bytes(tmp_path / "other")
    peers = {name for name, row in zip(names, rows, strict=True) if text(row["peer"])}
    assert {"connect", "getsockopt", "close"} <= peers
    assert {text(row["peer"]) for row in rows} == {b"", b"127.0.0.1:9"}


def test_details_of_nothing(tmp_path: Path) -> None:
    traces.write(tmp_path / "r", [], {}, METADATA)
    found = replay.of_trace(tmp_path / "r", details=True)
    assert found.details is not None
    assert (len(found.details.rows), found.details.all_texts()) == (0, [b""])


KEPT = """
import sys
from renacer_otel.spans import replay
class Kept: pass
sys.kept = Kept()
sys.kept.itself, sys.kept.run = sys.kept, replay.of_trace(sys.argv[1], details=True)
"""


def test_columns_may_live_as_long_as_python(tmp_path: Path) -> None:
    path = tmp_path / "run.renacer"
    assert renacer("--format", "record", "-o", path, "-q", "true").code == 0
    done = subprocess.run([sys.executable, "-c", KEPT, path], check=False)
    assert done.returncode == 0
