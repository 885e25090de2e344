# SPDX-License-Identifier: MIT
"""The python engine at births, failed starts, Ctrl-Z and with what a command leaves behind."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from tests.engine.terminal import Terminal
from tests.engine.test_births import KINDS, told
from tests.engine.test_python_engine import PYTHON
from tests.engine.test_signals import left_behind_is_let_go
from tests.engine.tools import (
    START,
    environment,
    execute,
    record,
    running,
    traced,
)

QUIET = ("-o", os.devnull)


@pytest.mark.parametrize("kind", KINDS)
def test_births(subject: Path, tmp_path: Path, kind: str) -> None:
    seen = []
    for engine in ("ptrace", "python"):
        folder = tmp_path / engine
        folder.mkdir()
        run = record(folder, [subject, "births", kind], "--engine", engine)
        starts = [event for event in run.events if event.kind == START]
        last = told(run.done.output)
        names = {tid: at for at, tid in enumerate(event.tid for event in starts)}
        births = [
            (names[event.pid], names.get(event.args[1], -1), event.args[3], event.args[4])
            for event in starts
        ]
        seen.append((run.done.status, last[0] in names, last[1], births))
    assert seen[1] == seen[0]
    assert seen[0][:2] == (0, True)


SCRIPTS = {
    "missing": None,
    "not-executable": (0o644, "#!/bin/sh\n"),
    "no-interpreter": (0o755, "#!/no/such/interpreter\n"),
    "its-interpreter-is-not-executable": (0o755, "#!/etc/passwd\n"),
    "no-program": (0o755, "\x7fELF\0and nothing else"),
    "empty": (0o755, ""),
    "plain": (0o755, "echo $0; exit 5\n"),
}


@pytest.mark.parametrize("core", [True, False], ids=["core", "alone"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_start_that_fails(tmp_path: Path, name: str, core: bool) -> None:
    path = tmp_path / name
    if made := SCRIPTS[name]:
        path.write_text(made[1])
        path.chmod(made[0])
    native, ours = (
        execute(
            [*traced("-o", tmp_path / "out", "--engine", engine), path],
            environment(RENACER_DISABLE="" if core or engine == "ptrace" else "core"),
        )
        for engine in ("ptrace", "python")
    )
    told_of_it = ours.errors.splitlines()[0 if core else 1 :]
    assert (ours.status, ours.output) == (native.status, native.output)
    assert told_of_it == native.errors.splitlines()
    assert ours.status == (5 if name == "plain" else
                           127 if name in ("missing", "no-interpreter") else 126)  # fmt: skip


@pytest.mark.needs("bash")
def test_ctrl_z(subject: Path) -> None:
    prefix = shlex.join(map(str, traced(*QUIET, *PYTHON)))
    with Terminal(["bash", "--norc", "--noprofile", "-i"]) as terminal:
        terminal.read_until("prompt> ")
        terminal.type(f"{prefix} {subject} job terminal\n")
        terminal.read_until("ready")
        terminal.type("\x1a")
        terminal.read_until("Stopped")
        terminal.read_until("prompt> ")
        terminal.type("fg\n")
        terminal.read_until("job")
        terminal.type("line\n")
        terminal.read_until("got line")
        terminal.end_job()


@pytest.mark.parametrize("core", [True, False], ids=["core", "alone"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_left_behind_is_let_go(tmp_path: Path, number: int, core: bool) -> None:
    disable, told_before = ("", 0) if core else ("core", 1)
    left_behind_is_let_go(
        tmp_path / "run.renacer", number, *PYTHON, disable=disable, told_before=told_before
    )


def test_children_of_others_are_not_waited_for(tmp_path: Path) -> None:
    """Nor their ends taken: of the command of -o, and of whoever became us by exec."""
    out = tmp_path / "out"
    words = shlex.join(map(str, traced("-o", f"|cat > {out}; exit 3", *PYTHON)))
    script = f"exec 3<&0; (read x) <&3 >/dev/null 2>&1 & exec {words} true"
    with running(["sh", "-c", script], stderr=subprocess.PIPE) as process:
        assert process.wait(60) == 0
        assert process.stderr is not None
        errors = process.stderr.read()
        process.stderr.close()
    assert "exited with 3" in errors
    assert "exit_group(0)" in out.read_text()
