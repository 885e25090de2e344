# SPDX-License-Identifier: MIT
"""Bad files: one line, exit code 3 (2 where there is none), little time and memory."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import re
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from renacer_otel.analysis.golden import golden_file
from renacer_otel.analysis.loading import load
from renacer_otel.analysis.loading.stream import Stream
from renacer_otel.errors import TraceFileError, TraceUnreadable
from renacer_otel.ring import strict_json
from tests.cli.tool import RENACER, run_program, the_error
from tests.loading import bounded, hostile
from tests.loading.made import CALLS, call, opened, printed, request, span, whole
from tests.scale import FULL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = '[[assertion]]\nname = "few"\ntype = "span_count"\nmax_spans = 1\n'
COMMANDS = {
    "check": ["check", "--config", "CONFIG", "TRACE"],
    "query": ["query", "TRACE", "SELECT 1"],
    "report": ["report", "TRACE"],
    "explain": ["explain", "TRACE", "1", "2"],
    "compare": ["compare", "TRACE", "TRACE"],
    "golden diff": ["golden", "diff", "TRACE", "TRACE"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "renacer.toml").write_text(CONFIG)
    return tmp_path


def refused(folder: Path, command: str, trace: str, code: int = 3) -> str:
    named = {"CONFIG": str(folder / "renacer.toml"), "TRACE": trace}
    return bounded.refused(folder, [named.get(word, word) for word in COMMANDS[command]], code)


@pytest.mark.parametrize("name", hostile.CONTENTS)
def test_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "trace"
    path.write_bytes(hostile.CONTENTS[name]())
    with pytest.raises(TraceUnreadable) as caught:
        load(path)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 500


def pairs() -> Iterator[tuple[str, str]]:
    """Every bad file with one of the commands, or with all of them."""
    commands = list(COMMANDS)
    worst = [
        name
        for name in hostile.CONTENTS
        if re.search("in a call|8 MiB|gigabytes|of lists|white", name)
    ]
    for at, name in enumerate(hostile.CONTENTS if FULL else worst):
        for command in commands if FULL else [commands[at % len(commands)]]:
            yield command, name


@pytest.mark.parametrize(("command", "name"), list(pairs()))
def test_each_command_refuses(folder: Path, command: str, name: str) -> None:
    path = folder / "trace"
    path.write_bytes(hostile.CONTENTS[name]())
    refused(folder, command, str(path))


@pytest.mark.parametrize("command", COMMANDS if FULL else ("report", "golden diff"))
def test_brackets(folder: Path, command: str) -> None:
    """A gigabyte of them at full scale."""
    path = folder / "trace"
    with path.open("wb") as file:
        file.writelines(hostile.brackets((1 << 30) // (1 if FULL else 16)))
    refused(folder, command, str(path))


def test_white_space_is_not_read_to_its_end(tmp_path: Path) -> None:
    """A gigabyte of it at full scale, of which a MiB is read."""
    path = tmp_path / "trace"
    for begin in (b'{"resourceSpans": [', hostile.HEAD.encode()):
        with path.open("wb") as file:
            file.write(begin)
            for _ in range(1 << (10 if FULL else 3)):
                file.write(b" " * (1 << 20))
        with pytest.raises(TraceUnreadable, match="white space alone behind character"):
            load(path)


def test_a_sparse_file(folder: Path) -> None:
    """A terabyte of nothing, that takes no room."""
    path = folder / "trace"
    with path.open("wb") as file:
        file.write(b" ")
        file.truncate(1 << 40)
    refused(folder, "report", str(path))


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    for name, (path, code) in hostile.odd_paths(tmp_path).items():
        with pytest.raises(TraceFileError) as caught:
            load(path)
        assert caught.value.exit_code == code, name
        assert caught.value.message.isprintable(), name


def test_commands_tell_what_is_no_file(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    assert "FIFO" in refused(folder, "query", str(folder / "fifo"))
    assert "no such TRACE file" in refused(folder, "explain", str(folder / "none"), 2)


def test_a_configuration_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    done = run_program([RENACER, "check", "--config", folder / "fifo", folder / "none"])
    assert done.code == 5
    assert "no [[assertion]]" in the_error(done.err)


def test_a_golden_trace_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "x.golden")
    with pytest.raises(TraceUnreadable, match="FIFO"):
        golden_file.read(folder / "x.golden")


def test_json_from_a_pipe(folder: Path) -> None:
    """Only records can be read from one; nothing hangs."""
    reading, writing = os.pipe()
    os.write(writing, b'{"version": "1"}')
    os.close(writing)
    try:
        with pytest.raises(TraceUnreadable, match="others cannot be read from a pipe; save it in"):
            load(f"/dev/fd/{reading}")
    finally:
        os.close(reading)


def test_what_is_wrapped_is_told(tmp_path: Path) -> None:
    text, path = printed(whole(CALLS)), tmp_path / "trace"
    for data, told in (
        (gzip.compress(text), "packed by gzip; unpack it first (gunzip)"),
        (zstandard.compress(text), "packed by zstd; unpack it first (unzstd)"),
        (lzma.compress(text), "packed by xz; unpack it first (unxz)"),
        (text.decode().encode("utf-16"), "UTF-16; write it as UTF-8"),
    ):
        path.write_bytes(data)
        with pytest.raises(TraceUnreadable) as caught:
            load(path)
        assert caught.value.message == f"{path}: not a TRACE file, but {told}"


def test_a_beginning_that_is_cut_hides_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_bytes(f"{hostile.HEAD}\n".encode() * 3 + printed(whole(CALLS)))
    assert len(load(path).calls) == len(CALLS)


def test_descriptors_that_cannot_be(tmp_path: Path) -> None:
    path, results = tmp_path / "trace", [(1 << 31) - 1, 1 << 31, 1 << 53, -(1 << 63), -5000]
    path.write_bytes(printed(whole([opened("/etc/hosts", result) for result in results])))
    run = load(path)
    assert run.calls["result"].tolist() == results
    assert run.details is not None
    assert run.details.rows["fd"].tolist() == [(1 << 31) - 1, -1, -1, -1, -1]
    spans = [
        span(3 + at, 2, 10, 12, {"syscall.name": "socket", "syscall.result": result})
        for at, result in enumerate(results)
    ]
    path.write_text(request(spans))
    run = load(path)
    assert run.details is not None
    assert sorted(run.details.rows["fd"].tolist()) == [-1, -1, -1, -1, (1 << 31) - 1]


def test_marks_without_a_beginning(tmp_path: Path) -> None:
    """So many, and it is not looked on."""
    mark = b"{" + b" " * 100 + b'"renacer-json-v'
    for count, is_found in ((1_000, True), (60_000, False)):
        path = tmp_path / "trace"
        path.write_bytes(mark * count + b"\n" + printed(whole(CALLS)))
        if is_found:
            assert len(load(path).calls) == len(CALLS)
        else:
            with pytest.raises(TraceUnreadable, match="not a TRACE file"):
                load(path)


@pytest.mark.parametrize("element", [b"7", b'"a b"', b"[]", b'{"a": [1.5, null]}', b"-0.25 "])
def test_what_nobody_reads_is_passed_over_at_once(
    element: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    value = Stream.value

    def counted(stream: Stream) -> Any:
        looks.append(stream.name)
        return value(stream)

    monkeypatch.setattr(Stream, "value", counted)
    for more, told in ((b"", ""), (b", 08", "missing"), (b", NaN", "NaN"), (b',"\\ud8', "in what")):
        text = b"[" + b",".join([element] * (300_000 if FULL else 60_000)) + more + b"]"
        looks.clear()
        stream = Stream(io.BytesIO(text), "it")
        if told:
            with pytest.raises(TraceUnreadable, match=told):
                stream.skip()
        else:
            stream.skip()
            assert stream.peek() == ""
        assert len(looks) < 100


def test_time_does_not_grow_with_the_square_of_processes(tmp_path: Path) -> None:
    def spent(count: int) -> float:
        calls = [call("read", "0x3", result=1, pid=pid, tid=pid) for pid in range(1, count)]
        path = tmp_path / "trace"
        path.write_bytes(json.dumps(whole(calls)).encode())
        since = time.process_time()
        run = load(path)
        assert len(run.processes) == count - 1
        assert run.processes[7].calls == 1
        return time.process_time() - since

    spent(1_000)  # tables are made
    assert spent(30_000) < 25 * spent(3_000)


def test_json_that_is_written_is_strict() -> None:
    words = {"a\udcff": ["\udced\udca0\udc80", ("😀é", 1, None)], "b": "\ud800"}
    assert strict_json.writable(words) == {
        r"a\xff": [r"\xed\xa0\x80", ["😀é", 1, None]], "b": r"\ud800"
    }  # fmt: skip


def test_memory_of_a_sound_one(tmp_path: Path, test_scale: int) -> None:
    """It grows with the calls, by what their columns take, not with the text."""
    calls = 9_000 * test_scale
    path = tmp_path / "trace"
    path.write_bytes(hostile.big(calls))
    tracemalloc.start()
    try:
        run = load(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(run.calls) == calls
    assert peak < calls * 700 + (24 << 20)
