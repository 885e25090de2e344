# SPDX-License-Identifier: MIT
"""What counting costs beside writing: -c, -c -w and --format csv against plain text.

usage: summary_cost.py [CALLS [ROUNDS]]; prints one JSON object. `behind_ring`: a ring filled from
memory (CALLS, 10 million unless given), CPU ns a call and peak memory of everything behind it.
`traced`: dd of CALLS / 100 calls, CPU and wall seconds of tracer and command, medians of ROUNDS (5)
that take turns.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from renacer_otel.engine.launch import Tuning
from renacer_otel.sidecar.opened import Opened
from renacer_otel.sidecar.session import Session
from renacer_otel.sidecar.session_config import SessionConfig

RENACER = str(Path(sys.executable).parent / "renacer-otel")

VARIANTS: dict[str, tuple[str | None, dict[str, str | bool]]] = {
    "text": ("text", {}),
    "csv": ("csv", {}),
    "-c": (None, {"count_by": "all"}),
    "-c -w": (None, {"count_by": "all", "count_wall": True}),
    "-c -w --by thread": (None, {"count_by": "thread", "count_wall": True}),
}
TRACED = {
    "text": ["-o", "/dev/null"],
    "-c": ["-c"],
    "-c -w": ["-c", "-w"],
    "-c --by path": ["-c", "--by", "path"],
    "csv": ["--format", "csv", "-o", "/dev/null"],
}


def behind_ring(variant: str, calls: int) -> dict[str, float]:
    """Of one variant, in this process."""
    form, more = VARIANTS[variant]
    tuning = Tuning(synthetic_calls=calls)._replace(**more)  # type: ignore[arg-type]
    config = SessionConfig(
        argv=["synthetic"],
        environ={},
        format=form,
        output=Opened(os.open("/dev/null", os.O_WRONLY) if form else -1),
        tuning=tuning,
    )
    before = time.process_time()
    outcome = Session(config).run()
    cpu = time.process_time() - before
    assert outcome.stats.calls == calls
    assert outcome.complete
    counts = outcome.counts
    assert counts is None or sum(row.calls for row in counts.rows) == calls
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"ns_a_call": round(cpu / calls * 1e9, 1), "peak_mb": round(peak / 1024, 1)}


def traced(flags: list[str], calls: int) -> tuple[float, float]:
    """CPU and wall seconds of one traced dd, tracer and command together."""
    command = ["dd", "if=/dev/zero", "of=/dev/null", "bs=1", f"count={calls // 2}", "status=none"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = time.perf_counter()
    subprocess.run([RENACER, "-q", *flags, "--", *command], check=True, stderr=subprocess.DEVNULL)
    wall = time.perf_counter() - wall
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, wall


def main() -> None:
    if sys.argv[1:2] == ["one"]:
        print(json.dumps(behind_ring(sys.argv[2], int(sys.argv[3]))))
        return
    calls = int(sys.argv[1]) if sys.argv[1:] else 10_000_000
    rounds = int(sys.argv[2]) if sys.argv[2:] else 5
    ring = {}
    for variant in VARIANTS:
        words = [sys.executable, __file__, "one", variant, str(calls)]
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE)
        ring[variant] = json.loads(done.stdout)
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in TRACED}
    for _ in range(rounds):
        for name, flags in TRACED.items():
            runs[name].append(traced(flags, calls // 100))
    medians = {
        name: {
            "cpu_s": round(statistics.median(cpu for cpu, _ in found), 3),
            "wall_s": round(statistics.median(wall for _, wall in found), 3),
        }
        for name, found in runs.items()
    }
    print(json.dumps({"behind_ring": ring, "traced": medians}, indent=1))


if __name__ == "__main__":
    main()
