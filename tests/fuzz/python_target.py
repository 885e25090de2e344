# SPDX-License-Identifier: MIT
"""One Python target for as long as wanted, in a process of its own:

python -m tests.fuzz.python_target NAME SECONDS SEED INPUT
python -m tests.fuzz.python_target NAME replay INPUT

INPUT is a file that holds, at each moment, what the target is being given. Its last line of output
is the number of inputs and the CPU seconds of the slowest. Exit code 1: a promise is broken.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import random
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from renacer_otel.engine import native
from tests.fuzz import built

NAMES = ("protocol", "spools", "traces", "otlp_json")
_LONGEST_S = 60.0  # wall time; a hang ends the process
_LONGEST_CPU_S = 10.0  # sanitizers make it several times slower than it is
_IN_MEMORY = "/dev/shm"
_MEMORY = 1 << 30  # bytes, resident


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


def _fed(target: Any, data: bytes) -> float:
    """Runs one input; how long it took, in CPU seconds."""
    faulthandler.dump_traceback_later(_LONGEST_S, exit=True)
    since = time.process_time()
    target.run(data)
    took = time.process_time() - since
    faulthandler.cancel_dump_traceback_later()
    if took > _LONGEST_CPU_S:
        raise TimeoutError(f"{took:.1f} s of CPU for one input of {len(data)} bytes")
    return took


def _loop(target: Any, seconds: float, seed: int, kept: Path) -> None:
    rng = random.Random(seed)
    count, slowest = 0, 0.0
    until = time.monotonic() + seconds
    with kept.open("wb", buffering=0) as file:
        while time.monotonic() < until:
            data = target.make(rng)
            file.seek(0)
            file.truncate()
            file.write(data)
            slowest = max(slowest, _fed(target, data))
            count += 1
            if count % 50 == 0 and _resident() > _MEMORY:
                raise MemoryError(f"{_resident():,} bytes are resident")
    target.close()
    print(f"{count} {slowest:.3f}")


def main(words: list[str]) -> int:
    """Feeds it; the exit code."""
    name, *rest = words
    assert name in NAMES
    memory = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None  # a spool is synced to disk
    with tempfile.TemporaryDirectory(prefix="renacer-fuzz-", dir=memory) as folder:
        target = importlib.import_module(f"tests.fuzz.{name}").Target(Path(folder))
        native.load()
        assert built.is_in("self"), "the core without sanitizers"
        try:
            if rest[0] == "replay":
                _fed(target, Path(rest[1]).read_bytes())
                target.close()
                print("it holds")
            else:
                _loop(target, float(rest[0]), int(rest[1]), Path(rest[2]))
        except Exception:  # noqa: BLE001 (whatever it is, it is what is looked for)
            traceback.print_exc()
            with suppress(Exception):
                target.close()
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
