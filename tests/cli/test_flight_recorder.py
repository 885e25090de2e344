# SPDX-License-Identifier: MIT
"""The flight recorder: the last calls, and only where something failed or somebody asks."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from renacer_otel.exporters.receiver import Receiver
from tests import scale
from tests.cli.tool import Done, call_lines, call_names, renacer, started, until
from tests.otlp_json import with_base64_ids
from tests.spans.made_spans import ROOT, attributes, by_trace, calls_of, check_counts, run_of

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

CRASH = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
LOOP = "i=0; while [ $i -lt 300 ]; do cd /; i=$((i+1)); done; "


def spans_of(path: Path) -> list[Span]:
    """What is in a file of OTLP/JSON, by the official classes."""
    return [
        span
        for line in path.read_text().splitlines()
        for resource in ParseDict(
            with_base64_ids(json.loads(line)), ExportTraceServiceRequest()
        ).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def received(receiver: Receiver) -> list[Span]:
    return [item.span for item in receiver.spans]


def the_calls(spans: list[Span]) -> list[Span]:
    return [span for span in spans if "syscall.number" in attributes(span)]


def recorded(path: Path, *command: str, keep: int = 50, more: tuple[str, ...] = ()) -> Done:
    words: list[str | Path] = ["--flight-recorder", str(keep), "--format", "otlp-json", "-o", path]
    words += more
    return renacer(*words, "--", *command)


def check_trees(spans: list[Span]) -> None:
    """Each trace is one tree, though links may lead to what did not go out; parts are linked."""
    ids = {(span.trace_id, span.span_id) for span in spans}
    assert len(ids) == len(spans)
    for trace, members in by_trace(spans).items():
        assert [span.name for span in members if not span.parent_span_id] == [ROOT]
        for span in members:
            assert not span.parent_span_id or (trace, span.parent_span_id) in ids, span.name
    for span in spans:
        for link in span.links:
            edge = attributes(link)["renacer.edge"]  # type: ignore[arg-type]
            if edge in ("part", "run", "process"):
                assert (link.trace_id, link.span_id) in ids


def test_nothing_goes_out_where_nothing_fails(tmp_path: Path) -> None:
    out, status = tmp_path / "out", tmp_path / "status"
    with Receiver() as receiver:
        words = ("--otlp-endpoint", receiver.endpoint, "--status-file", status)
        done = renacer(
            *words, "--flight-recorder", "50", "--format", "otlp-json", "-o", out, "--",
            "sh", "-c", LOOP,
        )  # fmt: skip
        assert receiver.count == 0
    assert done.code == 0, done.err
    assert out.read_bytes() == b""
    assert done.lines == [
        "renacer-otel: flight recorder: kept 50 calls, nothing exported",
        done.lines[-1],
    ]
    assert done.totals.lost == 0
    assert done.totals.sent == 0
    told = json.loads(status.read_text())
    assert told["flight_recorder"] == {
        "kept": 50, "exported": 0, "left_out": done.totals.calls - 50,
    }  # fmt: skip
    assert told["emitted"] == told["exported"] == told["queued"] == 0


@pytest.mark.parametrize(
    ("script", "code", "reason"),
    [
        ("exit 3", 3, "exit"),
        ("kill -9 $$", -9, "exit"),
        (f"exec {sys.executable} -ISc '{CRASH}'", -11, "exit,crash"),
    ],
)
def test_the_last_calls_of_what_failed(script: str, code: int, reason: str, tmp_path: Path) -> None:
    done = recorded(tmp_path / "out", "sh", "-c", LOOP + script)
    assert done.code == code
    spans = spans_of(tmp_path / "out")
    calls = the_calls(spans)
    assert len(calls) == 50
    assert len(spans) == 52  # the process, and the run
    check_trees(spans)
    check_counts(spans)
    root = run_of(spans)
    assert root["renacer.calls"] == done.totals.calls
    assert root["renacer.omitted.calls"] == done.totals.calls - 50
    assert root["renacer.flight_recorder"] == reason
    assert "exported 50 calls, because the command failed" in done.err
    assert f"; {done.totals.calls - 50:,} before that left out" in done.lines[-2]
    assert done.totals.lost == 0
    assert calls[-1].name == ("exit_group" if code == 3 else "kill")
    ends = [call.end_time_unix_nano for call in calls]
    assert ends == sorted(ends)  # the last, in the order of their ends


def test_more_room_than_calls(tmp_path: Path) -> None:
    done = recorded(tmp_path / "out", "false", keep=1_000_000)
    assert done.code == 1
    spans = spans_of(tmp_path / "out")
    assert len(the_calls(spans)) == done.totals.calls
    assert "renacer.omitted.calls" not in run_of(spans)
    assert done.lines[-2].endswith("because the command failed")


def test_a_crash_that_the_command_survives(tmp_path: Path) -> None:
    script = f"{LOOP} {sys.executable} -ISc '{CRASH}'; {LOOP} exit 0"
    done = recorded(tmp_path / "out", "sh", "-c", script)
    assert done.code == 0, done.err
    spans = spans_of(tmp_path / "out")
    calls = the_calls(spans)
    assert len(calls) == 50  # those up to the crash; what came then is not wanted
    assert calls[-1].name == "kill"
    check_trees(spans)
    check_counts(spans)
    root = run_of(spans)
    assert root["renacer.flight_recorder"] == "crash"
    signals = {attributes(span).get("renacer.process.signal") for span in spans}
    assert signals == {"SIGSEGV", None}
    assert done.lines[-2].endswith("; 50 kept since then, not exported")


def test_what_ends_others_by_signals_is_no_crash(tmp_path: Path) -> None:
    script = "sleep 60 & kill $!; wait; yes | head -1; exit 0"
    done = recorded(tmp_path / "out", "sh", "-c", script)
    assert done.code == 0, done.err
    assert (tmp_path / "out").read_bytes() == b""


def test_the_parts_that_are_left_are_whole(tmp_path: Path) -> None:
    """A window that begins in a later part: of the parts before nothing is there, nor linked."""
    programs = "for p in 1 2 3; do /bin/true; " + LOOP + "done; "
    more = ("--max-trace-spans", "60", "--fold", "off")
    script = programs + LOOP + "/bin/true; exit 7"
    done = recorded(tmp_path / "out", "sh", "-c", script, keep=150, more=more)
    assert done.code == 7
    spans = spans_of(tmp_path / "out")
    assert len(the_calls(spans)) == 150
    check_trees(spans)
    check_counts(spans)
    traces = by_trace(spans)
    assert 4 <= len(traces) <= 9 < done.totals.calls / 60  # of 25 or more
    assert all(len(members) <= 60 for members in traces.values())
    assert run_of(spans)["renacer.parts"] == len(traces)
    (run,) = [span for span in spans if "renacer.command" in attributes(span)]
    assert len(run.links) == len(traces) - 1
    assert run.dropped_links_count == 0


def test_repeated_calls(tmp_path: Path) -> None:
    """A span of many calls is kept whole."""
    script = f"{LOOP} head -c 30000 /dev/zero | {sys.executable} -ISc '{READS}'; exit 2"
    more = ("--fold", "always")
    done = recorded(tmp_path / "out", "sh", "-c", script, keep=100, more=more)
    assert done.code == 2
    spans = spans_of(tmp_path / "out")
    check_counts(spans)
    told = [calls_of(span) for span in spans if calls_of(span)]
    assert max(told) > 1000
    assert sum(told) >= 100
    assert sum(told[1:]) < 100  # without the oldest there would be too few


READS = 'import os\nos.dup2(os.open("/dev/zero", 0), 0)\nfor i in range(3000): os.read(0, 10)'


def test_to_a_collector(tmp_path: Path) -> None:
    status = tmp_path / "status"
    with Receiver() as receiver:
        words = ("--otlp-endpoint", receiver.endpoint, "--status-file", status)
        done = renacer(*words, "--flight-recorder", "20", "--", "sh", "-c", f"{LOOP} exit 5")
        assert done.code == 5
        assert receiver.count == 22 == done.totals.sent
        check_counts(received(receiver))
    told = json.loads(status.read_text())
    assert told["emitted"] == told["exported"] == 22
    assert told["flight_recorder"]["exported"] == 20


def test_text_rows_and_objects(tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("--flight-recorder", "10", "-o", out)
    failing, well = ("--", "sh", "-c", f"{LOOP} exit 1"), ("--", "true")
    done = renacer(*words, *failing)
    assert done.code == 1
    text = out.read_text()
    assert len(text.splitlines()) == 10
    assert call_names(text)[-1] == "exit_group"
    assert text.endswith("+++ exited with 1 +++\n")
    assert "exported 10 lines" in done.lines[-2]
    assert renacer(*words, *well).lines[-2].endswith("kept 10 lines, nothing exported")
    assert out.read_text() == ""
    assert renacer(*words, "--format", "csv", *failing).code == 1
    assert len(out.read_text().splitlines()) == 11  # and the head
    assert renacer(*words, "--format", "csv", *well).code == 0
    assert len(out.read_text().splitlines()) == 1
    done = renacer(*words, "--format", "json", *failing)
    found = json.loads(out.read_text())
    assert [call["name"] for call in found["syscalls"]][-1] == "exit_group"
    assert len(found["syscalls"]) == 10
    assert found["summary"]["total_syscalls"] == done.totals.calls
    assert renacer(*words, "--format", "json", *well).code == 0
    assert json.loads(out.read_text())["syscalls"] == []


def test_lines_begin_where_a_line_begins(tmp_path: Path) -> None:
    """Calls of several threads: the first line that is kept is a whole one."""
    out = tmp_path / "out"
    script = "for i in 1 2 3 4 5 6 7 8; do (cat /dev/null; sleep 0.01) & done; wait; exit 1"
    for keep in ("3", "7", "20"):
        words = ("--flight-recorder", keep, "-o", out)
        assert renacer(*words, "--", "sh", "-c", script).code == 1
        lines = out.read_text().splitlines()
        assert int(keep) - 1 <= len(lines) <= int(keep) + 2
        assert re.match(r"\d+ +([a-z_0-9]+\(|<\.\.\. |\+\+\+|---)", lines[0]), lines[0]
        assert call_lines(lines[-1]) or "exited" in lines[-1]


def test_somebody_asks(tmp_path: Path) -> None:
    """SIGUSR1 to us: what is kept goes out, the command does not get it and goes on."""
    out, fifo = tmp_path / "out", tmp_path / "fifo"
    os.mkfifo(fifo)
    words = ("--flight-recorder", "30", "--format", "otlp-json", "-o", out)
    with started(*words, "--", "sh", "-c", f"{LOOP} read x <{fifo}; exit 0") as process:
        with fifo.open("w") as writer:  # it is opened: the loop is over
            process.send_signal(signal.SIGUSR1)
            until(lambda: out.stat().st_size > 0)
            assert process.poll() is None
            writer.write("go\n")
        assert process.wait(timeout=60) == 0
        assert process.stderr
        told = process.stderr.read()
    spans = spans_of(out)
    assert len(the_calls(spans)) == 30
    check_trees(spans)
    check_counts(spans)
    assert run_of(spans)["renacer.flight_recorder"] == "signal"
    assert "exported 30 calls, because of SIGUSR1; " in told
    assert " kept since then, not exported" in told


WAITS = (
    "import os, sys\nos.write(1, b'ready\\n')\n"
    "while os.read(0, 1):\n    for _ in range(100): os.getppid()\n    os.write(1, b'.')\n"
    "os._exit(int(sys.argv[1]))\n"
)


@pytest.mark.parametrize("code", [0, 3])
def test_attached(code: int, tmp_path: Path) -> None:
    """Of who was attached to, the exit code counts; SIGUSR1 asks there, too."""
    out = tmp_path / "out"
    with subprocess.Popen(
        [sys.executable, "-ISc", WAITS, str(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        words = ("--flight-recorder", "40", "--format", "otlp-json", "-o", out)
        with started("attach", *words, str(process.pid)) as tracer:
            assert tracer.stderr
            assert "attached to" in tracer.stderr.readline()
            process.stdin.write(b"x")
            process.stdin.flush()
            assert process.stdout.read(1) == b"."
            if code == 0:
                tracer.send_signal(signal.SIGUSR1)
                until(lambda: out.stat().st_size > 0)
            process.stdin.close()
            assert tracer.wait(timeout=60) == 0
            told = tracer.stderr.read()
        assert process.wait(timeout=60) == code
    spans = spans_of(out)
    assert len(the_calls(spans)) == 40
    (run,) = [attributes(span) for span in spans if span.name == ROOT]
    assert run["renacer.omitted.calls"] == run["renacer.calls"] - 40
    assert run["renacer.flight_recorder"] == ("exit" if code else "signal")
    assert ("because a process failed" if code else "because of SIGUSR1") in told


@pytest.mark.parametrize(("most", "code"), [(100000, 0), (3, 1)])
def test_an_assertion(most: int, code: int, tmp_path: Path) -> None:
    """`check` of a command: what it judges decides."""
    settings = tmp_path / "renacer.toml"
    with Receiver() as receiver:
        settings.write_text(
            f'[[assertion]]\nname = "few"\ntype = "span_count"\nmax_spans = {most}\n'
            f'[otlp]\nenabled = true\nendpoint = "{receiver.endpoint}"\n'
        )
        words = ("check", "--config", settings, "--flight-recorder", "25")
        done = renacer(*words, "--", "sh", "-c", LOOP)
        assert done.code == code, done.err
        spans = received(receiver)
    if not code:
        assert spans == []
        return
    assert len(the_calls(spans)) == 25
    check_trees(spans)
    check_counts(spans)
    assert run_of(spans)["renacer.flight_recorder"] == "assertion"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--flight-recorder", "0"), "is not a whole number, 1 to 10000000"),
        (("--flight-recorder", "10", "-c"), "-c counts only"),
        (("--flight-recorder", "10", "--format", "record", "-o", "/dev/null"), "--format record"),
        (("--flight-recorder", "10", "-ff", "-o", "x"), "leave out -ff"),
        (("--flight-recorder", "10", "--sidecar"), "leave out --flight-recorder"),
        (("check", "--flight-recorder", "10", "x.renacer"), "for a command"),
    ],
)
def test_what_makes_no_sense(words: tuple[str, ...], told: str) -> None:
    done = renacer(*words) if words[0] == "check" else renacer(*words, "--", "true")
    assert done.code == 125
    assert told in done.error


PEAK = """
import resource, sys, threading
from renacer_otel.engine.launch import NativeRun, RunConfig, Tuning
calls = int(sys.argv[1])
run = NativeRun(RunConfig(argv=["x"], environ=[], trace_id=b"t" * 16, id_key=(1, 2), otlp=True,
    tuning=Tuning(synthetic_calls=calls, flight=10000, max_trace_spans=10000)))
run.start()
while run.wait(1) is None:
    pass
stats = run.stats()
assert (stats.kept, stats.omitted, stats.flown) == (10000, calls - 10000, 0), stats
assert stats.spans == stats.dropped_spans == 0, stats
run.close()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_is_flat() -> None:
    """However many calls there are, of as many parts: the same peak, in KiB."""

    def peak(calls: int) -> int:
        words = [sys.executable, "-c", PEAK, str(calls)]
        return int(subprocess.run(words, check=True, capture_output=True, timeout=300).stdout)

    few, many = (200_000, 5_000_000) if scale.FULL else (100_000, 1_000_000)
    assert peak(many) < 1.05 * peak(few) + 1024
