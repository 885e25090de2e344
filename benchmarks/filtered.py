# SPDX-License-Identifier: MIT
"""What tracing costs the calls that are filtered out: against the filter alone, and bare."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import timing

_HERE = Path(__file__).resolve().parent
_CALLS = 6_000_000
_START = "true"


def measure(ours: Sequence[str], work: Sequence[str], rounds: int) -> dict[str, float]:
    """Wall seconds of `work` bare, under the filter alone, and traced; start-up taken off."""
    before = {
        "bare": [],
        "allowed": [sys.executable, str(_HERE / "allowed.py")],
        "filtered": [*ours, "-e", "trace=openat", "--seccomp-bpf", "on", "-o", "/dev/null", "--"],
    }
    commands = {name: [*words, *work] for name, words in before.items()}
    commands |= {f"{name} start": [*words, _START] for name, words in before.items()}
    samples = timing.in_turn(commands, rounds)
    wall = {name: timing.median_wall(found) for name, found in samples.items()}
    return {name: wall[name] - wall[f"{name} start"] for name in before}


def bench(
    ours: Sequence[str],
    dd: Callable[[int], list[str]],
    rounds: int,
    tell: Callable[[str, str], None],
    ratio: Callable[..., None],
) -> None:
    """dd with openat asked for: no call of its loop stops."""
    seconds = measure(ours, dd(_CALLS), rounds)
    for name, value in seconds.items():
        tell(f"dd, {_CALLS:,} calls: {name}, seconds without start-up", f"{value:.3f}")
    ratio("filtered / the same filter without a tracer", seconds["filtered"] / seconds["allowed"],
          most=1.05)  # fmt: skip
    ratio("filtered / bare", seconds["filtered"] / seconds["bare"])
