# SPDX-License-Identifier: MIT
"""Outputs that are slow, full or broken: what is lost is counted to the last call."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from renacer_otel.ring import trace_file
from tests.cli.tool import (
    RENACER,
    Done,
    Totals,
    call_lines,
    children,
    read_totals,
    renacer,
    run_program,
    started,
    until,
)

CALLS = 30_000  # of the command below: more than a small ring and a pipe hold
SMALL_RING = ("--ring-size", "512KiB")


@pytest.fixture
def many_calls(tmp_path: Path) -> list[str]:
    """A command of CALLS calls and some, which prints "done" near its end."""
    source = tmp_path / "source"
    source.write_bytes(bytes(CALLS // 2))
    copy = f"dd if={source} of=/dev/null bs=1 status=none"
    return ["sh", "-c", f"{copy}; echo done"]


class Held(NamedTuple):
    """What came through a FIFO that was read late, and how the run ended."""

    data: bytes
    done: Done

    @property
    def totals(self) -> Totals:
        """The numbers of the last line; --fail-on-loss has a line behind it."""
        lines = [line for line in self.done.lines if " calls, " in line]
        return read_totals(lines[-1])


@contextmanager
def into_fifo(path: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`renacer-otel -o FIFO WORDS…`, and the FIFO's reading end."""
    os.mkfifo(path)
    with started("-o", path, *words) as process:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            yield process, descriptor
        finally:
            os.close(descriptor)


def read_all(process: subprocess.Popen[str], descriptor: int) -> Held:
    """Reads the FIFO to its end, then waits for the run's."""
    pieces = []
    while piece := os.read(descriptor, 1 << 20):
        pieces.append(piece)
    out, err = process.communicate(timeout=60)
    return Held(b"".join(pieces), Done(process.returncode, out, err))


def read_after_the_command(path: Path, *words: str) -> Held:
    """Reads nothing before the command has said that it is done."""
    with into_fifo(path, *words) as (process, descriptor):
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        return read_all(process, descriptor)


def waiting_in(descriptor: int) -> int:
    """Bytes that a pipe holds."""
    raw = fcntl.ioctl(descriptor, termios.FIONREAD, b"\0\0\0\0")
    return int(struct.unpack("i", raw)[0])


def calls_in_text(data: bytes, path: Path) -> int:
    del path
    return len(call_lines(data.decode()))


def calls_in_record(data: bytes, path: Path) -> int:
    path.write_bytes(data)
    trace = trace_file.read(path)
    assert trace.complete
    assert trace.end is not None
    kinds, args = trace.events["kind"], trace.events["args"]
    entries, gaps = kinds == 1, kinds == 10
    whole = kinds == 3
    calls = int(entries.sum() + whole.sum())
    assert int(args[gaps][:, 0].sum()) == trace.end["lost_events"]
    assert int(args[gaps][:, 1].sum()) == trace.end["lost_calls"]
    assert trace.end["calls"] == calls + trace.end["lost_calls"]
    return calls


def calls_in_json(data: bytes, path: Path) -> int:
    del path
    found = 0
    for line in data.decode().splitlines():
        for spans in json.loads(line)["resourceSpans"]:
            for scope in spans["scopeSpans"]:
                for span in scope["spans"]:
                    keys = {pair["key"] for pair in span["attributes"]}
                    found += "syscall.name" in keys
    return found


COUNTERS: dict[str, Callable[[bytes, Path], int]] = {
    "text": calls_in_text,
    "record": calls_in_record,
    "otlp-json": calls_in_json,
}


@pytest.mark.parametrize("form", COUNTERS)
def test_dropped_calls_are_counted_exactly(
    form: str, many_calls: list[str], tmp_path: Path
) -> None:
    """Records and spans are packed and queued before the pipe: more of them is needed."""
    command = many_calls
    if form != "text":
        copies = "; ".join([many_calls[2].removesuffix("; echo done")] * 8)
        command = ["sh", "-c", f"{copies}; echo done"]
    each = ("--fold", "off")  # a span for each call
    held = read_after_the_command(
        tmp_path / "fifo", *SMALL_RING, *each, "--on-full", "drop", "--format", form, "--", *command
    )
    assert held.done.code == 0
    totals = held.totals
    assert totals.calls > CALLS
    assert 0 < totals.lost < totals.calls
    assert totals.unwritten == 0
    assert COUNTERS[form](held.data, tmp_path / "copy") == totals.calls - totals.lost
    assert held.done.lines[0].startswith("renacer-otel: the ring was full: ")
    assert f"{totals.lost:,} whole calls" in held.done.lines[0]
    assert len(held.done.lines) == 2


def test_the_text_tells_of_the_gap(many_calls: list[str], tmp_path: Path) -> None:
    held = read_after_the_command(
        tmp_path / "fifo", *SMALL_RING, "--on-full", "drop", "--", *many_calls
    )
    gaps = [line for line in held.data.decode().splitlines() if "events lost here" in line]
    told = sum(int(line.split("(")[1].split()[0]) for line in gaps)
    assert told == held.totals.lost > 0


def test_fail_on_loss(many_calls: list[str], tmp_path: Path) -> None:
    drop = (*SMALL_RING, "--on-full", "drop", "--fail-on-loss", "-q", "--")
    held = read_after_the_command(tmp_path / "fifo", *drop, *many_calls)
    assert held.done.code == 125
    assert held.done.lines[-1] == (
        "renacer-otel: something was lost (see above), and --fail-on-loss was given"
    )
    done = renacer("-q", "--fail-on-loss", "-o", tmp_path / "all", *many_calls)
    assert done == Done(0, "done\n", "")


def position(pid: int) -> str:
    """How far a process has read its standard input."""
    try:
        return Path(f"/proc/{pid}/fdinfo/0").read_text()
    except OSError:
        return "gone"


def stalled(process: subprocess.Popen[str]) -> Callable[[], bool]:
    """Whether nothing below `process` has read on since the last few looks."""
    seen: list[list[str]] = []

    def look() -> bool:
        below = [pid for child in children(process.pid) for pid in [child, *children(child)]]
        seen.append([position(pid) for pid in below])
        return len(seen) > 20 and all(item == seen[-1] for item in seen[-20:])

    return look


def test_blocking_loses_nothing(many_calls: list[str], tmp_path: Path) -> None:
    words = (*SMALL_RING, "--block-limit", "60s", "--fail-on-loss", "--", *many_calls)
    with into_fifo(tmp_path / "fifo", *words) as (process, descriptor):
        until(lambda: waiting_in(descriptor) > 32_000)
        until(stalled(process))
        held = read_all(process, descriptor)
    assert held.done.code == 0
    assert held.done.out == "done\n"
    assert held.totals.lost == 0
    assert held.totals.calls > CALLS
    assert calls_in_text(held.data, tmp_path) == held.totals.calls


def test_block_limit(many_calls: list[str], tmp_path: Path) -> None:
    """An output that does not move holds the command up once, for as long as the limit."""
    words = (*SMALL_RING, "--block-limit", "300ms", "--", *many_calls)
    held = read_after_the_command(tmp_path / "fifo", *words)
    assert held.done.code == 0
    assert 0 < held.totals.lost < held.totals.calls
    assert calls_in_text(held.data, tmp_path) == held.totals.calls - held.totals.lost


def test_no_block_limit_is_drop(many_calls: list[str], tmp_path: Path) -> None:
    words = (*SMALL_RING, "--block-limit", "0", "--", *many_calls)
    held = read_after_the_command(tmp_path / "fifo", *words)
    assert held.done.code == 0
    assert 0 < held.totals.lost < held.totals.calls


# --- outputs that refuse ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("nowhere/trace", "No such file or directory"),
        (".", "Is a directory"),
        ("file/trace", "Not a directory"),
        ("x" * 300, "File name too long"),
    ],
)
@pytest.mark.parametrize("form", COUNTERS)
def test_output_that_cannot_be_opened(path: str, reason: str, form: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = renacer("--format", form, "-o", path, "touch", "witness", cwd=tmp_path)
    assert done.code == 125
    assert done.error.startswith("-o ")
    assert done.error.endswith(f": {reason}; name a file that can be written")
    assert not (tmp_path / "witness").exists()


def test_output_without_permission(tmp_path: Path) -> None:
    path = "/proc/sys/kernel/ostype"  # not even root may open it for writing
    done = renacer("-o", path, "touch", tmp_path / "witness")
    assert done.code == 125
    assert done.error == f"-o {path}: Permission denied; name a file that can be written"
    assert not (tmp_path / "witness").exists()


UNITS = {"text": "lines", "record": "records", "otlp-json": "spans"}


@pytest.mark.parametrize("form", COUNTERS)
def test_full_disk(form: str) -> None:
    done = renacer("--format", form, "-o", "/dev/full", "sh", "-c", "exit 3")
    assert done.code == 3
    assert len(done.lines) == 2
    totals = done.totals
    assert totals.lost == 0
    assert totals.unwritten >= totals.calls > 0
    assert done.lines[0] == (
        "renacer-otel: the output could not be written (No space left on device):"
        f" {totals.unwritten} {UNITS[form]} lost"
    )
    done = renacer("-q", "--fail-on-loss", "--format", form, "-o", "/dev/full", "true")
    assert done.code == 125
    assert len(done.lines) == 2


def test_a_line_in_pieces_is_one_lost_line() -> None:
    """A call that blocks long is written twice: where it begins, and where it ends."""
    totals = renacer("-o", "/dev/full", "sleep", "0.3").totals
    assert totals.unwritten == totals.calls + 1  # the last: +++ exited …


@pytest.mark.parametrize("form", COUNTERS)
def test_reader_that_is_gone(form: str, tmp_path: Path) -> None:
    fifo, gate = tmp_path / "fifo", tmp_path / "gate"
    os.mkfifo(gate)
    words = ("--format", form, "--", "sh", "-c", f"read word <{gate}; exit 3")
    with into_fifo(fifo, *words) as (process, descriptor):
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, descriptor)  # nobody reads any more
        os.close(null)
        gate.write_text("go\n")
        _, err = process.communicate(timeout=60)
    done = Done(process.returncode, "", err)
    assert done.code == 3
    assert "(Broken pipe)" in done.lines[0]
    assert done.totals.unwritten > 0
    assert len(done.lines) == 2


def test_full_file_keeps_what_it_took(tmp_path: Path) -> None:
    """What fits into a file of limited size is there, the rest is counted by lines."""
    limit = 1 << 20
    path = tmp_path / "trace"
    done = renacer(
        *("--ring-size", "512KiB", "-o", path, "dd"),
        *("if=/dev/zero", "of=/dev/null", "bs=1", "count=20000", "status=none"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.code == 0
    assert "(File too large)" in done.lines[0]
    totals = done.totals
    text = path.read_text()
    assert len(text) == limit
    assert text.count("\n") + totals.unwritten == totals.calls + 1  # the last: +++ exited …
    assert totals.unwritten > 0


def test_too_little_memory_is_no_silent_loss(tmp_path: Path) -> None:
    """Around the least memory that will do: not started, or all calls are told of."""
    command = "/bin/sh", "-c", "exit 3"
    output = tmp_path / "out"
    whole = renacer("-o", str(output), "--", *command).totals.calls

    def runs(kib: int) -> bool:
        limit = ("sh", "-c", f'ulimit -v {kib} && exec "$@"', "-")
        done = run_program([*limit, RENACER, "-o", str(output), "--", *command])
        if done.code == 3:
            assert done.totals.calls + done.totals.lost >= whole, kib
        return done.code == 3

    too_little, enough = 1_000, 1_000_000
    assert runs(enough)
    while enough - too_little > 250:
        middle = (too_little + enough) // 2
        too_little, enough = (too_little, middle) if runs(middle) else (middle, enough)
    for kib in (*range(too_little, enough, 8), *range(enough, enough + 2_500, 250)):
        runs(kib)
