# SPDX-License-Identifier: MIT
"""--format csv: a row a call, read back by the csv module."""

from __future__ import annotations

import csv
import io
import os
import re
import resource
import shutil
import sys
from typing import TYPE_CHECKING

from tests.cli.tool import renacer, started

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ["time", "pid", "tid", "process", "syscall", "args", "result", "errno", "duration"]


def read_rows(data: bytes) -> list[dict[str, str]]:
    """All rows by column; fails where a row has more or fewer."""
    assert data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r")
    lines = list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))
    assert lines[0] == COLUMNS
    return [dict(zip(COLUMNS, line, strict=True)) for line in lines[1:]]


def test_a_row_for_each_call(tmp_path: Path) -> None:
    command = ("sh", "-c", "cat /nonexistent; cat /etc/passwd >/dev/null; kill -9 $$")
    done = renacer("--format", "csv", "-o", tmp_path / "out", *command)
    rows = read_rows((tmp_path / "out").read_bytes())
    assert len(rows) == done.totals.calls
    assert {row["process"] for row in rows} >= {"cat"}
    for row in rows:
        assert re.fullmatch(r"\d+\.\d{9}", row["time"])
        unfinished = not row["result"] and not row["errno"]
        assert re.fullmatch(r"" if unfinished else r"\d+\.\d{9}", row["duration"])
    failed = next(row for row in rows if row["args"].startswith('AT_FDCWD, "/nonexistent"'))
    assert (failed["syscall"], failed["result"], failed["errno"]) == ("openat", "-1", "ENOENT")
    assert failed["args"] == 'AT_FDCWD, "/nonexistent", O_RDONLY'
    killed = next(row for row in rows if row["syscall"] == "kill")
    assert (killed["result"], killed["duration"]) == ("", "")


def test_hostile_names_and_paths(tmp_path: Path) -> None:
    copy = tmp_path / '=cmd|" ,\x1b]52;\udcff'
    shutil.copy(sys.executable, copy)
    env = {**os.environ, "PYTHONHOME": sys.base_prefix}
    code = "import os\ntry: os.stat('=1,\"\\r\\n')\nexcept OSError: pass"
    done = renacer("-q", "--format", "csv", "-o", tmp_path / "out", copy, "-Sc", code, env=env)
    assert done.code == 0, done.err
    data = (tmp_path / "out").read_bytes()
    assert all(byte >= 0x20 or byte in b"\r\n" for byte in data)
    rows = read_rows(data)
    assert rows[-1]["process"] == r"""'=cmd|" ,\x1b]52;\xff"""
    assert any(r'"=1,\"\r\n"' in row["args"] for row in rows)


def test_no_calls_but_a_head(tmp_path: Path) -> None:
    assert renacer("--format", "csv", "-o", tmp_path / "out", "-e", "trace=none", "true").code == 0
    assert read_rows((tmp_path / "out").read_bytes()) == []


def test_rows_come_while_the_command_runs(tmp_path: Path) -> None:
    """The command ends only when its row has been read; to a pipe as well as to a file."""
    os.mkfifo(tmp_path / "fifo")
    os.mkfifo(tmp_path / "gate")
    command = ("sh", "-c", "echo ready; read line <gate")
    words = ("-q", "--capture-payload", "--format", "csv", "-o", tmp_path / "fifo", *command)
    with started(*words, cwd=tmp_path) as process:
        with open(tmp_path / "fifo", encoding="utf-8", newline="") as file:
            assert file.readline().rstrip("\r\n").split(",") == COLUMNS
            assert any(",write," in line and '""ready' in line for line in file)
            (tmp_path / "gate").write_text("line\n")
            assert any(",exit_group," in line for line in file)
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_what_is_lost_is_told(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(20_000))
    os.mkfifo(tmp_path / "fifo")
    words = ("--on-full", "drop", "--ring-size", "512KiB", "--format", "csv", "-o")
    command = f"dd if={source} of=/dev/null bs=1 status=none; echo done"
    with started(*words, tmp_path / "fifo", "sh", "-c", command) as process:
        descriptor = os.open(tmp_path / "fifo", os.O_RDONLY)
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        with open(descriptor, "rb") as file:
            rows = read_rows(file.read())
        _, err = process.communicate(timeout=60)
    told = [row["args"] for row in rows if row["syscall"] == "(lost)"]
    lost = sum(int(args.split(", ")[1].split()[0]) for args in told)
    found = re.search(r"([\d,]+) calls, ([\d,]+) lost", err)
    assert found
    calls, counted = (int(number.replace(",", "")) for number in found.groups())
    assert lost == counted
    assert len(rows) - len(told) + lost == calls


def test_an_output_that_is_full() -> None:
    done = renacer("--format", "csv", "-o", "/dev/full", "true")
    assert done.code == 0
    assert re.search(r"could not be written \(No space left on device\): \d+ rows? lost", done.err)


def test_rows_that_found_room_are_not_lost(tmp_path: Path) -> None:
    """A file may grow to 1 MiB: what is in it and what is told as lost are all calls."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    words = ("--ring-size", "512KiB", "--format", "csv", "-o", tmp_path / "out")
    copy = ("dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=10000")
    done = renacer(*words, *copy, preexec_fn=limit)
    assert done.code == 0
    found = re.search(r"could not be written \(File too large\): ([\d,]+) rows lost", done.err)
    assert found, done.err
    whole = (tmp_path / "out").read_bytes().count(b"\n") - 1
    calls = re.search(r"([\d,]+) calls, 0 lost", done.err)
    assert calls, done.err
    assert whole > 1000
    assert whole + int(found[1].replace(",", "")) == int(calls[1].replace(",", ""))
