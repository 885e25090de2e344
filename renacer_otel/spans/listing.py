# SPDX-License-Identifier: MIT
"""A listing: all calls as one JSON document, "renacer-json-v1" as Renacer writes it.

Renacer's fields are there with their meanings, and others beside them: docs/golden-traces.md.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from renacer_otel._version import __version__
from renacer_otel.errors import TraceUnreadable
from renacer_otel.ring import strict_json
from renacer_otel.spans import redacted

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
            "command": strict_json.writable(command),
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
    from renacer_otel.ring import trace_file
    from renacer_otel.spans.columns import Columns, word

    with trace_file.open_trace(path) as reader:
        described = reader.metadata
        try:
            columns = Columns.of(described, 0)
            anchors = [word(described[f"{at}_anchor"]) for at in ("realtime", "monotonic")]
            limit = int(described.get("string_limit", 32))
            command = redacted.words([str(text) for text in described["command"]])
            first = head(command, anchors[0])
        except (LookupError, TypeError, ValueError) as error:
            raise TraceUnreadable(
                f"{reader.name}: damaged: its description lacks its key, its"
                " times, its command, or which calls are in it; capture it again"
            ) from error
        yield first
        yield from columns.listing(reader, anchors, limit, exit_code, sources=sources)
