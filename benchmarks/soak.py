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

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from renacer_otel.engine.launch import Tuning
from renacer_otel.sidecar.session import Session
from renacer_otel.sidecar.session_config import SessionConfig, Sidecar

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS, RATE = 30, 200_000
FLAT = 1.05
# Of the allocator: a few pages come and go where all is well.
SLACK_BYTES = 1 << 20
_SENT = re.compile(r"([\d,]+) spans? sent, ([\d,]+) rejected, ([\d,]+) lost")


def produce(path: str, calls: int, rate: int) -> int:
    """The tracer's side, in a process of its own; exit 1 where not all was taken."""
    config = SessionConfig(
        argv=["synthetic"],
        environ={},
        run_id="soak",
        tuning=Tuning(synthetic_calls=calls, synthetic_rate=rate),
        flush_timeout_s=60.0,
        sidecar=Sidecar(path, required=True),
    )
    outcome = Session(config).run()
    assert outcome.handed is not None
    print(outcome.handed.spans)
    return 0 if outcome.complete else 1


def resident(pid: int) -> int:
    """Bytes in use that are the process's own; a ring is shared, and is not."""
    text = Path(f"/proc/{pid}/status").read_text("utf-8")
    found = re.search(r"RssAnon:\s+(\d+) kB", text)
    return int(found[1]) * 1024 if found else 0


@contextmanager
def process(*words: str, tells: str = "stdout") -> Iterator[subprocess.Popen[str]]:
    """Of Python; gone at the end. `tells`: which of its streams is read."""
    out = subprocess.PIPE if tells == "stdout" else None
    err = subprocess.PIPE if tells == "stderr" else None
    command = [sys.executable, *words]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=out, stderr=err, text=True
    ) as made:
        try:
            yield made
        finally:
            with suppress(ProcessLookupError):
                made.kill()


def first_line(made: subprocess.Popen[str]) -> str:
    stream = made.stdout or made.stderr
    assert stream is not None
    return stream.readline().strip()


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
        receiver = stack.enter_context(process("-m", "renacer_otel.exporters.receiver", "--null"))
        endpoint = first_line(receiver)
        socket = str(folder / "s" / "sidecar.sock")
        words = ["-m", "renacer_otel", "sidecar", "--listen", socket, "--otlp-endpoint", endpoint]
        sidecar = stack.enter_context(process(*words, tells="stderr"))
        assert "listening" in first_line(sidecar)
        began = time.monotonic()
        producer = stack.enter_context(process(__file__, "produce", socket, str(calls), str(rate)))
        seen = watch(producer, {"sidecar": sidecar.pid, "producer": producer.pid})
        took = time.monotonic() - began
        made = int(first_line(producer) or "0")
        sidecar.send_signal(signal.SIGTERM)
        _, told = sidecar.communicate(timeout=120)
        status, usage = producer.returncode, os.times()
    last = _SENT.search(told)
    counts = [int(each.replace(",", "")) for each in last.groups()] if last else [0, 0, 0]
    since = seen["sidecar"][min(60, seconds // 3) :]
    megabytes = [f"{each / 1e6:.1f}" for each in (since[0], since[-1], min(since), max(since))]
    flat = max(since[0] * FLAT, since[0] + SLACK_BYTES)
    held = [
        check("calls -> spans made", f"{calls:,} -> {made:,}", made == calls + 2 and status == 0),
        check("spans sent", f"{counts[0]:,}", counts[0] == made),
        check("spans rejected, lost", f"{counts[1]:,}, {counts[2]:,}", counts[1:] == [0, 0]),
        check("sidecar: first and last MB", " -> ".join(megabytes[:2]), max(since) <= flat),
        check("exit code of the sidecar", str(sidecar.returncode), sidecar.returncode == 0),
    ]
    cpu = usage.children_user + usage.children_system
    print(f"  {calls / took:,.0f} spans a second for {took:.0f} s; asked {rate:,}")
    print(f"  sidecar: {' to '.join(megabytes[2:])} MB; CPU of all three: {cpu:.0f} s")
    if not all(held):
        print(told, file=sys.stderr)
    return 0 if all(held) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["produce"]:
        sys.exit(produce(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
    numbers = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*(numbers + [SECONDS, RATE][len(numbers) :])))
