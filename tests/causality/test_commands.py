# SPDX-License-Identifier: MIT
"""`renacer-otel report` and `explain` over a real trace: what they print, and how they fail."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.tool import renacer

CODE = "echo from a child | cat; exit 3"


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "run.renacer"
    done = renacer("-q", "--format", "record", "-o", path, "--", "sh", "-c", CODE)
    assert (done.code, done.out) == (3, "from a child\n"), done.err
    return path


def test_graph(trace: Path, tmp_path: Path) -> None:
    for form, begins in (("dot", "digraph"), ("mermaid", "flowchart"), ("json", "{")):
        printed = renacer("report", trace, "--format", form)
        assert (printed.code, printed.err) == (0, "")
        assert printed.out.startswith(begins)
        kept = renacer("report", "--view=causality", trace, "--format", form, "-o", tmp_path / "g")
        assert (kept.code, kept.out, kept.err) == (0, "", "")
        assert (tmp_path / "g").read_text() == printed.out
    assert renacer("report", trace).out.startswith("digraph")
    nodes = json.loads(renacer("report", trace, "--format", "json").out)["nodes"]
    assert len(nodes) == 3
    threads = json.loads(renacer("report", trace, "--format", "json", "--by", "thread").out)
    assert [node["tid"] for node in threads["nodes"]] == [node["pid"] for node in nodes]


def test_critical_path(trace: Path) -> None:
    found = json.loads(renacer("report", trace, "--view", "critical-path", "--format", "json").out)
    assert found["total"] == found["running"] + found["kernel"] + found["blocked"] > 0
    assert found["whole"] is True
    steps = found["steps"]
    assert steps[0]["first"] == 1
    text = renacer("report", trace, "--view", "critical-path")
    assert (text.code, text.err) == (0, "")
    assert text.out.startswith("critical path: ")
    assert f"#{steps[-1]['first']} to #{steps[-1]['last']}" in text.out


def test_explain(trace: Path, tmp_path: Path) -> None:
    nodes = json.loads(renacer("report", trace, "--format", "json").out)["nodes"]
    pid = str(nodes[0]["pid"])
    done = renacer("explain", trace, f"{pid}:execve", f"{pid}:exit_group")
    assert (done.code, done.err) == (0, "")
    assert "A is before B.\n" in done.out
    done = renacer("explain", trace, f"{pid}:exit_group", f"{pid}:execve", "--format", "json")
    assert json.loads(done.out)["relation"] == "after"
    done = renacer("explain", trace, f"{pid}:mmap[-1]", f"{pid}:mmap", "--format=json")
    found = json.loads(done.out)
    assert (found["relation"], found["proofs"][0]["edges"]) == ("after", [])
    kept = renacer("explain", trace, pid, "#5", "-o", tmp_path / "e")
    assert (kept.code, kept.out) == (0, "")
    assert re.search(r"^A and B overlap", (tmp_path / "e").read_text(), re.MULTILINE)


COMMANDS = [("report",), ("report", "--view", "critical-path"), ("explain",)]


@pytest.mark.parametrize("command", COMMANDS)
def test_exit_codes(trace: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    ends = ("#1", "#2") if command[0] == "explain" else ()

    def run(path: Path | str, *more: str | Path) -> tuple[int, str]:
        done = renacer(*command, path, *ends, *more)
        assert done.out == ""
        return done.code, done.error

    assert run(tmp_path / "none")[0] == 2
    bad = tmp_path / "bad"
    bad.write_bytes(b"not a trace")
    assert run(bad)[0] == 3
    damaged = bytearray(trace.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    bad.write_bytes(damaged)
    assert run(bad)[0] == 3
    code, told = run(trace, "-o", tmp_path / "no" / "such")
    assert (code, "No such file or directory" in told) == (125, True)
    assert run(trace, "--format", "xml")[0] == 125


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--frmat", "dot"], "there is no option --frmat; did you mean --format?"),
        (["-x"], "there is no option -x; see renacer-otel report --help"),
        (["more"], "not expected: more; see renacer-otel report --help"),
        (["--view", "casuality"], "did you mean causality?"),
        (["--format", "text"], "--view causality --format: 'text' is not one of dot"),
        (["--view", "critical-path", "--by", "thread"], "--by is for --view causality"),
        (["--by", "pid"], "not one of process, thread"),
    ],
)
def test_usage_errors(trace: Path, words: list[str], told: str) -> None:
    done = renacer("report", trace, *words)
    assert (done.code, done.out) == (125, "")
    assert told in done.error


def test_a_trace_that_was_cut_short(trace: Path, tmp_path: Path) -> None:
    from renacer_otel.ring import trace_format as form

    raw = trace.read_bytes()
    end = raw.rindex(form.FRAME_MAGIC)
    (tmp_path / "cut").write_bytes(raw[:end])
    done = renacer("report", tmp_path / "cut", "--format", "json")
    assert done.code == 0
    assert "was cut short" in done.error
    assert json.loads(done.out)["whole"] is False


def test_a_trace_of_some_calls(tmp_path: Path) -> None:
    """Who made whom is not in it: that two are concurrent is not to be believed."""
    path = tmp_path / "some"
    words = ("-q", "-e", "trace=execve", "--format", "record", "-o", path, "--", "sh", "-c")
    assert renacer(*words, "cat /dev/null; :").code == 0
    done = renacer("report", path, "--format", "json")
    told = "only the calls of -e trace= are in it; causes may be missing"
    assert (done.code, told in done.error) == (0, True)
    found = json.loads(done.out)
    assert found["whole"] is False
    shell = found["nodes"][0]["pid"]
    done = renacer("explain", path, f"{shell}:execve", "cat:execve")
    assert (done.code, "A and B are concurrent" in done.out) == (0, True)
    assert "Causes may be missing in this trace" in done.out


@pytest.mark.parametrize("command", ["report", "explain"])
def test_help(command: str) -> None:
    done = renacer(command, "--help")
    assert (done.code, done.err) == (0, "")
    assert "TRACE" in done.out
    assert "Exit code 0; 2 if there is no such TRACE file, 3 if it cannot be read." in done.out
