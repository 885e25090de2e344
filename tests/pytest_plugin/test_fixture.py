# SPDX-License-Identifier: MIT
"""The fixture syscall_trace: a command runs as subprocess would run it, and what it did is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renacer_otel.exporters.receiver import Receiver

if TYPE_CHECKING:
    from renacer_otel.testing.traced import Tracer

WORK = """
mkdir made; cd made; echo one > first; mv first second; ln -s second link; chmod 600 second
cat < second; rm link; cd ..; echo told >&2; cat absent 2>/dev/null; exit 3
"""


def test_what_a_command_did(syscall_trace: Tracer, tmp_path: Path) -> None:
    run = syscall_trace(["sh", "-c", WORK], cwd=tmp_path)
    assert (run.exit_code, run.returncode, run.stdout, run.stderr) == (3, 3, b"one\n", b"told\n")
    assert (run.outlines, run.errlines) == (["one"], ["told"])
    made = [str(tmp_path / "made" / name) for name in ("first", "link", "second")]
    written = [path for path in run.files_written if path != "/dev/null"]
    assert written == [str(tmp_path / "made"), *made]
    assert made[2] in run.files_read
    assert made[1] not in run.files_read
    assert run.errors["openat", "ENOENT"] >= 1
    assert run.calls["execve"] >= 5
    assert run.call_count == len(run.columns.calls) == sum(run.calls.values())
    assert run.calls.most_common(1)[0][1] > 1
    first, *others = run.processes
    assert (first.exit_code, first.name) == (3, os.path.basename(os.path.realpath("/bin/sh")))
    names = {each.name: each.exit_code for each in others}
    assert names["mv"] == 0
    assert names["cat"] == 1
    assert all(each.parent_pid == first.pid for each in others)
    assert run.peers == ()
    assert run.duration_ms > 0
    assert (run.path.suffix, run.lacks, run.messages) == (".renacer", "", ())
    assert "exited with 3" in repr(run)
    assert "told" in repr(run)
    assert syscall_trace.runs == [run]


NAMES = """
import os, sys
folder = os.open("there", os.O_RDONLY)
copy = os.dup(folder)
os.close(os.open("a", os.O_WRONLY | os.O_CREAT, dir_fd=folder))
os.rename("a", "b", src_dir_fd=copy, dst_dir_fd=folder)
os.link("b", "../c", src_dir_fd=folder, dst_dir_fd=copy)
os.symlink("nowhere", "d", dir_fd=folder)
if os.fork() == 0:
    os.fchdir(folder)
    os.mkdir("e")
    if os.fork() == 0:
        os.truncate("b", 1)
        os._exit(0)
    os.wait()
    os._exit(0)
os.wait()
os.unlink("through/d")
os.close(os.open("through/b", os.O_RDWR))
os.close(os.open("only-looked-at", os.O_RDONLY))
"""


def test_names_are_followed(syscall_trace: Tracer, tmp_path: Path) -> None:
    """From folders that are held open, changed to, inherited, or reached through a link."""
    (tmp_path / "there").mkdir()
    (tmp_path / "through").symlink_to("there")
    (tmp_path / "only-looked-at").touch()
    run = syscall_trace([sys.executable, "-I", "-B", "-S", "-c", NAMES], cwd=tmp_path, check=True)
    there = tmp_path / "there"
    wanted = [tmp_path / "c", *(there / name for name in ("a", "b", "d", "e"))]
    assert list(run.files_written) == [str(path) for path in wanted]
    assert str(tmp_path / "only-looked-at") in run.files_read
    assert str(there / "b") in run.files_read


def test_the_environment_is_what_was_given(syscall_trace: Tracer) -> None:
    given = {"A": "1", "PATH": os.environ["PATH"], "LIST": "x\ny", "PYTHONHOME": "/nowhere"}
    run = syscall_trace(["env", "-0"], env=given)
    assert run.exit_code == 0
    assert dict(line.split("=", 1) for line in run.stdout.decode().split("\0")[:-1]) == given


def test_telemetry_of_the_environment_is_the_command_s_alone(syscall_trace: Tracer) -> None:
    """A test sends nothing, whatever the environment says; nor is the environment changed."""
    with Receiver() as receiver:
        telemetry = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        }
        run = syscall_trace(["env"], env={**os.environ, **telemetry})
        assert receiver.totals()["requests"] == 0
    assert {f"{name}={value}" for name, value in telemetry.items()} <= set(run.outlines)
    assert not [line for line in run.outlines if line.startswith("TRACESTATE")]


def test_streams_are_those_of_subprocess(syscall_trace: Tracer) -> None:
    look = ["sh", "-c", "cat; ls -l /proc/self/fd; ls /proc/$$/fd"]
    run = syscall_trace(look)
    assert run.outlines[-3:] == ["0", "1", "2"]
    assert "/dev/null" in run.stdout.decode()
    assert syscall_trace(["cat"], input="text").stdout == b"text"
    assert syscall_trace(["cat"], input=b"\xff\0").stdout == b"\xff\0"
    assert len(syscall_trace(["head", "-c", "300000", "/dev/zero"]).stdout) == 300_000


def test_ends(syscall_trace: Tracer, tmp_path: Path) -> None:
    assert syscall_trace(["sh", "-c", "kill -TERM $$"]).exit_code == -signal.SIGTERM
    with pytest.raises(subprocess.CalledProcessError) as caught:
        syscall_trace(["sh", "-c", "echo so; exit 4"], check=True)
    assert (caught.value.returncode, caught.value.stdout) == (4, b"so\n")
    with pytest.raises(FileNotFoundError, match="no such command"):
        syscall_trace(["./no-such-command"])
    (tmp_path / "text").write_text("no program")
    with pytest.raises(PermissionError, match="text"):
        syscall_trace([tmp_path / "text"])
    with pytest.raises(TypeError, match="list of words"):
        syscall_trace("ls -l")  # a list is wanted


def test_timeout_kills_all_of_it(syscall_trace: Tracer, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    work = "echo begun; (cat fifo; echo never > witness) & wait"
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        syscall_trace(["sh", "-c", work], cwd=tmp_path, timeout=0.5)
    assert caught.value.timeout == 0.5
    # Whoever were left would hold its end of the FIFO open.
    with pytest.raises(OSError, match="No such device or address"):
        os.open(tmp_path / "fifo", os.O_WRONLY | os.O_NONBLOCK)


def test_peers(syscall_trace: Tracer, tmp_path: Path) -> None:
    work = (
        "import socket\n"
        "s = socket.create_server(('127.0.0.1', 0))\n"
        "c = socket.create_connection(s.getsockname())\n"
        "u = socket.socket(socket.AF_UNIX); u.bind('u'); u.listen()\n"
        "v = socket.socket(socket.AF_UNIX); v.connect('u')\n"
        "print(s.getsockname()[1])\n"
    )
    run = syscall_trace([sys.executable, "-I", "-c", work], cwd=tmp_path, check=True)
    assert f"127.0.0.1:{int(run.stdout)}" in run.peers
    assert "u" in run.peers
