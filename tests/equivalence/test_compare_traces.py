# SPDX-License-Identifier: MIT
"""`renacer-otel compare` of TRACE files, by a configuration, and its exit codes."""

from __future__ import annotations

import json
import os
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from renacer_otel.cli.main import main
from tests.cli.tool import Done, renacer
from tests.equivalence.comparing import python, sentences, sh, traces

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def record(tmp_path: Path) -> Any:
    def recorded(name: str, command: str, *options: str) -> Path:
        folder, trace = tmp_path / "work", tmp_path / f"{name}.renacer"
        folder.mkdir(exist_ok=True)
        for each in folder.iterdir():
            each.unlink()
        words = ("-q", "--format", "record", "-o", str(trace), *options)
        done = renacer(*words, "--", *shlex.split(command), cwd=folder)
        assert trace.exists(), done.err
        return trace

    return recorded


HASHES = ("--capture", "hashes")
WRITES = ("--capture", "writes")


def test_traces(record: Any) -> None:
    many = record("a", sh("printf he > f; printf llo >> f; echo out"), *HASHES)
    one = record("b", python("open('f', 'w').write('hello'); print('out')"), *HASHES)
    other = record("c", python("open('f', 'w').write('hellO'); print('out')"), *HASHES)
    code, found = traces(many, one)
    assert (code, found["equal"]) == (0, True), found
    assert found["confidence"] >= 0.9
    code, found = traces(many, other)
    assert (code, sentences(found)) == (1, ["f: content differs: 5 bytes by A, 5 bytes by B"])


def test_traces_without_hashes_are_not_sure(record: Any) -> None:
    a = record("a", sh("echo hello"))
    b = record("b", sh("printf 'hello\\n'"))
    code, found = traces(a, b)
    assert (code, found["equal"]) == (1, True)
    assert found["confidence"] < 0.9
    assert traces(a, b, "--min-confidence", "0.5")[0] == 0
    c = record("c", sh("echo hello!"))
    assert traces(a, c, "--min-confidence", "0.5")[0] == 1  # sizes are known


def test_written_over_in_part_is_not_known(record: Any) -> None:
    script = "f = open('f', 'wb', 0); f.write(b'abcd'); f.seek(1); f.write({})"
    a = record("a", python(script.format("b'xy'")), *WRITES)
    b = record("b", python(script.format("b'xz'")), *WRITES)
    code, found = traces(a, b)
    assert (code, found["equal"]) == (1, True)
    assert "content" in [each["kind"] for each in found["doubts"]]
    gaps = "f = open('f', 'wb', 0); f.seek(3); f.write(b'z')"
    filled = "f = open('f', 'wb', 0); f.write(bytes(3) + b'z')"
    assert traces(record("a", python(gaps), *WRITES), record("b", python(filled), *WRITES))[0] == 0


def test_attributes_by_calls(tmp_path: Path, record: Any) -> None:
    try:
        os.setxattr(tmp_path, "user.a", b"1")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    script = "import os; open('f', 'w'); os.setxattr('f', 'user.a', b'{}')"
    one, other = (record(name, python(script.format(name)), *WRITES) for name in "ab")
    assert sentences(traces(one, other)[1]) == ['f: attribute user.a is "a" by A, "b" by B']
    assert "attributes" not in [each["kind"] for each in traces(one, one)[1]["doubts"]]


def test_exit_codes(tmp_path: Path, record: Any) -> None:
    trace = record("a", "true", *HASHES)
    bad = tmp_path / "bad"
    bad.write_bytes(b"no trace")
    assert main(["compare", str(trace), str(tmp_path / "none")]) == 2
    assert main(["compare", str(trace), str(bad)]) == 3
    assert main(["compare", str(trace), str(trace)]) == 0
    done = renacer("compare", "--run", "true", "--run", "no-such-command")
    assert done.code == 127
    assert done.error
    assert main(["compare", "--run", "true", "--run", "/etc/passwd"]) == 126
    two = ["--run", "true", "--run", "true"]
    for words in (
        [],
        [trace],
        [trace, trace, trace],
        two[:2],
        ["--run", "'", *two[2:]],
        [*two, trace],
        [*two, "--in-copy-of", tmp_path / "none"],
        [trace, trace, "--strict", "timse"],
        [trace, trace, "--runs", "2"],
        [trace, trace, "--min-confidence", "2"],
    ):
        assert main(["compare", *map(str, words)]) == 125, words


def test_configuration(tmp_path: Path, record: Any) -> None:
    config = tmp_path / "renacer.toml"

    def with_section(text: str, *words: str | Path) -> Done:
        config.write_text(f"[semantic_equivalence]\n{text}\n", encoding="utf-8")
        report = tmp_path / "report"
        report.write_text("")
        code = main(["compare", "--config", str(config), "-o", str(report), *map(str, words)])
        return Done(code, report.read_text(encoding="utf-8"), "")

    once = ("--runs", "1")
    run = (*once, "--run", sh("echo a > f"), "--run", sh("echo a > t; mv t f"))
    assert with_section("min_confidence = 0.5", *run).code == 0
    assert with_section("min_confidence = 0.99", *run).code == 1
    assert with_section("min_confidence = 0.99\nenabled = false", *run).code == 0
    assert with_section("check_write_patterns = true", *run).code == 1
    done = with_section("expected_speedup_min = 100000", *run)
    assert done.code == 1
    assert ", but speed-up: " in done.out.splitlines()[0]
    assert "NOT as expected: 100000 or more" in done.out.splitlines()[0]
    assert with_section("expected_speedup_max = 100000", *run).code == 0
    assert with_section("expected_memory_reduction_min = 0.99", *run).code == 1
    out = (*once, "--run", "echo a", "--run", "echo b")
    assert with_section("check_output_correctness = false", *out).code == 0
    files = (*once, "--run", "touch a", "--run", "touch b")
    assert with_section("check_file_operations = false", *files).code == 0
    small = (*once, "--run", "true", "--run", python("x = bytes(50 << 20)"))
    assert with_section("check_memory_allocations = true", *small).code == 1
    assert with_section("min_confidence = 2", *run).code == 5
    assert renacer("compare", "--config", tmp_path / "none", *run).code == 5

    python_dir, rust_dir = tmp_path / "python", tmp_path / "rust"
    python_dir.mkdir()
    rust_dir.mkdir()
    dirs = 'python_trace_dir = "python"\nrust_trace_dir = "rust"'
    assert with_section(dirs).code == 5  # nothing in them
    record("x", sh("echo a"), *HASHES).rename(python_dir / "x.renacer")
    assert with_section(dirs).code == 2
    record("x", sh("echo a"), *HASHES).rename(rust_dir / "x.renacer")
    record("y", sh("echo a"), *HASHES).rename(python_dir / "y.renacer")
    record("y", sh("echo b"), *HASHES).rename(rust_dir / "y.renacer")
    done = with_section(dirs, "--format", "json")
    assert done.code == 1
    assert [each["equal"] for each in json.loads(done.out)["comparisons"]] == [True, False]
    assert with_section(f"enabled = false\n{dirs}").code == 0
    assert with_section('baseline_dir = "python"\nrust_trace_dir = "rust"').code == 1


def test_check_takes_the_section(tmp_path: Path, record: Any) -> None:
    config, report = tmp_path / "renacer.toml", tmp_path / "report.json"
    few = '[[assertion]]\nname = "few"\ntype = "span_count"\nmax_spans = 100000\n'
    dirs = 'enabled = true\npython_trace_dir = "python"\nrust_trace_dir = "rust"\n'

    def checked(more: str = "") -> tuple[int, list[str]]:
        config.write_text(f"{few}[semantic_equivalence]\n{dirs}{more}", encoding="utf-8")
        words = ["--config", str(config), "--format", "json", "-o", str(report)]
        code = main(["check", *words, str(trace)])
        rows = json.loads(report.read_text(encoding="utf-8"))["results"]
        return code, [row["status"] for row in rows]

    trace = record("t", "true", *HASHES)
    assert checked() == (0, ["holds"])  # folders that are not there are told
    for name in ("python", "rust"):
        (tmp_path / name).mkdir()
        record("x", sh("echo a > f"), *HASHES).rename(tmp_path / name / "x.renacer")
    assert checked() == (0, ["holds", "holds"])
    assert checked("min_confidence = 0.99\n") == (125, ["holds", "unknown"])
    assert checked("expected_speedup_min = 100000\n") == (1, ["holds", "violated"])
    record("x", sh("echo b > f"), *HASHES).rename(tmp_path / "rust" / "x.renacer")
    record("y", "true", *HASHES).rename(tmp_path / "rust" / "y.renacer")
    assert checked() == (1, ["holds", "violated", "unknown"])
    (tmp_path / "rust" / "x.renacer").write_bytes(b"no trace")
    assert checked() == (125, ["holds", "unknown", "unknown"])
