# SPDX-License-Identifier: MIT
"""--format json: renacer-json-v1, of a run and of a TRACE file."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from renacer_otel._version import __version__
from renacer_otel.errors import TraceUnreadable
from renacer_otel.spans import listing
from tests.cli.tool import renacer

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = ("sh", "-c", "cat /nonexistent; cat /etc/passwd >/dev/null; kill -9 $$")


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object none of whose names comes twice."""
    made = dict(pairs)
    assert len(made) == len(pairs)
    return made


def read(data: bytes) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(data, object_pairs_hook=once)
    return made


def test_an_object_for_each_call(tmp_path: Path) -> None:
    done = renacer("--format", "json", "-o", tmp_path / "out", *COMMAND)
    made = read((tmp_path / "out").read_bytes())
    assert (made["version"], made["format"]) == (__version__, "renacer-json-v1")
    assert made["command"] == list(COMMAND)
    calls = made["syscalls"]
    assert len(calls) == done.totals.calls == made["summary"]["total_syscalls"]
    assert made["summary"]["exit_code"] == -9
    assert made["summary"]["lost_syscalls"] == 0
    assert made["summary"]["failed_syscalls"] == sum(call["result"] < 0 for call in calls)
    for call in calls:
        assert all(isinstance(word, str) for word in call["args"])
        assert call["duration_us"] == call["duration_ns"] // 1000
        assert call["ts_us"] >= 0
        assert (call["pid"], call["tid"]) > (0, 0)
    failed = next(call for call in calls if call["args"][1:2] == ['"/nonexistent"'])
    assert failed["args"] == ["AT_FDCWD", '"/nonexistent"', "O_RDONLY"]
    assert (failed["name"], failed["result"], failed["error"]) == ("openat", -2, "ENOENT")
    assert failed["process"] == "cat"
    killed = next(call for call in calls if call["name"] == "kill")
    assert (killed["result"], killed["unfinished"]) == (0, True)


def test_a_trace_file_says_the_same(tmp_path: Path) -> None:
    renacer("--format", "record", "-o", tmp_path / "trace", *COMMAND)
    made = read(b"".join(listing.of_trace(tmp_path / "trace", -9)))
    assert made["command"] == list(COMMAND)
    assert made["summary"]["total_syscalls"] == len(made["syscalls"])
    assert made["summary"]["exit_code"] == -9
    assert {call["process"] for call in made["syscalls"]} >= {"cat"}


def test_hostile_names_and_no_calls(tmp_path: Path) -> None:
    copy = tmp_path / '=cmd|" ,\x1b]52;\udcff'
    shutil.copy(sys.executable, copy)
    env = {**os.environ, "PYTHONHOME": sys.base_prefix}
    code = "import os\ntry: os.stat('=1,\"\\r\\n')\nexcept OSError: pass"
    done = renacer("-q", "--format", "json", "-o", tmp_path / "out", copy, "-Sc", code, env=env)
    assert done.code == 0, done.err
    calls = read((tmp_path / "out").read_bytes())["syscalls"]
    assert calls[-1]["process"] == r'=cmd|" ,\x1b]52;\xff'
    assert any(r'"=1,\"\r\n"' in call["args"] for call in calls)
    words = ("--format", "json", "-o", tmp_path / "out", "-e", "trace=none", "true")
    assert renacer(*words).code == 0
    made = read((tmp_path / "out").read_bytes())
    assert (made["syscalls"], made["summary"]["total_syscalls"]) == ([], 0)


def test_a_trace_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "none").write_bytes(b"{}" * 100)
    with pytest.raises(TraceUnreadable):
        b"".join(listing.of_trace(tmp_path / "none"))
