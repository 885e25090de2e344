# SPDX-License-Identifier: MIT
"""Who else used this machine's CPUs meanwhile, and which machine it is."""

from __future__ import annotations

import os
import resource
import time

#: CPUs that others took on average, above which times say nothing.
MOST_OTHERS = 0.2
_STAT = "/proc/stat"
_CGROUP = "/sys/fs/cgroup/cpu.stat"


class Load:
    """From its making on: what others took of the CPUs, stolen time of a VM included."""

    def __init__(self) -> None:
        self._since, self._busy, self._own = time.monotonic(), _busy(), _own()
        self._throttled = _throttled()

    def others(self) -> float:
        """CPUs that others took on average since then; 0 where nobody can tell."""
        elapsed = time.monotonic() - self._since
        busy = _busy()
        if not elapsed or busy is None or self._busy is None:
            return 0.0
        return max(busy - self._busy - (_own() - self._own), 0.0) / elapsed

    def why_unfit(self, part: float = 1.0) -> str:
        """Why times of this while are not to be judged by; "" = they are.

        `part`: so much of it is over, and whatever becomes of the rest cannot mend it.
        """
        if _throttled() > self._throttled:
            return "the container's CPU limit held it back meanwhile"
        if (others := self.others()) * part > MOST_OTHERS:
            return f"other programs took {others:.1f} CPUs meanwhile"
        return ""


def machine() -> str:
    """What a time depends on, in words: times of two machines are not compared."""
    model = "unknown"
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                name, _, value = line.partition(":")
                if name.strip() in ("model name", "CPU part"):
                    model = value.strip()
                    break
    except OSError:
        pass
    return f"{os.uname().machine}, {model}, {len(os.sched_getaffinity(0))} CPUs"


def _busy() -> float | None:
    """Seconds that all CPUs were not idle since boot; None = not known."""
    try:
        with open(_STAT, encoding="ascii") as file:
            words = file.readline().split()
        ticks = [int(word) for word in words[1:9]]
    except (OSError, ValueError):
        return None
    if words[0] != "cpu" or len(ticks) < 8:
        return None
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        total += used.ru_utime + used.ru_stime
    return total


def _throttled() -> int:
    try:
        with open(_CGROUP, encoding="ascii") as file:
            for line in file:
                name, _, value = line.partition(" ")
                if name == "throttled_usec":
                    return int(value)
    except (OSError, ValueError):
        pass
    return 0
