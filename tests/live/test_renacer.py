# SPDX-License-Identifier: MIT
"""Every system call of a traced command arrives in a real Jaeger as a span.

The same run writes a record file; an interpreter of our own (oracle.py) says what Jaeger
must hold, span by span.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from renacer_otel.ring import trace_file
from tests.live.compare import check_page, check_spans
from tests.live.jaeger_api import read_page, read_trace
from tests.live.traced import environment, trace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.backend import Collector, Jaeger
    from tests.live.oracle import Oracle
    from tests.live.traced import Run

pytestmark = pytest.mark.live

PIPELINE = "printf 'b\\na\\nc\\n' | sort | tail -n 1"
# A shell, four shells of its, four programs of each of those: 21 processes.
TREE = (
    "for i in 1 2 3 4; do sh -c 'for j in 1 2 3 4; do /bin/true \"$j\" & done; wait' & done; wait"
)
# A failing call that is no routine, a signal, and a call that never returns.
KILLED = "cat / 2>/dev/null; sh -c 'kill -9 $$'; exit 3"


def check_in_jaeger(jaeger: Jaeger, run: Run, program: str) -> Oracle:
    """Asserts that Jaeger holds the run of `program`, whole and alone in its trace."""
    trace_id = trace_file.read(run.file).metadata["trace_id"]
    spans = read_trace(jaeger.query_port, trace_id)
    oracle = check_spans(spans, run.file)
    assert spans[0].resource["service.name"] == os.path.basename(program)
    check_page(read_page(jaeger.query_port, trace_id), spans)
    (command,) = [span for span in spans if span.attributes.get("process.parent_pid") == run.pid]
    path = os.path.realpath(shutil.which(program) or program)
    assert command.attributes["process.executable.path"] == path
    assert command.name == os.path.basename(path)
    assert oracle.totals["calls"] + oracle.totals["processes"] + 1 == len(spans)
    return oracle


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with a file that was staged and then changed."""
    git = shutil.which("git")
    assert git is not None, "git is needed"
    folder = tmp_path / "repository"
    folder.mkdir()
    file = folder / "staged file"
    for text, command in (("", ["init", "--quiet"]), ("old\n", ["add", "."])):
        file.write_text(text, encoding="utf-8")
        subprocess.run([git, *command], cwd=folder, env=environment(), check=True)
    file.write_text("changed\n", encoding="utf-8")
    return folder


def test_git_status(jaeger: Jaeger, repository: Path) -> None:
    run = trace(repository, ["git", "status", "--short"], port=jaeger.otlp_port)
    assert run.status == 0, run.errors
    assert 'AM "staged file"\n' in run.output
    oracle = check_in_jaeger(jaeger, run, "git")
    assert oracle.totals["calls"] > 50
    paths = {span.attributes.get("file.path") for span in oracle.spans.values()}
    assert "staged file" in paths


def test_a_shell_pipeline(jaeger: Jaeger, tmp_path: Path) -> None:
    run = trace(tmp_path, ["sh", "-c", PIPELINE], port=jaeger.otlp_port)
    assert (run.status, run.output) == (0, "c\n"), run.errors
    oracle = check_in_jaeger(jaeger, run, "sh")
    names = sorted(span.name for span in oracle.spans.values() if "process.pid" in span.attributes)
    assert [name for name in names if name in ("sort", "tail")] == ["sort", "tail"]


def test_a_tree_of_processes(jaeger: Jaeger, tmp_path: Path) -> None:
    run = trace(tmp_path, ["sh", "-c", TREE], port=jaeger.otlp_port)
    assert run.status == 0, run.errors
    oracle = check_in_jaeger(jaeger, run, "sh")
    processes = [span for span in oracle.spans.values() if "process.pid" in span.attributes]
    assert len(processes) == 21
    assert len({span.attributes["process.pid"] for span in processes}) == 21


def test_errors_signals_and_calls_without_an_end(jaeger: Jaeger, tmp_path: Path) -> None:
    run = trace(tmp_path, ["sh", "-c", KILLED], port=jaeger.otlp_port)
    assert run.status == 3, run.errors
    oracle = check_in_jaeger(jaeger, run, "sh")
    failed = {
        (span.name, span.attributes["error.type"]) for span in oracle.spans.values() if span.error
    }
    shell = os.path.basename(os.path.realpath(shutil.which("sh") or ""))
    assert {("read", "EISDIR"), ("cat", "1"), (shell, "SIGKILL"), (shell, "3")} <= failed
    (kill,) = [span for span in oracle.spans.values() if span.name == "kill"]
    assert kill.attributes["renacer.unfinished"] is True
    assert oracle.totals["signals"] > 0


def test_threads(jaeger: Jaeger, tmp_path: Path) -> None:
    program = (
        "import os, threading\n"
        "threads = [threading.Thread(target=os.getppid) for _ in range(3)]\n"
        "[thread.start() for thread in threads]\n"
        "[thread.join() for thread in threads]\n"
    )
    run = trace(tmp_path, [sys.executable, "-I", "-S", "-c", program], port=jaeger.otlp_port)
    assert run.status == 0, run.errors
    oracle = check_in_jaeger(jaeger, run, sys.executable)
    callers = {
        span.attributes["syscall.tid"] for span in oracle.spans.values() if span.name == "getppid"
    }
    assert len(callers) == 3
    assert oracle.totals["processes"] == 1
    assert oracle.totals["threads"] == 4


@pytest.mark.parametrize("command", [["git", "status"], ["sh", "-c", PIPELINE], ["sh", "-c", TREE]])
def test_through_the_collector(
    jaeger: Jaeger, collector: Collector, repository: Path, command: list[str]
) -> None:
    run = trace(repository, command, port=collector.otlp_port)
    assert run.status == 0, run.errors
    collector.stop()
    check_in_jaeger(jaeger, run, command[0])
