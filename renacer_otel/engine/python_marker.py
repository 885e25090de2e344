# SPDX-License-Identifier: MIT
"""Markers, as the python engine reads them: frames that the application writes to descriptor -1.

See docs/markers.md; native/engine/marker.c is the other reader.
"""

from __future__ import annotations

import re

_PREFIX = b"renacer:1:"
LENGTHS = (len(_PREFIX), len(_PREFIX) + 55)
_FRAME = re.compile(rb"renacer:1:(?:00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2}))?")


def parse(frame: bytes) -> bytes | None:
    """The `struct rn_live_span` that it tells of, b"" = no span is live; None = not a frame."""
    match = _FRAME.fullmatch(frame)
    if match is None:
        return None
    if match[1] is None:
        return b""
    trace_id, span_id = bytes.fromhex(match[1].decode()), bytes.fromhex(match[2].decode())
    if not any(trace_id) or not any(span_id):
        return None
    return trace_id + span_id + bytes((1, int(match[3], 16), 0, 0))
