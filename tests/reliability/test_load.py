# SPDX-License-Identifier: MIT
"""A fork bomb, very many processes and threads, very many runs: no end is lost, nobody is left."""

from __future__ import annotations

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from renacer_otel.exporters.receiver import Receiver
from tests.cli.tool import RENACER, read_totals, renacer, until
from tests.compiling import compiled_once
from tests.reliability.groups import limited
from tests.scale import FULL
from tests.sidecar.serving import sidecar, traced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

MOST_BOMB = 2000 if FULL else 150
FORKS = 10_000 if FULL else 1000
ALIVE = 1000 if FULL else 300
THREADS = 2000 if FULL else 500
RUNS = 100 if FULL else 12
A_THREAD_KB = 10


@pytest.fixture(scope="session")
def crowd(shared_folder: Path) -> Path:
    return compiled_once(shared_folder / "crowd", Path(__file__).with_name("crowd.c"))


def processes(spans: Sequence[Span]) -> list[dict[str, Any]]:
    """Attributes of the spans of processes."""
    found = [
        {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "") for pair in
         span.attributes}
        for span in spans
    ]  # fmt: skip
    return [each for each in found if "process.parent_pid" in each and "syscall.name" not in each]


def resident_kb(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", text)[1])  # type: ignore[index]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("within", ["command", "all"])
def test_a_fork_bomb(crowd: Path, within: str) -> None:
    """Of the command alone, and of the tracer with it, whose threads then find no room, either."""
    words = [str(crowd), "bomb", "0"]
    with limited("pids", MOST_BOMB) as group, Receiver() as server:
        options = ["--otlp-endpoint", server.endpoint, "--spans", "process"]
        if within == "command":
            enter = ["sh", "-c", f'echo 0 >"{group.folder}/cgroup.procs"; exec "$@"', "sh"]
            done = renacer(*options, "--", *enter, *words)
        else:
            done = renacer(*options, "--", *words, preexec_fn=group.enter)
        assert done.code == 7, done.err
        made = int(done.out.split()[0])
        assert done.out == f"{made} made, 0 wrong, 3\n"
        assert MOST_BOMB - 20 < made <= MOST_BOMB
        assert group.pids() == []
        spans = [each.span for each in server.spans]
    totals = done.totals
    assert totals.sent is not None
    if within == "command":
        assert totals.lost == 0
    if totals.lost == 0:
        ends = [each.get("process.exit.code") for each in processes(spans)]
        assert ends.count(3) == made - 1
        assert ends.count(7) == 1
        assert len(ends) == made


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("part", "number"), [("forks", FORKS), ("alive", ALIVE)])
def test_many_processes(crowd: Path, part: str, number: int) -> None:
    with limited("pids", 20_000) as group, Receiver() as server:
        done = renacer(
            "--otlp-endpoint", server.endpoint, "--spans", "process", "--",
            crowd, part, str(number), preexec_fn=group.enter, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert group.pids() == []
        spans = [each.span for each in server.spans]
    assert (done.code, done.out.split("\n")[-2]) == (7, f"{number} right")
    assert done.totals.lost == 0
    ends = sorted(each["process.exit.code"] for each in processes(spans))
    assert ends == sorted([7, *(n % 128 for n in range(number))])


def of_threads(crowd: Path, number: int, calls: int) -> tuple[int, float]:
    """(kB of the tracer with so many threads, seconds of its CPU in all)."""
    with subprocess.Popen(
        [RENACER, "-o", "/dev/null", "--", crowd, "threads", str(number)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as tracer:  # fmt: skip
        assert tracer.stdout is not None
        assert tracer.stdout.readline() == "up\n"
        resident = resident_kb(tracer.pid)
        out, err = tracer.communicate(f"{calls}\n", timeout=120)
    assert (tracer.returncode, out) == (7, f"{number} right\n")
    totals = read_totals(err.splitlines()[-1])
    assert totals.lost == 0
    assert totals.calls > number * 2 + calls
    share = int(re.search(r"tracer (\d+) %", err)[1]) / 100  # type: ignore[index]
    return resident, share * totals.wall


@pytest.mark.timeout(600)
def test_many_threads(crowd: Path) -> None:
    """Memory for each, and no search through all of them at each call."""
    calls = 10_000
    few, _ = of_threads(crowd, 50, 0)
    many, idle = of_threads(crowd, THREADS, 0)
    assert many - few < A_THREAD_KB * (THREADS - 50)
    _, alone = of_threads(crowd, 10, calls)
    _, busy = of_threads(crowd, THREADS, calls)
    assert busy - idle < 3 * alone + 0.2


@pytest.mark.timeout(600)
def test_many_runs_on_one_sidecar(tmp_path: Path) -> None:
    with Receiver() as server, sidecar(tmp_path, server.endpoint) as serving:
        assert traced(serving.path, "true").code == 0  # it has imported all that it needs
        until(lambda: server.totals()["requests"] > 0)
        before = serving.descriptors()

        def run(number: int) -> tuple[int, str, int]:
            done = traced(serving.path, "sh", "-c", f"echo {number}; exit {number}")
            assert ", 0 lost; " in done.lines[-1], done.err
            return done.code, done.out, number

        with ThreadPoolExecutor(8) as pool:
            for code, out, number in pool.map(run, range(1, RUNS + 1)):
                assert (code, out) == (number, f"{number}\n")
        until(lambda: serving.descriptors() <= before)
        assert serving.resident() < 100 << 20
        ended = serving.end()
        spans = [each.span for each in server.spans]
    assert ended.code == 0
    assert ended.number("runs") == RUNS + 1
    assert ended.number("lost") == 0
    ends = sorted(each["process.exit.code"] for each in processes(spans))
    assert ends == [0, *range(1, RUNS + 1)]
