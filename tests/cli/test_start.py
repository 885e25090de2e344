# SPDX-License-Identifier: MIT
"""Commands that cannot be started, and how those end that can."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.cli.tool import Done, environ, renacer, run_program


def traced(*words: str | bytes | Path, **how: str) -> Done:
    """Traces into nothing, without a last line."""
    return renacer("-q", "-o", "/dev/null", "--", *words, env=environ(**how))


def executable(path: Path, content: bytes, mode: int = 0o755) -> Path:
    """Makes a file with this content."""
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_no_such_command(tmp_path: Path) -> None:
    done = traced("no-such-command")
    assert done.code == 127
    assert done.error == "no-such-command: no such command; check its name and PATH"
    done = traced(tmp_path / "nothing")
    assert done.code == 127
    assert done.error == f"{tmp_path}/nothing: no such command; check its name and PATH"


@pytest.mark.parametrize("path", ["", "/nowhere:/nowhere/else", ":::"])
def test_path_without_the_command(path: str) -> None:
    done = traced("true", PATH=path)
    assert done.code == 127
    assert "true: no such command" in done.error


def test_empty_name() -> None:
    done = traced("")
    assert done.code == 127
    assert done.error == "'': no such command; its name is empty"


def test_interpreter_that_is_not_there(tmp_path: Path) -> None:
    script = executable(tmp_path / "script", b"#!/no/such/interpreter\n")
    done = traced(script)
    assert done.code == 127
    assert "its interpreter is not found" in done.error
    assert str(script) in done.error


def test_directory(tmp_path: Path) -> None:
    done = traced(tmp_path)
    assert done.code == 126
    assert "cannot be executed: Permission denied" in done.error
    assert "directory" in done.error


def test_no_permission(tmp_path: Path) -> None:
    done = traced(executable(tmp_path / "file", b"#!/bin/sh\n", 0o644))
    assert done.code == 126
    assert "chmod +x" in done.error


def test_permission_is_asked_of_each_folder_of_path(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    executable(tmp_path / "first" / "command", b"#!/bin/sh\nexit 9\n", 0o644)
    path = f"{tmp_path}/first:{tmp_path}/second"
    assert traced("command", PATH=path).code == 126
    executable(tmp_path / "second" / "command", b"#!/bin/sh\nexit 7\n")
    assert traced("command", PATH=path).code == 7


def test_interpreter_that_is_a_directory(tmp_path: Path) -> None:
    done = traced(executable(tmp_path / "script", b"#!/\n"))
    assert done.code == 126
    assert "cannot be executed" in done.error


def test_binary_of_another_machine(tmp_path: Path) -> None:
    foreign = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xf3\x00" + bytes(44)
    done = traced(executable(tmp_path / "program", foreign))
    assert done.code == 126
    assert "Exec format error" in done.error


def test_script_without_a_first_line_is_run_by_sh(tmp_path: Path) -> None:
    done = traced(executable(tmp_path / "script", b"echo $1; exit 5\n"), "word")
    assert done == Done(5, "word\n", "")


@pytest.mark.parametrize("code", [0, 1, 2, 125, 126, 127, 255])
def test_exit_code_is_the_commands(code: int) -> None:
    assert traced("sh", "-c", f"exit {code}") == Done(code, "", "")


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGSEGV, signal.SIGPIPE]
)
def test_signal_is_the_commands(number: signal.Signals) -> None:
    assert traced("sh", "-c", f"kill -{number.value} $$").code == -number


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"\x1b[31mred\n\t\x07", r"\x1b[31mred\n\t\x07"),
        ("\u202egnirts".encode(), r"\u202egnirts"),
        (b"\xff\xfe", r"\377\376"),
        (b"$(reboot)", "$(reboot)"),
    ],
)
def test_hostile_name_is_shown_harmless(name: bytes, shown: str) -> None:
    done = traced(name)
    assert done.code == 127
    assert done.error == f"{shown}: no such command; check its name and PATH"


def test_long_names() -> None:
    done = traced("x" * 100_000)
    assert done.code == 127
    assert "no such command" in done.error
    # Longer than the kernel lets anybody pass.
    code = "import sys; from renacer_otel.cli.main import main; sys.exit(main(['x' * (1 << 20)]))"
    done = run_program([sys.executable, "-c", code])
    assert done.code == 127
    assert "no such command" in done.error


def test_hostile_arguments_stay_within_their_line(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    name = b"\x1b]0;title\x07\n+++ exited with 0 +++\n\xff\xc3\x28"
    done = renacer("-s", "4096", "-o", trace, "cat", b"/no/" + name)
    assert done.code == 1
    text = trace.read_bytes()
    assert b"/no/\\33]0;title\\7\\n+++ exited with 0 +++\\n\\377\\303(" in text
    assert all(byte == 10 or 32 <= byte < 127 for byte in text)


def test_a_start_imports_little() -> None:
    """Modules that take milliseconds each, before the command and for a TRACE file."""
    heavy = ["uuid", "shutil", "logging", "numpy", "grpc", "google", "opentelemetry"]
    if sys.version_info < (3, 14):  # whose argparse imports these for its colours
        heavy += ["dataclasses", "inspect"]
    code = (
        "import sys\n"
        "from renacer_otel.cli import main, options, run\n"
        "options.RunParser().parse(['-q', '-o', 'x', '--', 'true'])\n"
        "from renacer_otel.ring import trace_writer\n"
        "from renacer_otel.sidecar import outputs\n"
        "from renacer_otel.spans import context\n"
        f"print(*sorted(set({heavy!r}) & sys.modules.keys()))\n"
    )
    assert run_program([sys.executable, "-c", code]) == Done(0, "\n", "")


@pytest.mark.parametrize("form", ["text", "record", "otlp-json"])
def test_a_run_to_a_file_imports_nothing_that_exports(form: str, tmp_path: Path) -> None:
    heavy = ["renacer_otel.exporters.otlp_settings", "google.protobuf", "grpc", "dataclasses",
             "opentelemetry.sdk.resources", "urllib.parse"]  # fmt: skip
    words = ["-q", "--format", form, "-o", str(tmp_path / "file"), "--", "true"]
    code = (
        "import sys\n"
        "from renacer_otel.cli import main\n"
        f"code = main.main({words!r})\n"
        f"print(code, *sorted(set({heavy!r}) & sys.modules.keys()))\n"
    )
    assert run_program([sys.executable, "-c", code]) == Done(0, "0\n", "")
