# SPDX-License-Identifier: MIT
"""Where no timer is to be had (`ulimit -i 0`): nothing waits for a tick that never comes."""

from __future__ import annotations

import resource
import subprocess
import time
from pathlib import Path

from tests.engine.tools import LIMIT, environment, traced


def no_timers() -> None:
    resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, 0))


def test_a_call_that_blocks_is_told_of(tmp_path: Path) -> None:
    text = tmp_path / "text"
    words = [*traced("-o", text), "sh", "-c", "true & read line; wait"]
    with subprocess.Popen(
        [str(word) for word in words],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
        preexec_fn=no_timers,
    ) as process:
        assert process.stdin
        until = time.monotonic() + LIMIT / 2
        seen = False
        while not seen and time.monotonic() < until:
            time.sleep(0.01)
            seen = text.exists() and text.read_text().endswith("read(0, ")
        process.stdin.close()
    assert process.returncode == 0
    assert seen
