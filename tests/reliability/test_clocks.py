# SPDX-License-Identifier: MIT
"""The wall clock is stepped while we run: by an hour either way, beyond 2038, to 1970."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from renacer_otel.exporters.receiver import Receiver, Reply
from tests.cli.tool import environ, renacer, started, until
from tests.exporters.http_server import HttpCollector
from tests.exporters.http_server import Reply as HttpReply
from tests.reliability.clock import HOUR, SECOND, Clock, ahead_of
from tests.scale import FULL, some
from tests.sidecar.serving import sidecar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

NAP_NS = 20_000_000
Y2040, Y1970 = 2_208_988_800, 0.5
# Steps the clock of who traces it, and sleeps after each step.
COMMAND = (
    "import os, struct, sys, time\n"
    "clock = os.open(sys.argv[1], os.O_WRONLY)\n"
    "for ahead in map(int, sys.argv[2:]):\n"
    "    os.pwrite(clock, struct.pack('q', ahead), 0)\n"
    f"    time.sleep({NAP_NS / 1e9})\n"
    "    os.getppid()\n"
)


@pytest.fixture
def clock(tmp_path: Path, shared_folder: Path) -> Clock:
    return Clock(tmp_path, shared_folder)


def steps() -> list[int]:
    """By how much the clock is ahead, in turn; once, or 20 times."""
    turn = [0, HOUR, -HOUR, ahead_of(Y2040), 0, ahead_of(Y1970), HOUR]
    return turn * (20 if FULL else 1)


def command(clock: Clock, ahead: Sequence[int]) -> list[str]:
    # The command has the machine's clock: what it does is the same as untraced.
    return ["-E", "LD_PRELOAD", "--", sys.executable, "-ISc", COMMAND,
            str(clock.path), *map(str, ahead)]  # fmt: skip


def attributes(span: Span) -> dict[str, Any]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value")
        for each in span.attributes
    }


def check(spans: Sequence[Span], naps: int, begun: int, ended: int) -> None:
    """`begun`, `ended`: by the clock that the run began with, ns."""
    slept = []
    threads: dict[int, list[tuple[int, int, int, int]]] = {}
    for span in spans:
        start, end, more = span.start_time_unix_nano, span.end_time_unix_nano, attributes(span)
        assert begun <= start <= end <= ended, (span.name, start - begun, end - ended)
        lamport = more["renacer.lamport.start"], more["renacer.lamport.end"]
        assert lamport[0] <= lamport[1]
        if "syscall.name" in more:
            threads.setdefault(more["syscall.tid"], []).append((start, end, *lamport))
        if span.name == "clock_nanosleep":
            slept.append(end - start)
    assert len(slept) == naps
    assert min(slept) > NAP_NS / 2  # its entry may be heard of late
    assert sum(slept) < ended - begun
    for calls in threads.values():
        for one, next_ in itertools.pairwise(sorted(calls)):
            assert one[1] <= next_[0]
            assert one[3] < next_[2]


@pytest.mark.parametrize("way", some("grpc", "sidecar", "http/protobuf", "spool", of=2))
def test_steps_tear_no_trace(tmp_path: Path, clock: Clock, way: str) -> None:
    ahead = steps()
    words = ["--fold", "off", *command(clock, ahead)]
    server = HttpCollector() if way == "http/protobuf" else Receiver()
    with server:
        options = ["--otlp-endpoint", server.endpoint]
        begun = time.time_ns()
        if way == "sidecar":
            with sidecar(tmp_path, server.endpoint, env=clock.environ) as serving:
                done = renacer(f"--sidecar={serving.path}", *words, env=clock.environ)
                assert serving.end().number("lost") == 0
        else:
            options += ["--spool", str(tmp_path / "spool")] if way == "spool" else []
            options += ["--otlp-protocol", "grpc" if way == "spool" else way]
            done = renacer(*options, *words, env=clock.environ)
            assert done.totals.lost == 0
        ended = time.time_ns()
        # The receiver's have their resource beside them.
        spans: list[Span] = [getattr(each, "span", each) for each in list[Any](server.spans)]
    assert done.code == 0
    check(spans, len(ahead), begun - 2 * SECOND, ended + 2 * SECOND)


@pytest.mark.parametrize("at", [Y2040, Y1970], ids=["2040", "1970"])
def test_a_run_that_begins_at_an_odd_time(clock: Clock, at: float) -> None:
    """In 1970 even what is older than the epoch has a time that is none before its end."""
    with Receiver() as server:
        clock.set(at)
        begun = time.monotonic()
        done = renacer("--otlp-endpoint", server.endpoint, *command(clock, [0, 0]),
                       env=clock.environ)  # fmt: skip
        took = int((time.monotonic() - begun + 5) * SECOND)
        spans = [each.span for each in server.spans]
    assert done.code == 0
    assert done.totals.lost == 0
    check(spans, 2, max(0, int(at * SECOND) - 5 * SECOND), int(at * SECOND) + took)


def test_attached_to_what_is_older_than_its_clock(clock: Clock) -> None:
    born = time.monotonic()
    with Receiver() as server:
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as cat:
            until(lambda: time.monotonic() > born + 1.5)
            clock.set(0.01)  # the tracer has begun a second later, and the cat before that
            with started("-p", str(cat.pid), "--otlp-endpoint", server.endpoint,
                         env=clock.environ) as tracer:  # fmt: skip
                assert tracer.stderr is not None
                assert "attached" in tracer.stderr.readline()
                cat.communicate(b"x" * 10)
                _, err = tracer.communicate(timeout=60)
        assert tracer.returncode == 0, err
        spans = [each.span for each in server.spans]
    assert {span.name for span in spans} >= {"cat", "read", "renacer-otel run"}
    for span in spans:
        assert span.start_time_unix_nano <= span.end_time_unix_nano < HOUR, span


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_who_waits_is_not_moved(clock: Clock, protocol: str) -> None:
    """A wait that the collector asked for, and the time limit of an attempt that hangs."""
    wait = 1.0
    server: Any
    if protocol == "grpc":
        server = Receiver(
            script=[Reply("UNAVAILABLE", retry_after=wait)] * 2 + [Reply(hang=True, keep=True)]
        )
    else:
        refusal = HttpReply(503, b"", "text/plain", (("Retry-After", "1"),))
        server = HttpCollector([refusal] * 2 + [HttpReply(hang=True)])

    def times() -> list[float]:
        return [each.at for each in (server.calls if protocol == "grpc" else server.requests)]

    with server, started(
        "--otlp-endpoint", server.endpoint, "--otlp-protocol", protocol, "--otlp-timeout", "1s",
        "--flush-timeout", "40s", "--", "true", env=clock.environ,
    ) as tracer:  # fmt: skip
        for count, ahead in enumerate([HOUR, -HOUR, ahead_of(Y2040)], 1):
            end = time.monotonic() + 30
            while len(times()) < count:
                assert time.monotonic() < end
                time.sleep(0.005)
            clock.step(ahead)
        _, err = tracer.communicate(timeout=60)
        at = times()
    assert tracer.returncode == 0
    assert " 0 lost" in err
    assert len(at) == 4
    waited = [later - earlier for earlier, later in itertools.pairwise(at)]
    # As asked for, then as asked for, then 1 s of an attempt and a random part of a second or two.
    assert wait <= waited[0] < wait + 3
    assert wait <= waited[1] < wait + 3
    assert 0.9 < waited[2] < 10


def test_without_the_steps_the_command_is_as_bare(clock: Clock) -> None:
    """The clock that we step is ours alone: what shows that these tests step it at all."""
    show = [sys.executable, "-ISc", "import time; print(int(time.time()) // 3600)"]
    clock.step(1000 * HOUR)
    ours = renacer("-q", "-o", "/dev/null", "-E", "LD_PRELOAD", "--", *show, env=clock.environ)
    preloaded = renacer("-q", "-o", "/dev/null", "--", *show, env=clock.environ)
    bare = renacer("-q", "-o", "/dev/null", "--", *show, env=environ())
    assert 0 <= int(ours.out) - int(bare.out) <= 1
    assert int(preloaded.out) - int(bare.out) >= 1000
