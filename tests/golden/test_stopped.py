# SPDX-License-Identifier: MIT
"""A signal to what runs commands for itself: all of them end with it, and nothing is written."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from renacer_otel.cli import stopping
from renacer_otel.errors import Stopped
from tests.cli.tool import PATIENCE, RENACER, renacer

STUBBORN = "trap '' TERM INT HUP\nexec 9> alive\nsleep 600 &\necho ready >&9\nsleep 600\n"


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (
            ["golden", "capture", "it", "--in-copy-of", "empty", "--", "sh", "{work}"],
            signal.SIGTERM,
        ),
        (["golden", "check", "it"], signal.SIGINT),
        (["compare", "--run", "sh {work}", "--run", "sh {work}"], signal.SIGHUP),
        (["check", "--config", "few.toml", "--", "sh", "{work}"], signal.SIGTERM),
    ],
)
def test_all_end_with_it(words: list[str], number: signal.Signals, tmp_path: Path) -> None:
    work, alive, room = tmp_path / "work.sh", tmp_path / "alive", tmp_path / "room"
    os.mkfifo(alive)
    for folder in (room, tmp_path / "empty"):
        folder.mkdir()
    work.write_text("true\n")
    few = '[[assertion]]\nname = "few"\ntype = "span_count"\nmax_spans = 9\n'
    (tmp_path / "few.toml").write_text(few)
    if words[1] == "check":
        done = renacer("golden", "capture", "it", "--runs", "1", "--", "sh", work, cwd=tmp_path)
        assert done.code == 0, done.err
    before = sorted(path.name for path in tmp_path.glob("*/*"))
    work.write_text(STUBBORN.replace("alive", str(alive)))
    with subprocess.Popen(
        [RENACER, *(word.format(work=work) for word in words)],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(room)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        with alive.open("rb") as reader:
            assert reader.readline() == b"ready\n"
            process.send_signal(number)
            assert reader.read() == b""  # nobody has it open any more
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (128 + number, b"", b"")
    assert sorted(path.name for path in tmp_path.glob("*/*")) == before


def test_an_error_that_is_made_of_it_is_none() -> None:
    """As DuckDB makes one of what a handler raises in a query."""

    def query() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except Stopped:
            raise RuntimeError("Query interrupted") from None

    with pytest.raises(Stopped), stopping.stopping():
        query()
    with pytest.raises(RuntimeError), stopping.stopping():
        raise RuntimeError("another")
