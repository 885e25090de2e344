# SPDX-License-Identifier: MIT
"""What --source costs a call: the same command with and without it, in turn.

usage: source_cost.py [CALLS [ROUNDS]]; needs cc; prints one JSON object: for each kind of call, of
CALLS (40,000), the ratio of CPU time of tracer and command together, with to without, and the
microseconds a call more; medians of ROUNDS (7).
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

RENACER = str(Path(sys.executable).parent / "renacer-otel")
# The first is one frame deep in the C library, the second five.
KINDS = {
    "getppid": "getppid();",
    "fprintf": 'fprintf(file, "%ld", i); fflush(file);',
}
PROGRAM = """
#include <stdio.h>
#include <unistd.h>
int main(void)
{
	FILE *file = fopen("/dev/null", "w");
	for (long i = 0; i < %d; i++) { %s }
	return file == NULL;
}
"""


def cpu(program: Path, *options: str) -> float:
    """CPU seconds of one run, tracer and command together."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = [RENACER, "-q", *options, "--cpu", "share", "--format", "record", "-o", "/dev/null"]
    subprocess.run([*words, "--", program], check=True, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 40_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, code in KINDS.items():
            source, program = Path(folder, f"{name}.c"), Path(folder, name)
            source.write_text(PROGRAM % (calls, code), encoding="utf-8")
            subprocess.run(["cc", "-O2", "-g", "-o", program, source], check=True)
            times = [(cpu(program), cpu(program, "--source")) for _ in range(rounds)]
            found[name] = {
                "ratio": round(statistics.median(on / off for off, on in times), 3),
                "us_a_call": round(
                    statistics.median(on - off for off, on in times) / calls * 1e6, 2
                ),
            }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
