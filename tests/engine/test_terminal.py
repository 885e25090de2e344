# SPDX-License-Identifier: MIT
"""At a terminal: keys reach the command, the tracer lives on; jobs stop and go on."""

from __future__ import annotations

import os
import shlex
import signal
from pathlib import Path

import pytest

from tests.engine.terminal import Terminal
from tests.engine.tools import traced

QUIET = ("-o", os.devnull)
INT, QUIT = int(signal.SIGINT), int(signal.SIGQUIT)
KEYS = {INT: "\x03", QUIT: "\x1c"}


@pytest.mark.parametrize("number", KEYS)
def test_a_key_is_the_command_s_and_the_tracer_ends_as_it_ends(subject: Path, number: int) -> None:
    with Terminal([*traced(*QUIET), subject, "signals", "handles", str(number)]) as terminal:
        terminal.read_until("ready")
        terminal.type(KEYS[number])
        terminal.read_until("handled")
        assert terminal.wait() == 7


@pytest.mark.parametrize("number", KEYS)
def test_a_key_that_ends_the_command(subject: Path, number: int) -> None:
    with Terminal([*traced(*QUIET), subject, "signals", "dies-of", str(number)]) as terminal:
        terminal.read_until("ready")
        terminal.type(KEYS[number])
        assert terminal.wait() == -number


def test_the_trace_is_whole_after_ctrl_c(subject: Path, tmp_path: Path) -> None:
    text = tmp_path / "trace.txt"
    words = [*traced("-o", text), subject, "signals", "dies-of", str(INT)]
    with Terminal(words) as terminal:
        terminal.read_until("ready")
        terminal.type(KEYS[INT])
        assert terminal.wait() == -INT
    assert text.read_text().splitlines()[-1].endswith("+++ killed by SIGINT +++")


def test_the_terminal_passes_through() -> None:
    script = "tty; test -t 0 -a -t 1 -a -t 2 && stty size; ps -o tpgid= -o pgid= -p $$"
    with Terminal(["sh", "-c", script]) as terminal:
        terminal.read_until("\n")
    with Terminal([*traced(*QUIET), "sh", "-c", "test -t 0 -a -t 1 -a -t 2 && echo at $(tty)"]) as (
        terminal
    ):
        assert "at /dev/pts/" in terminal.read_until("\n")
        assert terminal.wait() == 0


def prefix(is_traced: bool) -> str:
    """What to type before a command."""
    return shlex.join(map(str, traced(*QUIET))) + " " if is_traced else ""


@pytest.mark.needs("bash")
@pytest.mark.parametrize("how", ["terminal", "handler"])
@pytest.mark.parametrize("is_traced", [False, True], ids=["bare", "traced"])
def test_a_job_stops_and_goes_on(subject: Path, is_traced: bool, how: str) -> None:
    """Ctrl-Z stops the job, its handler first; fg goes on with it, and so again."""
    with Terminal(["bash", "--norc", "--noprofile", "-i"]) as terminal:
        terminal.read_until("prompt> ")
        terminal.type(f"{prefix(is_traced)}{subject} job {how}\n")
        terminal.read_until("ready")
        for turn in range(2):
            terminal.type("\x1a")
            if how == "handler" and turn == 0:
                terminal.read_until("handler")
            terminal.read_until("Stopped")
            terminal.read_until("prompt> ")
            terminal.type("jobs\n")
            terminal.read_until("Stopped")
            terminal.read_until("prompt> ")
            terminal.type("fg\n")
            terminal.read_until("job")
            terminal.type(f"line {turn}\n")
            terminal.read_until(f"got line {turn}")
        terminal.end_job()
