# SPDX-License-Identifier: MIT
"""The last line of a run, and what it has to confess."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from renacer_otel.engine.launch import Stats


def plural(count: int, noun: str) -> str:
    """`1,234 calls`, `1 call`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def last_line(stats: Stats, sent: int | None, rejected: int, lost: int) -> str:
    """Calls, spans sent (None: nothing was exported), rejected, lost, and the tracer's share."""
    parts = [plural(stats.calls, "call")]
    if sent is not None:
        parts += [plural(sent, "span") + " sent", f"{rejected:,} rejected"]
    parts.append(f"{lost:,} lost")
    share = 100 * stats.tracer_ns / stats.wall_ns if stats.wall_ns else 0.0
    seconds = stats.wall_ns / 1e9
    return f"renacer-otel: {', '.join(parts)}; tracer {share:.0f} % of {seconds:.3f} s"


def losses(stats: Stats, file_lost: int, file_error: str) -> list[str]:
    """One sentence for each kind of loss that the last line does not name."""
    found = []
    if stats.lost_events:
        found.append(
            f"the ring was full: {plural(stats.lost_events, 'event')} lost, among them"
            f" {plural(stats.lost_calls, 'whole call')}; a larger --ring-size or a faster output"
            " helps"
        )
    if stats.dropped_spans:
        found.append(
            f"the queue to the collector was full: {plural(stats.dropped_spans, 'span')} dropped"
        )
    if stats.text_lost:
        found.append(
            f"the output could not be written ({os.strerror(stats.text_errno)}):"
            f" {plural(stats.text_lost, 'line')} lost"
        )
    if file_error or file_lost:
        reason = f" ({file_error})" if file_error else ""
        found.append(f"the output could not be written{reason}: {plural(file_lost, 'record')} lost")
    return found
