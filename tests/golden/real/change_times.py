# SPDX-License-Identifier: MIT
"""Seeded changes of how long commands take: what they wait for three times as long, and CPU time.

Found on a quiet machine alone: a check does not judge times where other programs take CPUs.
"""

from __future__ import annotations

import sys

from tests.golden.real.change_list import edited
from tests.golden.real.commands import Command

WAITS = Command("waits", (sys.executable, "waits.py"), (), ("waits.py",))

_WAITS = "waits.py"


TIMES = (
    edited("waits", "a longer sleep", (_WAITS, "time.sleep(SLEEP)", "time.sleep(3 * SLEEP)"),
          r"waits for its own sleep: now [0-9.]+ ms, before"),
    edited("waits", "a lock is held longer", (_WAITS, "wait(LOCK)", "wait(3 * LOCK)"),
          r"waits for a lock: now [0-9.]+ ms, before"),
    edited("waits", "a child takes longer", (_WAITS, "wait(CHILD)", "wait(3 * CHILD)"),
          r"waits for (a lock|the end of python\S*): now"),
    edited("waits", "a peer answers later", (_WAITS, "[], PEER)", "[], 3 * PEER)"),
          r"waits for (files to be ready|bytes of 127\.0\.0\.1:\*|bytes from python\S*): now"),
    edited("waits", "more CPU time", (_WAITS, "range(ROUNDS)", "range(3 * ROUNDS)"),
          r"CPU time: now [0-9.]+ (ms|s), before"),
    edited("asyncio", "a slow server",
          ("asyncio_echo.py", "        writer.write(line.upper())",
          "        await asyncio.sleep(0.005)\n        writer.write(line.upper())"),
          r"waits for files to be ready: "),
    edited("fork_server", "slow workers", ("fork_server.py", "            connection.sendall(",
          '            __import__("time").sleep(0.01)\n            connection.sendall('),
          r"waits for its own sleep: "),
    edited("thread_pool", "more CPU time", ("thread_pool.py", "    data = path.read_bytes()\n",
          "    data = path.read_bytes()\n    sum(range(300_000))\n"), r"CPU time: now"),
    edited("trivial_cli_python", "more CPU time", ("trivial_cli.py", "    try:\n",
          "    sum(range(8_000_000))\n    try:\n"), r"CPU time: now"),
    edited("trivial_cli_c", "a sleep", ("trivial_cli.c", "#include <errno.h>\n",
          "#include <errno.h>\n#include <time.h>\n"),
          r"trivial_cli (now also )?waits for its own sleep: ",
          script="sed -i 's/fclose(file);/nanosleep(\\&(struct timespec){ 0, 60000000 }, NULL);/'"
          " trivial_cli.c; sed -i 's/-std=c11/-std=gnu11/' build.sh; sh build.sh"),
)  # fmt: skip
