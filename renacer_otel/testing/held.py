# SPDX-License-Identifier: MIT
"""What a process had open when it was begun to be traced; without NumPy, as it is asked for in a
process that a test has for itself."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple


class Held(NamedTuple):
    """`paths`: of descriptors; `files`: those of them that count if they are written to."""

    paths: dict[int, str]
    files: frozenset[str]


NOTHING = Held({}, frozenset())


def open_now() -> Held:
    """Files and folders that we have open. Those of the standard streams, which pytest takes to
    itself, count as little as what has no name any more."""
    paths: dict[int, str] = {}
    regular: dict[str, tuple[int, int]] = {}
    streams = set()
    for entry in os.listdir("/proc/self/fd"):
        try:
            status, path = os.fstat(int(entry)), os.readlink(f"/proc/self/fd/{entry}")
        except OSError:
            continue  # that by which they are listed
        if int(entry) <= 2:
            streams.add((status.st_dev, status.st_ino))
        if stat.S_ISDIR(status.st_mode):
            paths[int(entry)] = path
        elif stat.S_ISREG(status.st_mode) and status.st_nlink:
            paths[int(entry)] = path
            regular[path] = (status.st_dev, status.st_ino)
    return Held(paths, frozenset(path for path, who in regular.items() if who not in streams))
