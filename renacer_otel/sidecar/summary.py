# SPDX-License-Identifier: MIT
"""The last line of a run, and what it has to confess."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from renacer_otel.engine.launch import FLOWN

if TYPE_CHECKING:
    from renacer_otel.engine.launch import Stats
    from renacer_otel.sidecar.link import Handed
    from renacer_otel.sidecar.outputs import Delivered
    from renacer_otel.sidecar.session_config import Outcome

_UNITS = {"record": "record", "otlp-json": "span", "csv": "row", "json": "call"}


def plural(count: int, noun: str) -> str:
    """`1,234 calls`, `1 call`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def unit_of(format: str | None) -> str:  # noqa: A002 (as the option is called)
    """What an output of this format is counted in."""
    return _UNITS.get(format or "", "line")


def last_line(outcome: Outcome, unit: str) -> str:
    """Calls; spans sent, rejected, lost; what an output could not take; the tracer's share.

    And by how much, about, tracing made the command's time longer (rn_stats.added_ns).
    If a selection behind the ring left calls out, how many. Without an exporter the lost
    are calls. `unit`: see unit_of().
    """
    stats, otlp = outcome.stats, outcome.otlp
    parts = [plural(stats.calls, "call")]
    if stats.filtered:
        parts.append(f"{stats.filtered:,} filtered out")
    if otlp:
        parts += [plural(otlp.written, "span") + " sent", f"{otlp.rejected:,} rejected"]
    if outcome.handed:
        parts.append(plural(outcome.handed.spans, "span") + " handed to the sidecar")
    parts.append(f"{outcome.lost_spans:,} lost")
    if otlp and otlp.spooled:
        parts.append(f"{otlp.spooled:,} spooled")
    if unwritten := stats.text_lost + (outcome.file.lost if outcome.file else 0):
        parts.append(f"{plural(unwritten, unit)} not written")
    if outcome.attached:
        what = "process" if outcome.attached == 1 else "processes"
        parts[0] = f"attached to {outcome.attached:,} {what}, {parts[0]}"
    share = 100 * stats.tracer_ns / stats.wall_ns if stats.wall_ns else 0.0
    wall, added = stats.wall_ns / 1e9, stats.added_ns / 1e9
    told = f"tracer {share:.0f} % of {wall:.3f} s"
    if stats.added_ns >= 0:  # the python engine does not estimate it
        told += f", about {added:.3f} s of it added by tracing"
    return f"{', '.join(parts)}; {told}"


def reasons(otlp: Delivered, spooled: bool) -> str:
    """Why spans did not arrive: each reason and how many, then the last error.

    Without a spool the last error says it all."""
    counted = ", ".join(f"{why} {spans:,}" for why, spans in sorted(otlp.dropped.items()))
    if not spooled:
        return otlp.error
    return f"{counted}: {otlp.error}" if otlp.error else counted


_REASONS = {
    "failed": "the command failed",
    "crashed": "a process crashed",
    "asked": "of SIGUSR1",
    "violated": "an assertion is violated",
}


def recorded(stats: Stats, unit: str, *, attached: bool = False) -> str:
    """What the flight recorder has done. `unit`: what it counts, "line" or "call"."""
    if not stats.why:
        return f"flight recorder: kept {plural(stats.kept, unit)}, nothing exported"
    reasons = {**_REASONS, "failed": "a process failed"} if attached else _REASONS
    told = [reasons[name] for bit, name in enumerate(FLOWN) if stats.why >> bit & 1]
    parts = [f"exported {plural(stats.flown, unit)}, because {' and '.join(told)}"]
    if stats.omitted:
        parts.append(f"{stats.omitted:,} before that left out")
    if stats.kept:
        parts.append(f"{stats.kept:,} kept since then, not exported")
    return f"flight recorder: {'; '.join(parts)}"


def losses(stats: Stats, file: Delivered | None, unit: str) -> list[str]:
    """One sentence for each kind of loss but the exporter's."""
    found = []
    if stats.lost_events:
        found.append(
            f"the ring was full: {plural(stats.lost_events, 'event')} lost, among them"
            f" {plural(stats.lost_calls, 'whole call')}; a larger --ring-size or a faster output"
            " helps"
        )
    if stats.corrupt:
        found.append(
            f"the ring was damaged {plural(stats.corrupt, 'time')}: what stood there is lost, how"
            " much is not known"
        )
    if stats.dropped_spans:
        found.append(
            f"the queue to the collector was full: {plural(stats.dropped_spans, 'span')} dropped"
        )
    if stats.text_lost:
        found.append(_unwritten(os.strerror(stats.text_errno), stats.text_lost, unit))
    if file and (file.error or file.lost):
        found.append(_unwritten(file.error or "for an unknown reason", file.lost, unit))
    return found


def void_rights(stats: Stats) -> list[str]:
    """A sentence of programs that tracing kept from their rights, if there were any."""
    if not stats.void_set_id:
        return []
    sentence = (
        f"{plural(stats.void_set_id, 'program')} ran without the rights of set-id bits or file"
        " capabilities, as the kernel has it under a tracer without CAP_SYS_PTRACE; run"
        " renacer-otel as root, with -u USER to run the command as USER"
    )
    return [sentence]


def left_behind(handed: Handed, stats: Stats) -> list[str]:
    """One sentence for each thing that sidecars did not do."""
    found = []
    reason = f": {handed.reason}" if handed.reason else ""
    if handed.events:
        found.append(
            f"no sidecar has read {plural(handed.events, 'event')}, among them"
            f" {plural(handed.calls, 'call')}{reason}"
        )
    if handed.unsure:
        found.append(
            f"a sidecar died that had made {plural(handed.unsure, 'span')} of this run; how many it"
            " had sent is not known"
        )
    if handed.dropped:
        found.append(f"the sidecar's queue was full: {plural(handed.dropped, 'span')} dropped")
    if handed.parts > 1:
        found.append(
            f"{handed.parts} sidecars had the run, one after the other: causes across the change"
            f" are lost, and {plural(handed.open_calls(stats.lost_calls), 'call')} that went on"
            " over it"
        )
    return found


def _unwritten(reason: str, count: int, unit: str) -> str:
    return f"the output could not be written ({reason}): {plural(count, unit)} lost"
