# SPDX-License-Identifier: MIT
"""Commands traced, in canonical form."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from renacer_otel.analysis.golden import canonical
from renacer_otel.spans import replay
from tests.cli.tool import renacer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from renacer_otel.analysis.golden.model import Canonical


def traced(
    command: Sequence[str | Path],
    folder: Path,
    keep: Sequence[str] = (),
    options: Sequence[str] = (),
    **how: Any,
) -> Canonical:
    """One run of a command, whose trace goes into the folder. `how`: of subprocess.run()."""
    trace = folder / "run.renacer"
    done = renacer(
        "-f",
        "-q",
        "--format",
        "record",
        "--capture",
        "hashes",
        *options,
        "-o",
        trace,
        "--",
        *command,
        **how,
    )
    assert done.code >= 0, done.err
    return canonical.of_replay(replay.of_trace(trace, shown=True, portable=True), keep)


@contextmanager
def load(hogs: int = 2) -> Iterator[None]:
    """Keeps processors busy meanwhile."""
    running = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(hogs)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
        for process in running:
            process.wait()
