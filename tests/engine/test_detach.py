# SPDX-License-Identifier: MIT
"""`--for` with a command: let go of while it runs, it goes on, and we end as it ends."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.engine.attaching import last_words, stat_of, tell, tracer_of, until
from tests.engine.tools import LIMIT, execute, line_of, read_events, ready_pid, running, traced

SOON = ("--for", "50ms")


def test_it_goes_on_and_we_end_as_it_ends(subject: Path, tmp_path: Path) -> None:
    path = tmp_path / "trace"
    with running([*traced("-o", path, *SOON), subject, "attached", "echo"]) as process:
        pid = ready_pid(process)
        until(lambda: tracer_of(pid) == 0)
        tell(process)
        assert line_of(process) == "echo"
        assert last_words(process) == ""
        assert process.wait(LIMIT) == 4
    text = path.read_text()
    assert text.endswith(" <detached ...>\n")
    assert "getppid" not in text


def test_one_that_ends_before() -> None:
    done = execute([*traced("-o", os.devnull, "--for", "1h"), "sh", "-c", "exit 5"])
    assert done.status == 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_signals_are_its_own_still(subject: Path, number: int) -> None:
    words = [*traced("-o", os.devnull, *SOON), subject, "signals", "dies-of", str(int(number))]
    with running(words) as process:
        pid = ready_pid(process)
        until(lambda: tracer_of(pid) == 0)
        process.send_signal(number)
        assert process.wait(LIMIT) == -number


def test_our_death_is_nothing_to_it_any_more(subject: Path) -> None:
    with running([*traced("-o", os.devnull, *SOON), subject, "attached", "echo"]) as process:
        pid = ready_pid(process)
        until(lambda: tracer_of(pid) == 0)
        process.kill()
        process.wait()
        tell(process)
        assert line_of(process) == "echo"
        last_words(process)


def test_births_while_all_are_let_go(subject: Path, test_scale: int) -> None:
    """Those that are being born at that moment live on, too: nobody is missed by its parent."""
    for turn in range(5 * test_scale):
        options = ("-o", os.devnull, "--for", f"{20 + 7 * turn}ms")
        with running([*traced(*options), subject, "attached", "births"]) as process:
            pid = ready_pid(process)
            until(lambda pid=pid: tracer_of(pid) == 0)  # type: ignore[misc]
            time.sleep(0.02)
            assert last_words(process) == "threads 1 children 1"
            assert process.wait(LIMIT) == 0


def test_what_was_recorded_says_when(subject: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.renacer"
    options = ("--format", "record", "-o", path, *SOON)
    with running([*traced(*options), subject, "attached", "echo"]) as process:
        pid = ready_pid(process)
        until(lambda: tracer_of(pid) == 0)
        until(lambda: stat_of(pid) == "S")
        last_words(process)
        assert process.wait(LIMIT) == 4
    last = read_events(path)[-1]
    assert (last.kind, last.pid, last.flags & 64) == (6, pid, 64)
