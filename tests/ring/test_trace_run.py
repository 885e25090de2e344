# SPDX-License-Identifier: MIT
"""A TRACE of a real run against the text of the same command, and against itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from renacer_otel.engine import native
from renacer_otel.ring import trace_file
from tests.engine.tools import ERESTARTNOINTR

# Deterministic: the same calls at each run but for what a loader does first.
COMMAND = ("sh", "-c", "test -e /nonexistent; cat /proc/sys/kernel/ostype | cat; exit 3")
_LINE = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(?:\(| resumed)")


def traced(path: Path, form: str) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "renacer_otel",
            "-f",
            "-o",
            str(path),
            "--format",
            form,
            "--",
            *COMMAND,
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout == "Linux\n"


def names_of(events: np.ndarray[tuple[int], np.dtype[np.void]]) -> Counter[str]:
    pairs = zip(events["abi"].tolist(), events["nr"].tolist(), strict=True)
    found: Counter[str] = Counter()
    for abi, nr in pairs:
        name = native.lib.rn_table_name(abi, nr)
        assert name != native.ffi.NULL
        found[native.ffi.string(name).decode()] += 1
    return found


def test_same_calls_as_the_text(tmp_path: Path) -> None:
    traced(tmp_path / "r", "record")
    traced(tmp_path / "t", "text")
    trace = trace_file.read(tmp_path / "r")
    assert trace.complete
    kinds = trace.events["kind"]
    entries = trace.events[np.isin(kinds, (1, 3))]
    # Calls that are begun anew: of a fork it is chance whether another child's end makes it so.
    again = trace.events[np.isin(kinds, (2, 3)) & (trace.events["result"] == ERESTARTNOINTR)]
    text: Counter[str] = Counter()
    for line in (tmp_path / "t").read_text().splitlines():
        found = _LINE.match(line)
        if found and "<... " not in line:
            text[found[2]] += 1
        if found and "= ? ERESTARTNOINTR" in line:
            text[found[2]] -= 1
    assert sum(text.values()) > 50
    # How often a wait or a read is repeated depends on who comes first.
    racy = {"wait4", "read", "rt_sigreturn", "restart_syscall"}
    recorded = names_of(entries) - names_of(again)
    assert {name: n for name, n in recorded.items() if name not in racy} == {
        name: n for name, n in text.items() if name not in racy
    }


def test_the_file_agrees_with_itself(tmp_path: Path) -> None:
    traced(tmp_path / "r", "record")
    trace = trace_file.read(tmp_path / "r")
    events, end = trace.events, trace.end
    assert end is not None
    kinds = Counter(events["kind"].tolist())
    assert kinds[1] + kinds[3] == end["calls"]
    assert (
        2 * kinds[3] + sum(n for kind, n in kinds.items() if kind not in (3, 10)) == end["events"]
    )
    assert end["lost_events"] == 0
    # Numbered from 1 without a hole: a call in one record takes two numbers.
    steps = np.where(events["kind"] == 3, 2, 1)
    assert events["seq"][0] == 1
    assert np.array_equal(events["seq"][1:], events["seq"][:-1] + steps[:-1].astype(np.uint64))
    assert np.all(events["t1"] >= events["t0"])
    assert np.all(np.diff(events["t1"].astype(np.int64)) >= 0)
    # Every process ends once, and what it execs stands in the pieces.
    starts = events[(events["kind"] == 4) & (events["tid"] == events["pid"])]
    exits = events[(events["kind"] == 6) & (events["args"][:, 2] == 1)]
    assert sorted(starts["pid"].tolist()) == sorted(exits["pid"].tolist())
    assert len(starts) >= 3
    programs = [
        Path(piece.data.decode()).name
        for row in (events["kind"] == 5).nonzero()[0]
        for piece in trace.pieces(int(row))
        if piece.type == 6
    ]
    assert programs.count("cat") == 2
    paths = {
        piece.data for row in range(len(events)) for piece in trace.pieces(row) if piece.type == 1
    }
    assert {b"/nonexistent", b"/proc/sys/kernel/ostype"} <= paths


def test_losses_stand_where_they_happened(tmp_path: Path) -> None:
    """Nobody reads the output until the command is done: the ring must overflow, and say so."""
    reading, writing = os.pipe()
    run = subprocess.Popen(
        [sys.executable, "-m", "renacer_otel", "-q", "--on-full", "drop", "--ring-size", "512KiB",
         "--format", "record", "-o", f"/dev/fd/{writing}", "--",
         "sh", "-c", "dd if=/dev/zero of=/dev/null bs=1 count=60000 2>&-; echo done"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[writing],
    )  # fmt: skip
    os.close(writing)
    assert run.stdout is not None
    assert run.stdout.readline() == b"done\n"
    with os.fdopen(reading, "rb") as pipe:
        (tmp_path / "r").write_bytes(pipe.read())
    _, told = run.communicate()
    assert run.returncode == 0
    assert b"events lost" in told
    trace = trace_file.read(tmp_path / "r")
    events, end = trace.events, trace.end
    assert trace.complete
    assert end is not None
    gaps = events[events["kind"] == 10]
    assert len(gaps) > 0
    assert int(gaps["args"][:, 0].sum()) == end["lost_events"] > 0
    assert int(gaps["args"][:, 1].sum()) == end["lost_calls"] > 0
    # What is missing between two records is what the gap between them says, everywhere.
    numbers = np.where(events["kind"] == 3, 2, 1).astype(np.uint64)
    numbers[events["kind"] == 10] = gaps["args"][:, 0]
    assert np.array_equal(events["seq"][1:], events["seq"][:-1] + numbers[:-1])
