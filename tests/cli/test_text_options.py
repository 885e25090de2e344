# SPDX-License-Identifier: MIT
"""-x, -xx, --strings-in-hex beside real strace; -q and --quiet; an output that hangs."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.tool import PATIENCE, renacer, run_program, started, until
from tests.decode.normal import threads

HEAD, TAIL = 64, 128  # offsets of the indexes in struct rn_ring_control

STRINGS = """
import os, socket
file = os.open(b"h\\x01x<\\xff", os.O_CREAT | os.O_RDWR)
for data in b"abc\\n\\t", b"abc\\x7f", b"\\xc3\\xa4", b"a" * 40, b"a" * 32 + b"\\x01", b'q"\\\\':
    os.write(file, data)
os.writev(file, [b"ab\\x01", b"cd"])
for name in (b"\\x02", b"\\0ab\\x02"):
    try:
        socket.socket(socket.AF_UNIX).connect(name)
    except OSError:
        pass
os.getcwd()
"""


@pytest.mark.needs("strace")
@pytest.mark.parametrize(
    "options",
    [
        "-x",
        "-xx",
        "-x -y",
        "-xx -y",
        "--strings-in-hex",
        "--strings-in-hex=non-ascii-chars -y",
        "--strings-in-hex=none",
    ],
)
def test_strings_in_hex_are_those_of_strace(tmp_path: Path, options: str) -> None:
    traces = []
    calls = "trace=execve,openat,write,writev,getcwd"
    if "-y" not in options:  # which shows the socket's inode
        calls += ",connect"
    words = [*options.split(), "-f", "-e", calls, "-o", "log", "--"]
    command = [sys.executable, "-I", "-S", "-c", STRINGS]
    folder = tmp_path / "work"
    for strace in (True, False):
        folder.mkdir()
        if strace:
            done = run_program(["strace", *words, *command], cwd=folder)
        else:
            done = renacer("--no-propagate", *words, *command, cwd=folder)
        assert done.code == 0, done.err
        traces.append(threads((folder / "log").read_text(errors="strict")))
        folder.rename(tmp_path / f"done{len(traces)}")
    assert any("writev" in line for line in traces[0][0])
    assert traces[0] == traces[1]


@pytest.mark.parametrize(
    ("options", "last_line", "exits"),
    [
        ("", True, True),
        ("-q", False, True),
        ("-qq", False, False),
        ("-qqq", False, False),
        ("--quiet", False, True),
        ("--quiet=exit", True, False),
        ("--quiet=attach,exit", False, False),
        ("--quiet=all", False, False),
        ("--quiet=none", True, True),
        ("--quiet=!exit", False, True),
        ("--quiet=personality,superseded", True, True),
    ],
)
def test_quiet(options: str, last_line: bool, exits: bool) -> None:
    done = renacer(*options.split(), "-e", "trace=exit_group", "true")
    assert done.code == 0
    assert "exit_group(0)" in done.err
    assert ("renacer-otel: " in done.err) is last_line
    assert ("+++ exited with 0 +++" in done.err) is exits


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("--quiet=exits", "did you mean exit?"),
        ("-q --quiet=exit", "drop one of them"),
        ("--strings-in-hex=non-asci", "did you mean non-ascii?"),
        ("-x --strings-in-hex", "drop one of them"),
    ],
)
def test_mistakes_are_told(options: str, error: str) -> None:
    done = renacer(*options.split(), "true")
    assert done.code == 125
    assert error in done.error


def test_a_command_that_takes_nothing_and_stays(tmp_path: Path) -> None:
    """The traced command is held up for --block-limit at most; what it wrote is not cut short."""
    reader = tmp_path / "reader"
    os.mkfifo(reader)
    pids: list[int] = []

    def let_go() -> None:
        with reader.open() as fifo:
            pids.append(int(fifo.readline()))
            over.wait()
        os.kill(pids[0], signal.SIGKILL)

    over = threading.Event()
    watcher = threading.Thread(target=let_go)
    watcher.start()
    loop = "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i + 1)); done >all; touch done"
    ended = threading.Thread(target=_set_when_there, args=(over, tmp_path / "done"))
    ended.start()
    done = renacer(
        "--block-limit", "200ms", "--ring-size", "512KiB",
        "-o", f"|echo $$ >{reader}; exec sleep 600", "sh", "-c", loop, cwd=tmp_path,
    )  # fmt: skip
    watcher.join()
    ended.join()
    assert done.code == 0
    assert len((tmp_path / "all").read_text().splitlines()) == 20000
    assert re.search(r"lines? lost|events? lost", done.err), done.err


def _set_when_there(event: threading.Event, path: Path) -> None:
    while not path.exists():
        event.wait(0.02)
    event.set()


def is_damaged(fd: int) -> bool:
    """Moves the producer's index by half a word until the reader has taken it for true."""
    head, tail = (int.from_bytes(os.pread(fd, 8, at), "little") for at in (HEAD, TAIL))
    if head % 8 == 0:
        os.pwrite(fd, (head + 4).to_bytes(8, "little"), HEAD)
    return head % 8 != 0 and head == tail


def ring_of(pid: int) -> Path:
    """The ring's memory, among what a tracer has open."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # just closed
            if "renacer-ring" in os.readlink(link):
                return link
    pytest.fail("it has no ring")


def test_a_damaged_ring_is_told(tmp_path: Path) -> None:
    """Somebody writes into the ring's memory: what cannot be read is no record, and is told."""
    ready, answer = tmp_path / "ready", tmp_path / "answer"
    os.mkfifo(ready)
    os.mkfifo(answer)
    command = ["sh", "-c", f"echo >{ready}; read word <{answer}; exit 3"]
    with started("-o", tmp_path / "log", *command) as run:
        ready.read_text()
        ring = ring_of(run.pid)
        with ring.open("r+b", buffering=0) as memory:
            fd = memory.fileno()
            until(lambda: is_damaged(fd))
        answer.write_text("over\n")
        _, err = run.communicate(timeout=PATIENCE)
    assert run.returncode == 3
    assert "the ring was damaged" in err


def test_deaths_by_signals_are_told_under_qq_as_strace_does() -> None:
    told = "+++ killed by SIGUSR1 +++"
    command = ("-e", "trace=none", "sh", "-c", "kill -USR1 $$")
    assert told in renacer("-qq", *command).err
    assert told not in renacer("-qq", "-e", "signal=none", *command).err
