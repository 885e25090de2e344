# SPDX-License-Identifier: MIT
"""What a new run is told apart by: its clocks, trace and ids."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing_extensions import Self

    from renacer_otel.spans.context import TraceContext


class NewContext(NamedTuple):
    """A new trace: as spans.context.TraceContext, without the cost of importing it."""

    trace_id: bytes
    span_id: int = 0
    flags: int = 3  # sampled, and of a random id
    tracestate: str = ""
    lamport: int = 0


class Identity(NamedTuple):
    """`anchors`: CLOCK_REALTIME and CLOCK_MONOTONIC of one moment, ns."""

    context: TraceContext | NewContext
    id_key: tuple[int, int]
    anchors: tuple[int, int]

    @classmethod
    def new(cls, context: TraceContext | None, clock_offset_ns: int) -> Self:
        """Of a run that begins now; without a context, of a new trace."""
        real, monotonic = anchors()
        return cls(
            context or NewContext(random_trace_id()),
            random_key(),
            (real + clock_offset_ns, monotonic),
        )


def anchors() -> tuple[int, int]:
    """CLOCK_REALTIME and CLOCK_MONOTONIC of the same moment, in ns: the tightest of a few looks."""
    best = (1 << 62, 0, 0)
    for _ in range(5):
        before = time.monotonic_ns()
        real = time.time_ns()
        after = time.monotonic_ns()
        best = min(best, (after - before, real, (before + after) // 2))
    return best[1], best[2]


def random_trace_id() -> bytes:
    """Not all zeros."""
    while not any(trace_id := os.urandom(16)):
        pass
    return trace_id


def random_key() -> tuple[int, int]:
    """That span ids are made by."""
    return int.from_bytes(os.urandom(8), "little"), int.from_bytes(os.urandom(8), "little")
