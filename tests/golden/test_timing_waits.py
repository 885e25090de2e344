# SPDX-License-Identifier: MIT
"""What a real run waited for, and who else used the machine."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from renacer_otel.analysis.golden import load, waits
from renacer_otel.spans import replay
from tests.cli.tool import renacer

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

MS = 1000
# A thread answers late; then a child does. On a loaded machine who waits may come late, too.
SUBJECT = """
import os, socket, threading, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
def serve():
    c, _ = s.accept(); time.sleep(.4); c.sendall(b"x"); c.close()
t = threading.Thread(target=serve); t.start()
c = socket.create_connection(s.getsockname()); c.recv(1); t.join()
r, w = os.pipe()
if os.fork() == 0:
    time.sleep(.4); os.write(w, b"x"); time.sleep(.4); os._exit(0)
os.read(r, 1); os.wait()
"""


def test_waits_of_a_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    done = renacer("--format", "record", "-o", trace, "--", sys.executable, "-SEc", SUBJECT)
    assert done.code == 0, done.err
    run = replay.of_trace(trace, details=True)
    name = run.processes[1].name
    found = waits.of_run(run)
    assert found[f"{name} waits for its own sleep"] >= 900 * MS  # of the thread and the child
    assert found[f"{name} waits for bytes of 127.0.0.1:*"] >= 50 * MS
    assert found[f"{name} waits for bytes from {name}"] >= 50 * MS
    assert found[f"{name} waits for the end of {name}"] >= 50 * MS
    assert len(found) <= 64
    kinds = waits.by_kind(found)
    assert sum(kinds.values()) == sum(found.values())
    assert kinds[f"{name} waits for the end of a child"] >= 50 * MS


def test_nothing_waited_for(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    words = ("--format", "record", "-o", trace, "-e", "trace=none", "--", "true")
    assert renacer(*words).code == 0
    run = replay.of_trace(trace, details=True)
    assert (waits.of_run(run), waits.least(run)) == ({}, 0)


def test_others_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = load.Load()
    others = subprocess.Popen([sys.executable, "-Sc", "while True: pass"])
    try:
        while mine.others() < load.MOST_OTHERS:  # until it has had a CPU long enough
            time.sleep(0.05)
        assert "other programs took" in mine.why_unfit()
    finally:
        others.kill()
        others.wait()
    monkeypatch.setattr(load, "_STAT", "/nonexistent")
    assert load.Load().why_unfit() == ""


def test_own_work_is_not_others(monkeypatch: pytest.MonkeyPatch) -> None:
    busy, own = iter((10.0, 90.0)), iter((5.0, 84.0))
    monkeypatch.setattr(load, "_busy", lambda: next(busy))
    monkeypatch.setattr(load, "_own", lambda: next(own))
    clock = iter((0.0, 100.0))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    assert abs(load.Load().others() - 0.01) < 1e-9


def test_what_the_rest_cannot_mend_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others took 1.3 CPUs in the first of six runs: more than 0.2 of all, were the rest quiet."""
    monkeypatch.setattr(load.Load, "others", lambda self: 1.3)
    assert "other programs took 1.3 CPUs" in load.Load().why_unfit(1 / 6)
    assert load.Load().why_unfit(1 / 7) == ""


def test_a_machine_has_a_name() -> None:
    assert load.machine() == load.machine()
    assert load.machine().endswith("CPUs")
