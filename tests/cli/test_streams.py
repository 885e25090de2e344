# SPDX-License-Identifier: MIT
"""Standard streams that are closed, full, or pipes whose reader is gone."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from renacer_otel.cli import terminal
from tests.cli.tool import DENY, RENACER, Done, environ, renacer, run_program

PRINTS = [["--help"], ["run", "--help"], ["--version"], ["doctor"], ["demo", "true"]]


def closing(*descriptors: int) -> Callable[[], None]:
    """Closes these in the child, before it becomes renacer-otel."""

    def close() -> None:
        for number in descriptors:
            os.close(number)

    return close


# What the command finds open, seen by itself: its numbers, and nothing of ours among them.
LOOK = (
    "import os, sys\n"
    "there = [n for n in range(20) if os.path.exists(f'/proc/self/fd/{n}')]\n"
    "open(sys.argv[1], 'w').write(repr(there))\n"
)


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (0, 1, 2)])
def test_closed_streams(closed: tuple[int, ...], tmp_path: Path) -> None:
    look = [sys.executable, "-c", LOOK]
    found = []
    for name, words in (("bare", []), ("traced", [RENACER, "-o", str(tmp_path / "trace"), "--"])):
        seen = tmp_path / name
        done = run_program([*words, *look, seen], preexec_fn=closing(*closed))
        assert done.code == 0
        found.append(seen.read_text())
        if words and 2 not in closed:
            assert done.totals.lost == 0
    assert found[0] == found[1]
    assert "exited with 0" in (tmp_path / "trace").read_text()


def test_exit_code_with_streams_closed() -> None:
    done = renacer("-o", "/dev/null", "sh", "-c", "exit 3", preexec_fn=closing(0, 1, 2))
    assert done.code == 3
    words = ("-o", "/dev/null", "no-such-command")
    assert renacer(*words, preexec_fn=closing(0, 1, 2)).code == 127


def test_text_needs_standard_error(tmp_path: Path) -> None:
    done = renacer("touch", tmp_path / "witness", preexec_fn=closing(2))
    assert done == Done(125, "", "")
    assert not (tmp_path / "witness").exists()


def test_full_standard_error_changes_nothing() -> None:
    with open("/dev/full", "w") as full:
        assert renacer("sh", "-c", "exit 3", stderr=full).code == 3
        assert renacer("-o", "/dev/null", "sh", "-c", "exit 3", stderr=full).code == 3
        assert renacer("no-such-command", stderr=full).code == 127
        assert renacer("--fail-on-loss", "true", stderr=full).code == 125


@pytest.mark.parametrize("words", PRINTS, ids=" ".join)
def test_full_standard_output(words: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = renacer(*words, stdout=full)
    assert done.code == 125
    assert done.error == "standard output: No space left on device; free space there"


@pytest.mark.parametrize("words", PRINTS, ids=" ".join)
def test_closed_standard_output(words: list[str]) -> None:
    done = renacer(*words, preexec_fn=closing(1))
    assert done.err == ""
    assert done.code == 0


@pytest.mark.parametrize("words", PRINTS, ids=" ".join)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_reader_that_is_gone(words: list[str], unbuffered: str) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w") as pipe:
        done = renacer(*words, stdout=pipe, env=environ(PYTHONUNBUFFERED=unbuffered))
    assert done.err == ""
    assert done.code == 125


def test_output_that_cannot_show_all_characters() -> None:
    done = renacer("demo", "true", env=environ(PYTHONIOENCODING="ascii"))
    assert done.code == 0
    assert done.out.isascii()
    assert "`- true" in done.out
    done = renacer("no-such-" + "x" * 200, env=environ(PYTHONIOENCODING="ascii"))
    assert done.code == 127
    assert done.err.isascii()
    assert "\\u2026: no such command" in done.err


@pytest.mark.parametrize(
    ("text", "encoding", "written"),
    [
        ("é \U0001f600\n", "utf-8", "é \U0001f600\n".encode()),
        ("é \U0001f600\n", "ascii", rb"\xe9 \U0001f600" + b"\n"),
        ("é \U0001f600\n", "latin-1", b"\xe9 " + rb"\U0001f600" + b"\n"),
        # It says that it is UTF-8.
        ("<?xml?><a>é</a>", "latin-1", b"<?xml?><a>&#233;</a>"),
    ],
)
def test_reports_where_not_all_characters_can_be_shown(
    text: str, encoding: str, written: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.BytesIO()
    with io.TextIOWrapper(out, encoding=encoding) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        terminal.show(text)
        assert out.getvalue() == written


def test_compare_without_standard_output() -> None:
    words = (RENACER, "compare", "--runs", "1", "--run", "true", "--run", "false")
    done = run_program(["sh", "-c", '"$@" >&-', "sh", *words])
    assert (done.code, done.err) == (4, "")


def test_streams_are_the_commands() -> None:
    """What the command reads and writes goes through untouched, and no trace mixes in."""
    data = bytes(range(256)) * 1000
    words = ("-q", "-o", "/dev/null", "--", "sh", "-c", "cat; cat /proc/self/fdinfo/0 >&2")
    done = subprocess.run(
        [RENACER, *words], input=data, capture_output=True, check=True, timeout=60
    )
    assert done.stdout == data
    assert done.stderr.startswith(b"pos:")


def test_failure_of_ours_has_no_traceback() -> None:
    """A fault in the program itself is told in one line, and where it is only if asked for."""
    code = (
        "import sys\n"
        "from renacer_otel.cli import main, run\n"
        "run.main = None\n"
        "sys.exit(main.main(['true']))\n"
    )
    done = run_program([sys.executable, "-c", code])
    assert done.code == 125
    assert done.error.startswith("internal error: TypeError: ")
    assert "please report it (RENACER_DEBUG=1 shows where)" in done.error
    done = run_program([sys.executable, "-c", code], environ(RENACER_DEBUG="1"))
    assert "Traceback" in done.err


def test_demo_where_tracing_is_forbidden() -> None:
    done = run_program([sys.executable, DENY, "ptrace:EPERM", "--", RENACER, "demo"])
    assert done.code == 125
    assert "forbids ptrace" in done.error
    assert done.out == ""


def test_standard_error_that_does_not_block() -> None:
    """A non-blocking pipe, full before its reader begins: nothing is lost."""
    out, into = os.pipe()
    os.set_blocking(into, False)
    with suppress(BlockingIOError):
        while True:
            os.write(into, b"-" * 4096)
    script = "i=0; while [ $i -lt 1000 ]; do echo; i=$((i + 1)); done >/dev/null; echo done"
    words = [RENACER, "--", "sh", "-c", script]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=into) as process:
        os.close(into)
        assert process.stdout
        assert process.stdout.readline() == b"done\n"
        with os.fdopen(out, "rb") as reader:
            text = reader.read().decode()
    assert process.returncode == 0
    assert text.count('write(1, "\\n", 1)') == 1000
