# SPDX-License-Identifier: MIT
"""The assertions of renacer.toml as tests."""

from __future__ import annotations

import pytest

from tests.cli.tool import renacer

TOML = """
[[assertion]]
name = "few calls"
type = "span_count"
max_spans = 3

[[assertion]]
name = "many calls"
type = "span_count"
max_spans = 100000

[[assertion]]
name = "a warning"
type = "span_count"
span_name_pattern = "openat"
max_spans = 0
fail_on_violation = false

[[assertion]]
name = "off"
type = "span_count"
max_spans = 0
enabled = false

[[assertion]]
name = "resident"
type = "memory_usage"
max_bytes = 1
tracking_mode = "rss"
"""
COMMAND = "renacer_command = sh -c 'echo run >> runs; cat part/of/it'\n"


@pytest.fixture
def tree(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with a renacer.toml and a test."""
    (pytester.path / "renacer.toml").write_text(TOML)
    pytester.mkdir("part")
    (pytester.path / "part" / "of").mkdir()
    (pytester.path / "part" / "of" / "it").write_text("content\n")
    (pytester.path / "part" / "test_it.py").write_text("def test_it(): pass\n")
    return pytester


def settings(tree: pytest.Pytester, text: str) -> None:
    (tree.path / "pytest.ini").write_text(f"[pytest]\n{text}")


def test_items(tree: pytest.Pytester) -> None:
    settings(tree, "renacer_assertions = true\n" + COMMAND)
    done = tree.runpytest_subprocess("-v", "-rs")
    done.assert_outcomes(passed=4, failed=2, skipped=1, warnings=1)
    out = done.stdout
    out.fnmatch_lines_random(
        [
            "renacer.toml::the command succeeds PASSED*",
            "renacer.toml::few calls FAILED*",
            "renacer.toml::many calls PASSED*",
            "renacer.toml::a warning PASSED*",
            "renacer.toml::off SKIPPED*",
            "renacer.toml::resident FAILED*",
            "part/test_it.py::test_it PASSED*",
        ]
    )
    out.fnmatch_lines(
        [
            "violated: few calls (span_count): there are * spans of calls, more than 3",
            "    actual: * spans",
            "    expected: at most 3 spans",
            "    *openat*",
        ]
    )
    out.fnmatch_lines(
        ["violated: resident (memory_usage): a process had * bytes resident at most, more than 1"]
    )
    out.fnmatch_lines(["*AssertionWarning: warning: a warning (span_count): *"])
    out.no_fnmatch_line("*Traceback*")
    assert (tree.path / "runs").read_text() == "run\n"


def test_one_of_them_and_a_warning_as_error(tree: pytest.Pytester) -> None:
    settings(tree, "renacer_assertions = true\n" + COMMAND)
    named = ["renacer.toml::many calls", "renacer.toml::a warning"]
    done = tree.runpytest_subprocess(*named, "-W", "error")
    done.assert_outcomes(passed=1, failed=1)


def test_named_file_and_workers(tree: pytest.Pytester) -> None:
    """It is collected beside what testpaths says."""
    (tree.path / "renacer.toml").rename(tree.path / "bounds.toml")
    settings(tree, "testpaths = part\nrenacer_toml = bounds.toml\n" + COMMAND)
    done = tree.runpytest_subprocess("-n", "2", "--dist", "loadfile")
    done.assert_outcomes(passed=4, failed=2, skipped=1, warnings=1)
    assert (tree.path / "runs").read_text() == "run\n"


def test_trace_file(tree: pytest.Pytester) -> None:
    assert renacer("--format", "record", "-o", tree.path / "it.renacer", "-q", "true").code == 0
    settings(tree, "renacer_assertions = true\nrenacer_trace = it.renacer\n")
    done = tree.runpytest_subprocess("renacer.toml", "-k", "calls")
    done.assert_outcomes(passed=1, failed=1, deselected=3)


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        ("sh -c 'echo so; echo bad >&2; exit 3'", ["*exited with 3", "*so", "*bad"]),
        ("./absent", ["*no such command*"]),
    ],
)
def test_command_that_fails(tree: pytest.Pytester, command: str, lines: list[str]) -> None:
    settings(tree, f"renacer_assertions = true\nrenacer_command = {command}\n")
    done = tree.runpytest_subprocess("renacer.toml", "-k", "succeeds")
    done.assert_outcomes(failed=1, deselected=5)
    done.stdout.fnmatch_lines(lines)
    done.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize(
    ("text", "toml", "line"),
    [
        ("", TOML, "renacer.toml: say what its assertions are about: renacer_command*"),
        ("renacer_trace = absent.renacer\n", TOML, "*absent.renacer*"),
        (
            COMMAND,
            TOML.replace("max_spans", "max_span"),
            "*renacer.toml:5:*did you mean max_spans?",
        ),
    ],
)
def test_wrong_settings(tree: pytest.Pytester, text: str, toml: str, line: str) -> None:
    (tree.path / "renacer.toml").write_text(toml)
    settings(tree, f"renacer_assertions = true\n{text}")
    done = tree.runpytest_subprocess()
    assert done.ret == pytest.ExitCode.INTERRUPTED
    done.stdout.fnmatch_lines([line])


def test_pairs_of_traces(pytester: pytest.Pytester) -> None:
    """They are compared without a run, and with no assertion beside them."""
    for folder, words in (("python", ["same", "same"]), ("rust", ["same", "other"])):
        pytester.mkdir(folder)
        for name, word in zip(("a", "b"), words, strict=True):
            trace = pytester.path / folder / f"{name}.renacer"
            given = ["--format", "record", "--capture", "hashes", "-q", "-o"]
            assert renacer(*given, trace, "echo", word).code == 0
    section = (
        '[semantic_equivalence]\npython_trace_dir = "python"\nrust_trace_dir = "rust"\n'
        'baseline_dir = "absent"\n'
    )
    (pytester.path / "renacer.toml").write_text(section)
    settings(pytester, "renacer_assertions = true\n")
    done = pytester.runpytest_subprocess("-v")
    done.assert_outcomes(passed=1, failed=1, warnings=1)
    out = done.stdout
    out.fnmatch_lines(["renacer.toml::equivalence of a* PASSED*"])
    out.fnmatch_lines(["violated: equivalence of b* (semantic_equivalence): not equal, *"])
    out.fnmatch_lines(["    expected: at least 0.* confidence"])
    out.fnmatch_lines(["*renacer.toml:4: * no such folder*: baseline_dir = absent"])


SQL = """
[[assertion]]
name = "some calls"
type = "custom"
expression = "(SELECT count(*) FROM calls) > 5"

[[assertion]]
name = "no writes"
type = "custom"
expression = "SELECT name FROM calls WHERE name = 'write'"

[[assertion]]
name = "too much"
type = "custom"
expression = "length(repeat('x', 4000000000)) > (SELECT count(*) FROM calls)"
"""


@pytest.mark.parametrize("words", [(), ("-n", "2")])
def test_sql(tree: pytest.Pytester, words: tuple[str, ...]) -> None:
    """In this process beside its threads, and in those of xdist, where warnings are errors."""
    pytest.importorskip("duckdb", reason="needs duckdb")
    (tree.path / "renacer.toml").write_text(SQL)
    settings(tree, "renacer_assertions = true\nfilterwarnings = error\n" + COMMAND)
    (tree.path / "conftest.py").write_text(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=[300], daemon=True).start()\n"
    )
    done = tree.runpytest_subprocess(*words)
    done.assert_outcomes(passed=3, failed=2)
    text = done.stdout.str()
    assert "violated: no writes (custom): the expression does not hold" in text
    assert "name = write" in text
    assert "cannot be known: the query needs more than 256 MB" in text
    assert "Warning" not in text
