# SPDX-License-Identifier: MIT
"""`renacer-otel compare --run --timeout`: what takes longer is ended, with all that it started."""

from __future__ import annotations

import os
import shlex
import tempfile
from typing import TYPE_CHECKING

import pytest

from renacer_otel.cli.main import main
from tests.equivalence.comparing import compared, sh

if TYPE_CHECKING:
    from pathlib import Path

STUBBORN = "trap '' TERM INT HUP; exec 9> {}; {}"
LONG = "sleep 600 & sleep 600"
LEFT = "setsid sh -c 'sleep 600; true' & (sleep 600 &) ; exit 3"


@pytest.mark.parametrize(
    ("script", "what"), [(LONG, "it was not over"), (LEFT, "what it left running was not over")]
)
@pytest.mark.parametrize("which", [0, 1])
def test_all_of_it_is_ended(
    script: str,
    what: str,
    which: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    alive, room = tmp_path / "alive", tmp_path / "room"
    os.mkfifo(alive)
    room.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(room))
    held = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    commands = ["true", "true"]
    commands[which] = sh(STUBBORN.format(shlex.quote(str(alive)), script))
    runs = [word for command in commands for word in ("--run", command)]
    code = main(["compare", "--timeout", "1.5s", *runs])
    out, err = capfd.readouterr()
    assert (code, out) == (4, "")
    assert err.startswith(f"renacer-otel: {'AB'[which]}, sh -c ")
    assert err.endswith(f": {what} in time, and all of it was ended (--timeout 1.5s)\n")
    assert err.count("\n") == 1
    assert os.read(held, 1) == b""  # nobody has it open any more
    os.close(held)
    assert list(room.iterdir()) == []


def test_what_is_over_in_time_is_compared(capfd: pytest.CaptureFixture[str]) -> None:
    assert compared("true", sh("sleep 0.1 &"), "--timeout", "1h")[0] == 0
    for words, told in (
        (["--run", "true", "--run", "true", "--timeout", "5"], "the unit is missing"),
        (["--run", "true", "--run", "true", "--timeout", "0"], "give a duration like 10s"),
        (["a", "b", "--timeout", "5s"], "--timeout is for commands that are run"),
    ):
        assert main(["compare", *words]) == 125
        assert told in capfd.readouterr().err
