# SPDX-License-Identifier: MIT
"""A listing: all calls as one JSON document, "renacer-json-v1" as Renacer writes it.

Renacer's fields are there with their meanings, and others beside them: docs/golden-traces.md.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from renacer_otel._version import __version__

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

FORMAT = "renacer-json-v1"


def head(command: Sequence[str], start_ns: int) -> bytes:
    """The document up to its first call. `start_ns`: Unix time that calls' `ts_us` counts from."""
    made = json.dumps(
        {
            "version": __version__,
            "format": FORMAT,
            "generator": "renacer-otel",
            "command": list(command),
            "start_unix_us": start_ns // 1000,
        }
    )
    return made[:-1].encode("ascii") + b', "syscalls": [\n'


def of_trace(
    path: str | os.PathLike[str], exit_code: int = 0, *, sources: bool = True
) -> Iterator[bytes]:
    """The listing of a TRACE file, part by part; `sources`: with those that were recorded.

    Raises TraceNotFound, TraceUnreadable, MemoryError.
    """
    from renacer_otel.spans import replay

    return replay.listing(path, head, exit_code, sources=sources)
