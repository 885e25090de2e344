# SPDX-License-Identifier: MIT
"""`renacer-otel check`: reports and exit codes."""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from renacer_otel.analysis.assertions import config, evaluate, patterns
from renacer_otel.analysis.assertions.finding import Finding
from renacer_otel.cli.main import main
from tests.assertions.test_config import SEED
from tests.cli.tool import Done, renacer

if TYPE_CHECKING:
    from pathlib import Path

    from renacer_otel.spans.replay import Replay

HOLDS = '[[assertion]]\nname = "few"\ntype = "span_count"\nmax_spans = 100000\n'
FAILS = '[[assertion]]\nname = "none"\ntype = "span_count"\nmax_spans = 0\n'


def assertion(name: str, kind: str, **values: object) -> str:
    rows = {"name": name, "type": kind, **values}
    return "[[assertion]]\n" + "".join(f"{key} = {json.dumps(row)}\n" for key, row in rows.items())


@pytest.fixture(scope="session")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a shell that starts one program."""
    path = tmp_path_factory.mktemp("check") / "run.renacer"
    done = renacer("--format", "record", "-o", path, "--", "sh", "-c", "cat /dev/null; exit 0")
    assert done.code == 0, done.err
    return path


class Checks:
    """Writes renacer.toml, and checks by it: in this process, where no command is to be run."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self._path = folder / "renacer.toml"
        self._capfd = capfd

    def __call__(self, text: str, *words: str | Path) -> Done:
        self._path.write_text(text, encoding="utf-8")
        if "--" in words:
            return renacer("check", "--config", self._path, *words)
        self._capfd.readouterr()
        code = main(["check", "--config", str(self._path), *map(str, words)])
        return Done(code, *self._capfd.readouterr())

    def config(self, text: str) -> config.Config:
        self._path.write_text(text, encoding="utf-8")
        return config.load(str(self._path))


@pytest.fixture
def check(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Checks:
    return Checks(tmp_path, capfd)


def test_exit_codes(check: Checks, tmp_path: Path, trace: Path) -> None:
    none, bad = tmp_path / "none", tmp_path / "bad"
    bad.write_bytes(b"no trace")
    assert check(HOLDS, trace).code == 0
    assert check(HOLDS + FAILS, trace).code == 1
    assert check(HOLDS + FAILS + "fail_on_violation = false\n", trace).code == 0
    assert check(HOLDS + FAILS + "enabled = false\n", trace).code == 0
    assert check(HOLDS, none).code == 2
    assert check(HOLDS, bad).code == 3
    for text in ("", "[otlp]\n", "[[assertion]]\n", "["):
        done = check(text, trace)
        assert done.code == 5
        assert done.lines[-1].startswith("renacer-otel: ")
        assert "renacer.toml" in done.lines[-1]
    assert renacer("check", trace, cwd=tmp_path / "..").code == 5
    done = renacer("check", "nope.renacer", cwd=tmp_path / "..")
    assert (done.code, len(done.lines)) == (2, 2)
    assert done.lines[0] == "renacer-otel: nope.renacer: no such TRACE file"
    assert done.lines[1].startswith("renacer-otel: renacer.toml: No such file")
    assert check("[", none).code == 2
    done = check(HOLDS, "ls", "/")
    assert (done.code, "to check a command: check -- ls /" in done.err) == (125, True)
    assert main(["check"]) == main(["check", str(trace), "--", "true"]) == 125


def test_of_a_command(check: Checks, tmp_path: Path) -> None:
    done = check(HOLDS, "--", "sh", "-c", "echo out; exit 0")
    assert (done.code, done.out) == (0, "out\n")
    assert done.lines[-1] == "sh: 1 holds"
    assert check(FAILS, "--", "true").code == 1
    for how, told in (("exit 7", "exited with 7"), ("kill -9 $$", "was ended by signal 9")):
        done = check(FAILS, "--", "sh", "-c", how)
        assert done.code == 4
        assert f"the command {told}" in done.err
        assert "violated: none" in done.err
    assert check(HOLDS, "--", tmp_path / "none").code == 127
    assert check(HOLDS, "--", tmp_path).code == 126


def test_the_file_of_its_users(check: Checks, tmp_path: Path, trace: Path) -> None:
    out = tmp_path / "out.json"
    text = SEED.replace('"out.json"', json.dumps(str(out))).replace("fail_fast = true\n", "")
    text = text.replace("max_duration_ms = 15", "max_duration_ms = 60000")
    done = check(text.replace("max_spans = 150", "max_spans = 1500"), trace)
    assert done.code == 0, done.out
    # What is for something else is told, once each.
    for section in ("semantic_equivalence", "compression", "lamport_clock", "ci"):
        assert sum(f"[{section}]" in line for line in done.lines) == 1
    line = 1 + text.split("\n").index("compare_with_baseline = true")
    assert f"renacer.toml:{line}: [ci] compare_with_baseline takes no effect here" in done.err
    rows = json.loads(out.read_text(encoding="utf-8"))["results"]
    assert [row["status"] for row in rows] == ["holds"] * 5 + ["disabled"]


def test_reports(check: Checks, tmp_path: Path, trace: Path) -> None:
    text = HOLDS + FAILS + assertion("rss", "memory_usage", max_bytes=1, tracking_mode="rss")
    text += assertion("off", "span_count", max_spans=0, enabled=False)
    text += assertion("soft <&>", "span_count", max_spans=0, fail_on_violation=False)
    done = check(text, "--format", "json", trace)
    made = json.loads(done.out)
    assert (done.code, made["exit_code"], made["format"]) == (1, 1, "renacer-check-v1")
    statuses = ["holds", "violated", "unknown", "disabled", "warning"]
    assert [row["status"] for row in made["results"]] == statuses
    row = made["results"][1]
    assert (row["expected"], row["unit"], row["line"], row["type"]) == (0, "spans", 5, "span_count")
    assert row["actual"] > 20
    assert "openat" in row["evidence"][0]
    done = check(text, "--format", "junit", "-o", tmp_path / "junit.xml", trace)
    assert (done.code, done.out) == (1, "")
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == [*"5111"]
    tags = ["system-out", "failure", "error", "skipped", "system-out"]
    assert [case[0].tag for case in suite.iter("testcase")] == tags
    done = check(text, trace)
    said = [line.partition(":")[0] for line in done.out.splitlines()[:-1] if line[0] != " "]
    assert said == statuses
    assert done.out.splitlines()[-1].endswith(
        ": 1 holds, 1 violated, 1 unknown, 1 disabled, 1 warning"
    )


def test_a_report_that_cannot_be_written(check: Checks, tmp_path: Path, trace: Path) -> None:
    path = tmp_path / "none" / "out.json"
    export = f"[ci]\nexport_path = {json.dumps(str(path))}\n"
    for text, code in ((HOLDS, 125), (HOLDS + FAILS, 1)):
        done = check(text + export, trace)
        assert (done.code, len(done.lines)) == (code, 1)
        assert f"[ci] export_path {path}: No such file or directory; name a file" in done.err
        assert "renacer.toml:" in done.err
        assert " -o " not in done.err
        assert done.out.splitlines()[-1].startswith(str(trace))
    assert check(FAILS + export, "--", "sh", "-c", "exit 7").code == 4
    path.parent.mkdir()
    assert check(HOLDS + export, trace).code == 0
    assert json.loads(path.read_text(encoding="utf-8"))["exit_code"] == 0


def test_what_cannot_be_known(check: Checks, tmp_path: Path, trace: Path) -> None:
    text = assertion("rss", "memory_usage", max_bytes=1 << 40, tracking_mode="rss")
    done = check(text, trace)
    assert done.code == 125
    assert "capture it with --capture rss" in done.out
    assert check(text + "fail_on_violation = false\n", trace).code == 0
    # What holds as far as a trace goes that was cut short need not hold; what does not, does not.
    cut = tmp_path / "cut"
    cut.write_bytes(trace.read_bytes()[:-50])
    assert check(HOLDS, cut).code == 125
    assert check(FAILS, cut).code == 1
    some = tmp_path / "some"
    done = renacer("--format", "record", "-o", some, "-e", "trace=openat,close", "--", "true")
    assert done.code == 0, done.err
    opens = assertion("opens", "anti_pattern", pattern="OpenStorm")
    assert check(opens, some).code == 125  # it needs open, too
    done = check(opens.replace("OpenStorm", "TightLoop"), some)
    assert (done.code, "cannot be known: -e trace= left out calls" in done.out) == (125, True)
    count = assertion("count", "span_count", max_spans=99, span_name_pattern="^openat$")
    assert check(count, some).code == 0
    done = check(count.replace("^openat$", "^open"), some)
    assert (done.code, "left out calls" in done.out) == (125, True)
    done = check(assertion("m", "memory_usage", max_bytes=1 << 40), some)
    assert (done.code, "it needs all of mmap, munmap" in done.out) == (125, True)


def test_patterns_of_names(check: Checks, tmp_path: Path, trace: Path) -> None:
    text = assertion("path", "critical_path", max_duration_ms=0, trace_name_pattern="^zsh$")
    text += assertion("god", "anti_pattern", pattern="GodProcess", process_name_pattern="none")
    text += assertion("spans", "span_count", max_spans=0, span_name_pattern="^bind$")
    done = check(text, trace)
    assert done.code == 0
    assert done.out.count("not for this trace: ") == 2
    text = assertion("path", "critical_path", max_duration_ms=0, trace_name_pattern="^sh$")
    done = check(text, trace)
    assert done.code == 1
    assert "added by tracing and taken off" in done.out
    assert "wait" in done.out  # the shell for its child
    text = assertion("execs", "span_count", max_spans=1, span_name_pattern="^execve")
    done = check(text, trace)
    assert done.code == 1


def test_a_pattern_that_fits_no_call_is_told(check: Checks, trace: Path) -> None:
    def warned(pattern: str, most: int = 0) -> list[str]:
        done = check(assertion("x", "span_count", max_spans=most, span_name_pattern=pattern), trace)
        assert done.code == 0
        return [line.strip() for line in done.out.splitlines() if "warning: " in line]

    told = "warning: no system call has a name with /^fsynk$/, so this always holds"
    assert warned("^fsynk$") == [f"{told}; did you mean fsync?"]
    assert warned("GET /") != []
    # What is not in the trace may be in another.
    assert warned("^fsync$") == warned("mq_open|waitpid") == warned("^read$", 1000) == []


def test_a_threshold_of_0_is_for_any_sign(
    check: Checks, trace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = assertion("none", "anti_pattern", pattern="TinyReads", threshold=0)
    done = check(text, trace)
    assert (done.code, "TinyReads does not show: severity 0.00" in done.out) == (0, True)
    rules = importlib.import_module("renacer_otel.analysis.assertions.rules_io").RULES
    for severity, code in ((0.001, 1), (0.0, 0)):
        faint = rules["TinyReads"]._replace(find=lambda _, it=severity: [Finding(it, "faint", 1)])
        monkeypatch.setitem(rules, "TinyReads", faint)
        done = check(text, trace)
        assert (done.code, f"severity {severity or '0.00'}, " in done.out) == (code, True)


def test_assertions_in_sql(check: Checks, trace: Path) -> None:
    pytest.importorskip("duckdb", reason="needs duckdb")
    holds = assertion("all", "custom", expression="(SELECT count(*) FROM calls) > 20")
    finds = assertion("none", "custom", expression="SELECT name FROM calls WHERE name = 'execve'")
    assert check(holds, trace).code == 0
    done = check(holds + finds, trace)
    assert done.code == 1
    assert "name = execve" in done.out
    done = check(assertion("bad", "custom", expression="SELEC 1"), trace)
    assert done.code == 5
    assert "renacer.toml: 'bad': " in done.lines[-1]


def test_sql_that_cannot_be_answered_fails_alone(
    check: Checks, trace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("duckdb", reason="needs duckdb")
    asked = importlib.import_module("renacer_otel.analysis.sql.evaluate")
    answer = asked.answer

    def limited(run: Replay, sql: str, *, seconds: float = 60.0) -> object:
        return answer(run, sql, seconds=0.3 if "range" in sql else seconds)

    monkeypatch.setattr(asked, "answer", limited)
    rows = "range(1000000) a, range(1000000) b WHERE a.range % 7 = b.range % 5"
    slow = assertion("slow", "custom", expression=f"(SELECT count(*) FROM {rows}) > 0")
    cast = "(SELECT sum(CAST(name AS INTEGER)) FROM calls) > 0"
    done = check(slow + assertion("cast", "custom", expression=cast) + HOLDS, trace)
    assert done.code == 125
    lines = done.out.splitlines()
    assert lines[0].endswith(
        "slow: cannot be known: the query took longer than 0.3 s and was ended"
    )
    assert lines[1].startswith("unknown: cast: cannot be known: SQL: Conversion Error")
    assert lines[2].startswith("holds: few: ")
    assert check(slow + FAILS, trace).code == 1
    evaluate.check_expressions(check.config(slow))


def test_sql_that_asks_for_something_else(check: Checks, trace: Path) -> None:
    pytest.importorskip("duckdb", reason="needs duckdb")
    always = assertion("always", "custom", expression="count(*) < 5 -- FROM calls")
    never = assertion("never", "custom", expression="SELECT count(*) AS n FROM calls WHERE pid = 0")
    null = assertion("null", "custom", expression="(SELECT max(pid) FROM calls WHERE pid = 0) = 1")
    lines = check(always + never + null, trace).out.splitlines()
    assert lines[0] == "holds: always: the expression holds"
    assert lines[1].startswith("    warning: it has no FROM, so it looks at nothing of the trace")
    assert lines[4].startswith(
        "    warning: a SELECT holds if it finds no row, and this one always"
    )
    assert lines[6] == "violated: null: the expression does not hold: it is NULL, which is not true"
    for fine in (
        "(SELECT count(*) FROM calls) > 0", "SELECT count(*) > 0 FROM calls",
        "SELECT count(*), name FROM calls GROUP BY name HAVING count(*) > 900",
    ):  # fmt: skip
        done = check(assertion("fine", "custom", expression=fine), trace)
        assert (done.code, "warning" in done.out) == (0, False), fine
    done = check(assertion("bad", "custom", expression="name = 'read'"), trace)
    assert (done.code, "it has no FROM" in done.lines[-1]) == (5, True)


def test_sql_is_looked_at_before_the_command_runs(check: Checks) -> None:
    pytest.importorskip("duckdb", reason="needs duckdb")
    for sql in ("SELEC 1", "SELECT there FROM nowhere", "1 + 1", "DROP TABLE calls"):
        done = check(HOLDS + assertion("bad", "custom", expression=sql), "--", "echo", "ran")
        assert (done.code, done.out) == (5, ""), sql
        assert "renacer.toml: 'bad': " in done.lines[-1]
    # What only a trace can tell is no fault of the SQL.
    for sql in ("(SELECT max(duration_ns) FROM calls) > 0", "SELECT 1 / count(*) FROM calls"):
        kind = {"fail_on_violation": False, "expression": sql}
        done = check(HOLDS + assertion("good", "custom", **kind), "--", "echo", "ran")
        assert (done.code, done.out) == (0, "ran\n"), done.err


def test_an_endpoint_that_is_none(check: Checks, trace: Path) -> None:
    bad = HOLDS + '[otlp]\nenabled = true\nendpoint = "ftp://there"\n'
    for words in ([trace], ["--", "echo", "ran"]):
        done = check(bad, *words)
        assert (done.code, done.out) == (5, "")
        assert "renacer.toml:7: [otlp] endpoint: write it as http://" in done.lines[-1]
    assert check(bad.replace("true", "false"), trace).code == 0


RESIDENT = """
import os, signal, sys
if os.fork() == 0:
    block = bytearray(b"x") * (48 << 20)
    if sys.argv[1] != "0":
        os.kill(os.getpid(), int(sys.argv[1]))
    os._exit(0)
os.wait()
"""


def test_resident_memory(check: Checks, tmp_path: Path) -> None:
    def limit(mebibytes: int) -> str:
        return assertion("rss", "memory_usage", max_bytes=mebibytes << 20, tracking_mode="rss")

    # By its own exit, and by a signal that is seen to come.
    for end in ("0", "15"):
        words = ["--", sys.executable, "-ISc", RESIDENT, end]
        done = check(limit(40), *words)
        assert done.code == 1, done.err
        peak = int(re.findall(r"had ([\d,]+) bytes resident", done.err)[0].replace(",", ""))
        assert 48 << 20 <= peak < 96 << 20
        assert check(limit(200), *words).code == 0
    # By one that is not.
    words[-1] = "9"
    done = check(limit(200), *words)
    assert done.code == 125
    assert "cannot be known: it is not known of python" in done.err
    # What was there before the command is not its own.
    assert check(limit(8), "--", "true").code == 0


def test_resident_memory_of_a_trace(check: Checks, tmp_path: Path, trace: Path) -> None:
    text = assertion("rss", "memory_usage", max_bytes=1 << 20, tracking_mode="rss")
    done = check(text, trace)
    assert (done.code, "capture it with --capture rss" in done.out) == (125, True)
    more = tmp_path / "more.renacer"
    for engine in ("ptrace", "python"):
        options = ("--format", "record", "-o", more, "--capture", "hashes,rss", "--engine", engine)
        assert renacer(*options, "--", "sh", "-c", "cat </dev/null; exit 0").code == 0
        done = check(text, more)
        assert done.code == 1
        assert re.search(r"^ +\w+\[\d+\] had [1-9][\d,]+ bytes resident at most$", done.out, re.M)


def test_fail_fast(check: Checks, tmp_path: Path, trace: Path) -> None:
    soft = assertion("soft", "span_count", max_spans=0, fail_on_violation=False)
    done = check(soft + FAILS + HOLDS + "[ci]\nfail_fast = true\n", trace)
    said = [line.partition(":")[0] for line in done.out.splitlines()[:-1] if line[0] != " "]
    assert said == ["warning", "violated", "not reached"]


def test_lenient(check: Checks, tmp_path: Path, trace: Path) -> None:
    text = HOLDS + "max_span = 3\n"
    assert check(text, trace).code == 5
    done = check(text, "--lenient", trace)
    assert done.code == 0
    assert "warning: " in done.err


def test_a_severity_is_shown_on_its_side_of_the_threshold() -> None:
    assert evaluate.beside(0.6989700043, 0.7) == "0.699"
    assert evaluate.beside(0.7, 0.7) == "0.70"
    assert evaluate.beside(0.3, 0.7) == "0.30"
    assert evaluate.beside(0.0012, 0.7) == "0.001"
    assert evaluate.beside(0.50001, 0.500001) == "0.50001"
    assert evaluate.beside(0.49999999999999994, 0.5) == "0.49999999999999994"


def test_json_of_a_file_whose_name_is_no_utf_8(check: Checks, tmp_path: Path, trace: Path) -> None:
    named = tmp_path / os.fsdecode(b"a\xff")
    named.symlink_to(trace)
    done = check(HOLDS, "--format", "json", named)
    assert json.loads(done.out)["trace"] == f"{tmp_path}/a\\xff"


def test_every_pattern_can_be_asked_for(check: Checks, tmp_path: Path, trace: Path) -> None:
    text = "".join(assertion(name, "anti_pattern", pattern=name) for name in patterns.ours())
    done = check(text, trace)
    assert done.code == 0, done.out
    assert done.out.count("holds: ") == len(patterns.ours())
