# SPDX-License-Identifier: MIT
"""Too few descriptors, little memory, small files, no /proc: a clear error, or it works. The
command either runs as bare or is not begun.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renacer_otel.exporters.receiver import Receiver
from tests.cli.tool import RENACER, Done, renacer, run_program, until
from tests.exporters.conftest import free_port
from tests.reliability.groups import limited
from tests.scale import some
from tests.sidecar.serving import handed, sidecar, traced

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND = ("--", "sh", "-c", "echo hi; exit 7")
UNSHARE = ["unshare", "--mount"] + ["--map-root-user"] * (os.geteuid() != 0)


def with_limit(which: int, number: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(which, (number, number))


def is_as_bare(done: Done) -> bool:
    """Else it was not begun, and one line says what to do."""
    if (done.code, done.out) == (7, "hi\n"):
        return True
    assert (done.code, done.out) == (125, ""), done
    assert "raise the limit on open files (ulimit -n)" in done.error
    return False


# --- descriptors ------------------------------------------------------------------------------


@pytest.mark.parametrize("way", some("text", "grpc", "spool", of=2))
def test_few_descriptors(tmp_path: Path, way: str) -> None:
    """From too few to begin with to enough for all: in between is no number that does harm."""
    options = ["--otlp-endpoint", f"http://127.0.0.1:{free_port()}", "--flush-timeout", "100ms"]
    if way == "text":
        options = ["-o", str(tmp_path / "text")]
    elif way == "spool":
        options += ["--otlp-protocol", "http/protobuf", "--spool", str(tmp_path / "spool")]
    ran = []
    for number in {"text": (5, 8, 16, 64), "grpc": (9, 16, 64), "spool": (16, 64)}[way]:
        limit = with_limit(resource.RLIMIT_NOFILE, number)
        done = renacer(*options, *COMMAND, preexec_fn=limit)
        ran.append(is_as_bare(done))
        if ran[-1]:
            assert " calls, " in done.lines[-1]
    assert ran == sorted(ran)  # more are never worse
    assert ran[-2:] == [True, True]


def test_a_sidecar_with_too_few_descriptors(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir(mode=0o700)
    for number in (8, 16, 31):
        done = renacer(
            "sidecar", "--listen", tmp_path / "here" / "socket", "--otlp-endpoint", "http://h:1",
            preexec_fn=with_limit(resource.RLIMIT_NOFILE, number),
        )  # fmt: skip
        assert done.code == 125
        assert f"{number} is the limit; raise it (ulimit -n)" in done.error


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_sidecar_whose_descriptors_are_all_taken(tmp_path: Path) -> None:
    """It does not spin on those that it cannot accept, says so, and serves once some are free."""
    limit = with_limit(resource.RLIMIT_NOFILE, 40)
    with Receiver() as server, sidecar(tmp_path, server.endpoint, preexec_fn=limit) as serving:
        assert traced(serving.path, "true").code == 0
        until(lambda: server.totals()["requests"] > 0)
        before = serving.descriptors()
        with ExitStack() as stack:
            for _ in range(60):  # less than one user may have waiting
                peer = stack.enter_context(socket.socket(socket.AF_UNIX))
                peer.connect(str(serving.path))
            until(lambda: serving.descriptors() >= 39)
            begun, used = time.monotonic(), cpu_s(serving.pid)
            until(lambda: time.monotonic() > begun + 1.0)
            assert cpu_s(serving.pid) - used < 0.3
            done = renacer(*COMMAND, env={**os.environ, "RENACER_SIDECAR": str(serving.path)})
            assert (done.code, done.out) == (7, "hi\n")
        until(lambda: serving.descriptors() <= before)
        assert handed(traced(serving.path, "true"))[1] > 5
        ended = serving.end()
    assert ended.code == 0
    assert "raise the limit on open files (ulimit -n)" in ended.err


def test_runs_that_take_the_last_descriptors(tmp_path: Path) -> None:
    """Who comes when there are none left is refused; those that were taken go on to their ends."""
    limit = with_limit(resource.RLIMIT_NOFILE, 40)
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    with (
        Receiver() as server,
        sidecar(tmp_path, server.endpoint, preexec_fn=limit) as serving,
        ExitStack() as stack,
    ):
        assert traced(serving.path, "true").code == 0
        until(lambda: server.totals()["requests"] > 0)
        words = [
            RENACER,
            f"--sidecar={serving.path}",
            "--",
            "sh",
            "-c",
            'read x <"$0"; exit 7',
            str(fifo),
        ]
        running = [
            stack.enter_context(
                subprocess.Popen(words, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
            )
            for _ in range(16)
        ]
        ends: list[int] = []
        gate = os.open(fifo, os.O_RDWR)
        stack.callback(os.close, gate)
        os.write(gate, b"x\n" * 16)
        for process in running:
            _, err = process.communicate(timeout=60)
            ends.append(process.returncode)
            if process.returncode == 125:
                assert b"ulimit -n" in err or b"Too many open files" in err, err
            else:
                assert process.returncode == 7, err
                assert b" 0 lost" in err
        assert 7 in ends
        assert handed(traced(serving.path, "true"))[1] > 5
        assert serving.end().number("lost") == 0


# --- memory and sizes -------------------------------------------------------------------------

MEMORY = 64 << 20


def test_little_memory(tmp_path: Path) -> None:
    with limited("memory", MEMORY) as group, Receiver() as server:
        for options in (["-o", str(tmp_path / "text")], ["--otlp-endpoint", server.endpoint]):
            done = renacer(*options, *COMMAND, preexec_fn=group.enter)
            assert (done.code, done.out) == (7, "hi\n")
            assert done.totals.lost == 0


def test_a_sidecar_with_little_memory(tmp_path: Path) -> None:
    with (
        limited("memory", MEMORY) as group,
        Receiver() as server,
        sidecar(tmp_path, server.endpoint, preexec_fn=group.enter) as serving,
    ):
        for _ in range(5):
            done = traced(serving.path, *COMMAND[1:])
            assert (done.code, done.out) == (7, "hi\n")
        ended = serving.end()
    assert (ended.code, ended.number("runs"), ended.number("lost")) == (0, 5, 0)


def test_files_may_not_grow(tmp_path: Path) -> None:
    """A spool on which a limit on files lies: as on a full disk; the ring has its own size."""
    made = "i=0; while [ $i -lt 900 ]; do echo >/dev/null; i=$((i+1)); done; echo hi; exit 7"
    done = renacer(
        "--otlp-endpoint", f"http://127.0.0.1:{free_port()}", "--flush-timeout", "100ms",
        "--spool", tmp_path / "spool", "--ring-size", "512KiB", "--fold", "off",
        "--", "sh", "-c", made,
        preexec_fn=with_limit(resource.RLIMIT_FSIZE, 600 << 10), cwd=tmp_path,
        env={**os.environ, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "200"},
    )  # fmt: skip
    assert (done.code, done.out) == (7, "hi\n")
    totals = done.totals
    assert totals.spooled > 0
    assert totals.lost > 0
    assert totals.spooled + totals.lost == totals.calls + 2
    assert "File too large" in done.err
    assert all(each.stat().st_size <= 600 << 10 for each in (tmp_path / "spool").iterdir())
    assert not list(tmp_path.glob("core*"))


def test_nothing_may_be_locked(tmp_path: Path) -> None:
    limit = with_limit(resource.RLIMIT_MEMLOCK, 0)
    done = renacer("-o", tmp_path / "text", *COMMAND, preexec_fn=limit)
    assert (done.code, done.out) == (7, "hi\n")


# --- what a container may lack ----------------------------------------------------------------


@pytest.mark.needs("unshare", "mount")
@pytest.mark.parametrize("lacks", ["/proc", "/dev/shm"])
@pytest.mark.parametrize("way", some("sidecar", "text", "grpc", of=1))
def test_without_a_file_system(tmp_path: Path, lacks: str, way: str) -> None:
    hidden = [*UNSHARE, "sh", "-c", f'mount -t tmpfs -o ro none {lacks} && exec "$@"', "sh"]
    tried = run_program([*hidden, "true"])
    if tried.code:
        pytest.skip(f"needs a mount namespace: {tried.err.strip()}")
    with ExitStack() as stack:
        server = stack.enter_context(Receiver())
        options = ["-o", str(tmp_path / "text")]
        if way == "grpc":
            options = ["--otlp-endpoint", server.endpoint]
        elif way == "sidecar":
            serving = stack.enter_context(sidecar(tmp_path, server.endpoint))
            options = [f"--sidecar={serving.path}"]
        done = run_program([*hidden, RENACER, *options, *COMMAND])
        if way == "sidecar":
            assert serving.end().number("lost") == 0
        names = [each.span.name for each in server.spans]
    if done.code == 125 and lacks == "/proc" and way == "sidecar":
        assert done.error  # one line
        return
    assert (done.code, done.out) == (7, "hi\n"), done.err
    assert ", 0 lost" in done.lines[-1]
    if way == "text":
        assert "exit_group(7)" in (tmp_path / "text").read_text()
    else:
        assert {"renacer-otel run", "execve", "exit_group"} <= {*names}


def test_no_core_is_left(tmp_path: Path) -> None:
    """The command's death is shown to our caller as its own; the core is the command's."""
    done = renacer("-q", "-o", "/dev/null", "--", "sh", "-c", "kill -SEGV $$", cwd=tmp_path)
    assert done.code == -signal.SIGSEGV
    assert len(list(tmp_path.glob("core*"))) <= 1
