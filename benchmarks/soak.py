# SPDX-License-Identifier: MIT
"""`./dev soak sidecar [SECONDS [RATE]]`: a sidecar under a steady load, for hours if wanted.

A producer fills a ring from memory, by default 200,000 calls a second for 30 seconds, and hands it
to a sidecar, which sends each call as a span to a receiver that reads nothing. The memory of both
is looked at each second. What must hold: no span is lost, all that were made are sent, and memory
is flat: from the first minute on (of shorter soaks the first third) the sidecar's never leaves 5 %
of what it was then. Prints a line a minute and the figures at the end; exit 1 where one does not
hold. The rate reached is told, and judged by nobody: machines differ.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import serving

HERE = Path(__file__).resolve().parent
SECONDS, RATE = 30, 200_000
FLAT = 1.05
# Of the allocator: a few pages come and go where all is well.
SLACK_BYTES = 1 << 20


def resident(pid: int) -> int:
    """Bytes in use that are the process's own; a ring is shared, and is not."""
    text = Path(f"/proc/{pid}/status").read_text("utf-8")
    found = re.search(r"RssAnon:\s+(\d+) kB", text)
    return int(found[1]) * 1024 if found else 0


def watch(producer: subprocess.Popen[str], pids: dict[str, int]) -> dict[str, list[int]]:
    """Their memory in bytes, once a second, until the producer has ended."""
    seen: dict[str, list[int]] = {name: [] for name in pids}
    while True:
        with suppress(subprocess.TimeoutExpired):
            producer.wait(1.0)
            return seen
        for name, pid in pids.items():
            seen[name].append(resident(pid))
        if len(seen["sidecar"]) % 60 == 0:
            told = ", ".join(f"{name} {each[-1] / 1e6:.1f} MB" for name, each in seen.items())
            print(f"  {len(seen['sidecar']) // 60} min: {told}", flush=True)


def check(name: str, value: str, held: bool) -> bool:
    print(f"  {name:<48} {value:>22}   {'held' if held else 'MISSED'}", flush=True)
    return held


def main(seconds: int, rate: int) -> int:
    calls = seconds * rate
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="renacer-soak-")))
        endpoint = stack.enter_context(serving.null_receiver())
        sidecar = stack.enter_context(serving.sidecar_of(folder, endpoint))
        command = [sys.executable, str(HERE / "ring_export.py"), endpoint, str(calls)]
        command += ["--sidecar", sidecar.path, "--rate", str(rate)]
        began = time.monotonic()
        producer = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        stack.callback(producer.kill)
        seen = watch(producer, {"sidecar": sidecar.process.pid, "producer": producer.pid})
        took = time.monotonic() - began
        assert producer.stdout is not None
        handed = json.loads(producer.stdout.read() or '{"sent": 0, "complete": false}')
        counts = sidecar.end()
        made, code = handed["sent"], sidecar.process.returncode
    usage = os.times()  # of all three: they have ended
    since = seen["sidecar"][min(60, seconds // 3) :]
    megabytes = [f"{each / 1e6:.1f}" for each in (since[0], since[-1], min(since), max(since))]
    flat = max(since[0] * FLAT, since[0] + SLACK_BYTES)
    held = [
        check("calls -> spans made", f"{calls:,} -> {made:,}", made == calls + 2),
        check("all of it was taken", str(handed["complete"]), handed["complete"]),
        check("spans sent", f"{counts[0]:,}", counts[0] == made),
        check("spans rejected, lost", f"{counts[1]:,}, {counts[2]:,}", counts[1:] == [0, 0]),
        check("sidecar: first and last MB", " -> ".join(megabytes[:2]), max(since) <= flat),
        check("exit code of the sidecar", str(code), code == 0),
    ]
    cpu = usage.children_user + usage.children_system
    print(f"  {calls / took:,.0f} spans a second for {took:.0f} s; asked {rate:,}")
    print(f"  sidecar: {' to '.join(megabytes[2:])} MB; CPU of all three: {cpu:.0f} s")
    if not all(held):
        print(sidecar.told, file=sys.stderr)
    return 0 if all(held) else 1


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*(numbers + [SECONDS, RATE][len(numbers) :])))
