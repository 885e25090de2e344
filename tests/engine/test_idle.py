# SPDX-License-Identifier: MIT
"""While nothing is traced, nothing is done."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.engine.tools import LIMIT, environment, traced

WINDOW = 0.3  # seconds; a timer that ticks wakes its thread 30 times in it


def wakes(pid: int) -> dict[str, int]:
    """How often each thread but the first, which waits in Python, has gone to sleep."""
    found = {}
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        match = re.search(r"\nvoluntary_ctxt_switches:\s*(\d+)", status.read_text())
        if match and status.parent.name != str(pid):
            found[status.parent.name] = int(match.group(1))
    return found


@pytest.mark.parametrize("policy", ["auto", "share", "free"])
def test_the_tracer_sleeps_while_the_command_does(policy: str) -> None:
    words = [*traced("--cpu", policy, "-o", "/dev/null"), "sh", "-c", "echo ready; read line"]
    with subprocess.Popen(
        [str(word) for word in words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        until = time.monotonic() + LIMIT / 2
        most = 30
        while most > 10 and time.monotonic() < until:
            before = wakes(process.pid)
            time.sleep(WINDOW)
            most = max(after - before.get(tid, 0) for tid, after in wakes(process.pid).items())
        process.stdin.close()
    assert most <= 10
