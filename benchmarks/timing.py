# SPDX-License-Identifier: MIT
"""Commands timed in turn, so that a noisy machine is noisy for all of them alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Sample(NamedTuple):
    """One run: wall seconds, CPU seconds of it and its children, peak resident bytes, stderr."""

    wall: float
    cpu: float
    rss: int
    said: str


def once(
    command: Sequence[str],
    environ: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
) -> Sample:
    """Runs a command with its output thrown away. Raises RuntimeError if it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environ and {**os.environ, **environ},
        cwd=cwd,
    )
    assert process.stderr is not None
    told = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    said = told.decode(errors="replace")
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {process.returncode}: {said!r}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, said)


def in_turn(
    commands: Mapping[str, Sequence[str]],
    rounds: int,
    cwd: str | os.PathLike[str] | None = None,
) -> dict[str, list[Sample]]:
    """Each command once a round."""
    samples: dict[str, list[Sample]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            samples[name].append(once(command, cwd=cwd))
    return samples


def median_wall(samples: Sequence[Sample]) -> float:
    """Median wall seconds."""
    return statistics.median(sample.wall for sample in samples)
