# SPDX-License-Identifier: MIT
"""`-p` and `attach` as a user meets them: who is found, what is told, how it ends."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.tool import PATIENCE, RENACER, call_names, renacer, run_program, started, until

if TYPE_CHECKING:
    from collections.abc import Iterator

# Writes a dot for each byte that it reads.
DOTS = (
    "import os, sys\n"
    "os.write(1, b'ready\\n')\n"
    "while os.read(0, 1):\n"
    "    os.getppid()\n"
    "    os.write(1, b'.')\n"
)


@contextmanager
def dots(*words: str, **how: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits for input; `words` stand on its command line."""
    with subprocess.Popen(
        [sys.executable, "-ISc", DOTS, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        **how,  # type: ignore[call-overload]
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.kill()


def dot(process: subprocess.Popen[bytes]) -> None:
    """Has it do its work once."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"x")
    process.stdin.flush()
    assert process.stdout.read(1) == b"."


def wait_for_attach(tracer: subprocess.Popen[str]) -> str:
    assert tracer.stderr is not None
    line = tracer.stderr.readline()
    assert line.startswith("renacer-otel: attached to "), line
    return line


FORMS = [
    ["-p", "{0}", "-p", "{1}"],
    ["-p", "{0},{1}"],
    ["-p{0} {1}"],
    ["--attach={0},{1}"],
    ["attach", "{0}", "{1}"],
    ["attach", "{0},{1}"],
    ["attach", "-p", "{0}", "{1}"],
    ["attach", "--name", "two-of-{2}"],
    ["--name=ready.*two-of-{2}"],
]


@pytest.mark.parametrize("form", FORMS, ids=" ".join)
def test_forms(form: list[str], tmp_path: Path) -> None:
    """All ways to say the same; options may come last behind `attach`."""
    mark = tmp_path.name
    trace = tmp_path / "trace"
    with dots(f"two-of-{mark}") as one, dots(f"two-of-{mark}") as two:
        words = [word.format(one.pid, two.pid, mark) for word in form]
        with started(*words, "-o", trace) as tracer:
            line = wait_for_attach(tracer)
            assert f"{one.pid} (" in line
            assert f"{two.pid} (" in line
            dot(one)
            dot(two)
            tracer.terminate()
            assert tracer.wait(PATIENCE) == 143
            assert tracer.stderr is not None
            assert "attached to 2 processes, " in tracer.stderr.read()
        dot(one)
        dot(two)
    lines = trace.read_text().splitlines()
    for pid in (one.pid, two.pid):
        mine = "\n".join(line for line in lines if line.startswith(f"{pid} "))
        assert "getppid" in call_names(mine)
        assert mine.endswith("<detached ...>")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_detached_by_a_signal(number: int) -> None:
    with dots() as process, started("-p", str(process.pid), "-o", os.devnull) as tracer:
        wait_for_attach(tracer)
        tracer.send_signal(number)
        assert tracer.wait(PATIENCE) == 128 + number
        dot(process)


def test_a_key_that_stops_jobs_does_not_stop_us() -> None:
    with dots() as process, started("-p", str(process.pid), "-o", os.devnull) as tracer:
        wait_for_attach(tracer)
        tracer.send_signal(signal.SIGTSTP)
        dot(process)
        tracer.send_signal(signal.SIGINT)
        assert tracer.wait(PATIENCE) == 130


def test_for_a_while() -> None:
    with dots() as process:
        since = time.monotonic()
        done = renacer("attach", str(process.pid), "--for", "300ms", "-o", os.devnull)
        assert done.code == 0
        assert time.monotonic() - since >= 0.3
        assert "attached to 1 process, " in done.lines[-1]
        dot(process)


def test_text_goes_to_standard_error() -> None:
    with dots() as process:
        with started("-p", str(process.pid)) as tracer:
            wait_for_attach(tracer)
            dot(process)
            tracer.terminate()
            _, text = tracer.communicate(timeout=PATIENCE)
        assert re.search(r"^getppid\(\) += \d+$", text, re.MULTILINE)


def test_quiet_says_nothing() -> None:
    with dots() as process:
        done = renacer("-q", "-p", str(process.pid), "--for", "1ms", "-o", os.devnull)
    assert (done.code, done.out, done.err) == (0, "", "")


# --- who cannot be attached to ------------------------------------------------------------------


def test_nobody_by_that_id() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    done = renacer("-p", str(process.pid))
    assert done.code == 125
    assert done.error == f"there is no process {process.pid}; it may have ended"


def test_one_of_two_is_enough() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    with dots() as process:
        pids = f"{gone.pid},{process.pid}"
        done = renacer("-p", pids, "--for", "1ms", "-o", os.devnull)
        assert done.code == 0
        assert done.lines[0] == (
            f"renacer-otel: warning: there is no process {gone.pid}; it may have ended"
        )
        assert done.lines[1].startswith(f"renacer-otel: attached to {process.pid} (")


def test_a_zombie() -> None:
    process = subprocess.Popen(["true"])
    until(lambda: Path(f"/proc/{process.pid}/stat").read_text().split()[2] == "Z")
    done = renacer("-p", str(process.pid))
    process.wait()
    assert done.code == 125
    assert f"{process.pid} (true) has ended already; its parent {os.getpid()} (" in done.error


def test_one_that_is_traced_already() -> None:
    with dots() as process, started("-p", str(process.pid), "-o", os.devnull) as first:
        wait_for_attach(first)
        done = renacer("-p", str(process.pid))
        assert done.code == 125
        assert f" is traced by {first.pid} (" in done.error
        dot(process)
        first.terminate()
        assert first.wait(PATIENCE) == 143
        dot(process)


@pytest.mark.needs("strace")
def test_one_that_strace_traces() -> None:
    with dots() as process:
        words = ["strace", "-f", "-o", os.devnull, "-p", str(process.pid)]
        with subprocess.Popen(words, stderr=subprocess.PIPE) as first:
            assert first.stderr is not None
            assert b"attached" in first.stderr.readline()
            done = renacer("-p", str(process.pid))
            first.terminate()
        assert done.code == 125
        assert f" is traced by {first.pid} (strace) already" in done.error
        dot(process)


@pytest.mark.needs("setpriv")
def test_another_user_s() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to be two users")
    nobody = ["setpriv", "--reuid", "65534", "--clear-groups", RENACER]
    if run_program([*nobody, "--version"]).code != 0:
        pytest.skip("needs an installation that every user can read")
    with dots() as process:
        done = run_program([*nobody, "-p", str(process.pid)], cwd="/")
        dot(process)
    assert done.code == 125
    assert "belongs to user root; run renacer-otel as that user, or as root" in done.error


PF_KTHREAD = 0x200000  # include/linux/sched.h; proc_pid_stat(5), flags


def test_a_thread_of_the_kernel() -> None:
    kernel = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # of a process that has just ended
            if int(path.read_text().rpartition(")")[2].split()[6]) & PF_KTHREAD:
                kernel.append(int(path.parent.name))
    if not kernel:
        pytest.skip("needs a view of the kernel's threads")
    # Some of them come and go; those that are there from the start stay.
    done = renacer("-p", str(min(kernel)))
    assert done.code == 125
    assert "is a thread of the kernel; those make no system calls" in done.error


def test_those_that_wait_for_us() -> None:
    done = renacer("-p", str(os.getpid()))
    assert done.code == 125
    assert f"{os.getpid()} (" in done.error
    assert "started renacer-otel, and waits for it" in done.error
    # Through exec the number of the shell is our own.
    done = run_program(["sh", "-c", f"exec {RENACER} -p $$"])
    assert done.code == 125
    assert "is renacer-otel itself" in done.error


def test_a_name_is_never_our_own() -> None:
    """The pattern stands on our command line, and on that of the shell that started us."""
    done = run_program(["sh", "-c", f"{RENACER} --name nobody-is-called-like-this; exit $?"])
    assert done.code == 125
    assert "no process matches 'nobody-is-called-like-this'" in done.error


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["-p", "x"], "'x' is not a process id"),
        (["-p", ""], "'' is not a process id"),
        (["-p", "0"], "'0' is not a process id"),
        (["-p", "-1"], "'-1' is not a process id"),
        (["-p", "99999999999999999999"], "there is no process 99999999999999999999"),
        (["attach", "sh"], "attach: 'sh' is not a process id"),
        (["attach"], "no process to attach to"),
        (["attach", "--name", "("], "is no regular expression"),
        (["attach", "--name", ""], "the pattern is empty"),
        (["attach", "--cgroup", "no/such/group"], "there is no such control group"),
        (["attach", "--cgroup", "/etc"], "there is no such control group"),
        (["attach", "1", "--for", "soon"], "--for"),
        (["attach", "1", "--for", "-1s"], "--for"),
        (["attach", "1", "--nane", "x"], "--nane"),
    ],
)
def test_wrong_words(words: list[str], error: str) -> None:
    done = renacer(*words)
    assert done.code == 125
    assert error in done.error


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """An empty control group; its processes are moved out again at the end."""
    tops = [Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup/pids")]
    for top in tops:
        if (top / "cgroup.procs").is_file() and os.access(top, os.W_OK):
            break
    else:
        pytest.skip("needs control groups that can be written")
    folder = Path(tempfile.mkdtemp(prefix="renacer-", dir=top))
    below = folder / "below"
    below.mkdir()
    yield folder
    for group in (below, folder):
        for pid in (group / "cgroup.procs").read_text().split():
            (top / "cgroup.procs").write_text(pid)
        group.rmdir()


def test_a_control_group(cgroup: Path, tmp_path: Path) -> None:
    done = renacer("attach", "--cgroup", str(cgroup))
    assert done.code == 125
    assert "there is no process in it" in done.error
    trace = tmp_path / "trace"
    with dots() as one, dots() as two, dots() as other:
        (cgroup / "cgroup.procs").write_text(str(one.pid))
        (cgroup / "below" / "cgroup.procs").write_text(str(two.pid))
        path = str(cgroup).removeprefix("/sys/fs/cgroup/")
        with started("attach", "--cgroup", path, "-o", trace) as tracer:
            line = wait_for_attach(tracer)
            for process in (one, two, other):
                dot(process)
            tracer.terminate()
            assert tracer.wait(PATIENCE) == 143
    assert {int(pid) for pid in re.findall(r"(\d+) \(", line)} == {one.pid, two.pid}
    seen = {line.split()[0] for line in trace.read_text().splitlines()}
    assert seen == {str(one.pid), str(two.pid)}


# --- what is told of it -------------------------------------------------------------------------


def test_the_help() -> None:
    done = renacer("attach", "--help")
    assert done.code == 0
    assert done.out.startswith("usage: renacer-otel attach [OPTION...] [PID...]")
    assert "--cgroup" in done.out


@pytest.mark.skipif(shutil.which("pgrep") is None, reason="needs pgrep")
def test_a_name_means_what_pgrep_means(tmp_path: Path) -> None:
    mark = tmp_path.name
    with dots(mark, "a b") as one, dots(mark, "c") as two:
        for pattern in (f"{mark} a b$", f"{mark}.*c", mark):
            found = subprocess.run(["pgrep", "-f", "--", pattern], capture_output=True, check=True)
            pids = {int(word) for word in found.stdout.split()} - {os.getpid()}
            done = renacer("attach", "--name", pattern, "--for", "1ms", "-o", os.devnull)
            told = {int(pid) for pid in re.findall(r"(\d+) \(", done.lines[0])}
            assert told == pids & {one.pid, two.pid}
