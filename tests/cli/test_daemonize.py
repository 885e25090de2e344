# SPDX-License-Identifier: MIT
"""`-D`: the process that is started is the command; the tracer is a stranger to it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renacer_otel.exporters.receiver import Receiver
from tests.cli.tool import PATIENCE, RENACER, call_names, renacer, run_program, until

if TYPE_CHECKING:
    from collections.abc import Sequence


def away(*words: str | Path, trace: Path | str = os.devnull, level: str = "-D") -> list[str]:
    """The words that trace a command so, in silence."""
    return [RENACER, level, "-q", "-o", str(trace), *map(str, words), "--"]


def started(words: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def finished(trace: Path) -> str:
    """The whole trace, once the tracer has written it."""
    until(lambda: trace.is_file() and "+++ exited" in trace.read_text())
    return trace.read_text()


def test_it_is_the_process_that_was_started(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    process = started([*away(trace=trace), "sh", "-c", "echo $$ $PPID; exit 7"])
    out, _ = process.communicate(timeout=PATIENCE)
    assert out.split() == [str(process.pid), str(os.getpid())]
    assert process.returncode == 7
    text = finished(trace)
    assert text.splitlines()[0].split("(")[0].split() == [str(process.pid), "execve"]
    assert call_names(text)[-1] == "exit_group"


def test_it_dies_as_it_would() -> None:
    process = started([*away(), "sh", "-c", "kill -TERM $$"])
    process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGTERM


SHOW = (
    "ls -l /proc/self/fd | sed 's/.* \\([0-9]* ->\\)/\\1/; s/[0-9][0-9][0-9][0-9]*//'; env | sort;"
    " umask; ulimit -a; grep -E '^(Sig(Blk|Ign|Cgt)|Cap...|NoNewPrivs|Seccomp|Groups):'"
    " /proc/self/status; pwd; ps -o pgid=,sid= -p $PPID; nproc; cat /proc/self/oom_score_adj;"
    " ps -o ni= -p $$; ps --ppid $$ -o comm=; ps -o pgid= -p $$ | sed 's/^ *'$$'$/own/'"
    " | tr -d 0-9"
)


@pytest.mark.needs("ps", "nproc")
@pytest.mark.parametrize("level", ["-D", "-DD", "-DDD"])
def test_nothing_of_ours_is_about_it(level: str) -> None:
    bare = run_program(["sh", "-c", SHOW])
    seen = run_program([*away(level=level), "sh", "-c", SHOW])
    assert seen == bare


@pytest.mark.parametrize(
    ("level", "group", "session"), [("-D", 0, 0), ("-DD", 1, 0), ("-DDD", 1, 1)]
)
def test_where_the_tracer_is(level: str, group: int, session: int) -> None:
    script = "grep TracerPid /proc/self/status; read x"
    process = started([*away(level=level), "sh", "-c", script])
    try:
        assert process.stdout is not None
        tracer = int(process.stdout.readline().split()[1])
        match = re.search(r"^Tgid:\s*(\d+)$", Path(f"/proc/{tracer}/status").read_text(), re.M)
        assert match
        tracer = int(match[1])
        assert tracer != process.pid
        assert os.getpgid(tracer) == (tracer if group else os.getpgid(process.pid))
        assert os.getsid(tracer) == (tracer if session else os.getsid(process.pid))
        assert {os.readlink(f"/proc/{tracer}/fd/{number}") for number in (0, 1)} == {os.devnull}
    finally:
        process.communicate("\n", timeout=PATIENCE)
    assert process.returncode == 0


def test_a_reader_of_its_output_does_not_wait_for_us() -> None:
    """What it leaves running is traced still when its output has ended."""
    script = "cat >/dev/null 2>&1 <&3 & echo $!"
    reader, writer = os.pipe()
    words = [*away(), "sh", "-c", script.replace("&3", f"/proc/self/fd/{reader}")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, pass_fds=[reader]) as process:
        assert process.stdout is not None
        left = int(process.stdout.read())
        assert process.wait(PATIENCE) == 0
    assert Path(f"/proc/{left}").exists()
    os.close(writer)
    os.close(reader)
    until(lambda: not Path(f"/proc/{left}").exists())


def test_the_end_of_the_tracer_is_its_end() -> None:
    process = started([*away(), "sh", "-c", "grep TracerPid /proc/self/status; read x"])
    assert process.stdout is not None
    os.kill(int(process.stdout.readline().split()[1]), signal.SIGKILL)
    assert process.wait(PATIENCE) == -signal.SIGKILL
    process.communicate()


def test_a_script_without_an_interpreter(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("echo from $1; exit 4\n")
    script.chmod(0o755)
    done = run_program([*away(), str(script), "sh"])
    assert (done.code, done.out) == (4, "from sh\n")


def test_spans_and_context() -> None:
    with Receiver() as receiver:
        done = run_program([RENACER, "-D", "-q", "--otlp-endpoint", receiver.endpoint, "env"])
        until(lambda: any(item.span.name == "renacer-otel run" for item in receiver.spans))
        (process,) = [item.span for item in receiver.spans if item.span.name == "env"]
    (told,) = [line for line in done.out.splitlines() if line.startswith("TRACEPARENT=")]
    assert told.split("-")[1:3] == [process.trace_id.hex(), process.span_id.hex()]


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["nosuchcommand"], 127, "nosuchcommand: no such command"),
        (["/etc"], 126, "/etc: cannot be executed"),
        (["-p", "1"], 125, "-D is for a command alone"),
        (["-p", "1", "true"], 125, "-D is for a command alone"),
        (["--seccomp-bpf", "on", "-e", "trace=open", "true"], 125, "--seccomp-bpf on: with -D"),
    ],
)
def test_what_cannot_be(words: list[str], code: int, error: str) -> None:
    done = renacer("-D", "-q", "-o", os.devnull, *words)
    assert done.code == code
    assert error in done.error


def test_a_tracer_that_cannot_start_says_so() -> None:
    """Here its ring is larger than files may be."""
    words = f"ulimit -f 1; exec {RENACER} -D -o /dev/null -- echo never"
    done = run_program(["sh", "-c", words])
    assert (done.code, done.out) == (125, "")
    assert "ulimit -f" in done.error
