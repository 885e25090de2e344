# SPDX-License-Identifier: MIT
"""What the sidecar and the spool cost, and are worth: rates in turn, to a receiver that reads
nothing.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from serving import sidecar_of

HERE = Path(__file__).resolve().parent


def _exported(endpoint: str, calls: int, *more: str) -> dict[str, float]:
    command = [sys.executable, str(HERE / "ring_export.py"), endpoint, str(calls), *more]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    made: dict[str, float] = json.loads(done.stdout)
    assert (made["sent"], made["lost"]) == (calls + 2, 0), made
    return made


def sdk_rate(endpoint: str, spans: int) -> float | None:
    """Spans a second by the SDK's BatchSpanProcessor; None = it is not installed."""
    command = [sys.executable, str(HERE / "sdk_export.py"), endpoint, str(spans)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return None if done.returncode else float(done.stdout)


def sidecar_rate(endpoint: str, calls: int, folder: Path) -> float:
    """Spans a second from a producer's ring until a sidecar has sent the last and has ended.

    The starts of both processes are not in it: they are the same for a thousand times as many.
    """
    # All that a collector may owe for a moment finds room: what is measured is the way, not a loss.
    config = folder / "renacer.toml"
    config.write_text('[sidecar]\nqueue_size = "1GiB"\ndrain_timeout = "300s"\n')
    with sidecar_of(folder, endpoint, "--config", str(config)) as sidecar:
        made = _exported(endpoint, calls, "--sidecar", sidecar.path)
        handed = time.perf_counter()
        counts = sidecar.end()
        rest = time.perf_counter() - handed
    assert counts == [calls + 2, 0, 0], sidecar.told
    return calls / (calls / made["per_second"] + rest)


def spool_costs(endpoint: str, calls: int, folder: Path, rounds: int) -> tuple[float, float]:
    """(spans a second without, with a spool), each the median of runs in turn."""
    rates: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        rates[0].append(_exported(endpoint, calls)["per_second"])
        spool = folder / f"spool{number}"
        rates[1].append(_exported(endpoint, calls, "--spool", str(spool))["per_second"])
        shutil.rmtree(spool)
    return statistics.median(rates[0]), statistics.median(rates[1])
