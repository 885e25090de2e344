# SPDX-License-Identifier: MIT
"""One run of a command, as golden traces see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.analysis.golden import canonical, waits
from renacer_otel.analysis.golden.timing import Sample
from renacer_otel.cli import recording
from renacer_otel.spans import replay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renacer_otel.analysis.golden.model import Canonical
    from renacer_otel.cli.recording import Ran

#: Of `run`: what is compared beside the calls.
CAPTURE = ("--capture", "writes")
SOURCE = ("--source",)


class Observed(NamedTuple):
    """A run: what it did, how long it took, how it ended."""

    form: Canonical
    sample: Sample
    ran: Ran


def observe(
    command: Sequence[str], trace: str, *, keep: Sequence[str] = (), source: bool = False
) -> Observed:
    """Runs the command into a TRACE file, and interprets that. `keep`: rules switched off.

    Raises CommandNotFound, CommandNotExecutable, EngineError, TraceUnreadable.
    """
    ran = recording.record(command, trace, (*CAPTURE, *(SOURCE if source else ())))
    run = replay.of_trace(trace, shown=True)
    stops = int((run.end or {}).get("stops", 0))
    # Half of what a call takes that does nothing is the traced side's own part of its two stops.
    cpu = ran.cpu_ns - stops * waits.least(run) // 4
    sample = Sample(max(cpu, 0) // 1000, waits.of_run(run))
    return Observed(canonical.of_replay(run, keep), sample, ran)
