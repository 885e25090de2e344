# SPDX-License-Identifier: MIT
"""What the commands over TRACE files share: reading one, saying what it lacks, writing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel.cli import planted, terminal
from renacer_otel.errors import OutputError, one_line

if TYPE_CHECKING:
    from renacer_otel.analysis.causality.history import History
    from renacer_otel.spans.replay import Replay


def history_of(path: str, *, details: bool = False) -> History:
    """The history in a TRACE file; what is missing is told on standard error.

    `details`: with what calls were given.

    Raises TraceNotFound, TraceUnreadable.
    """
    from renacer_otel.analysis.causality.history import History

    return History.of(replay_of(path, details=details))


def replay_of(path: str, *, details: bool = False, shown: bool = False) -> Replay:
    """What is in a trace of any form; what is missing is told on standard error.

    `details`, `shown`: as of load().

    Raises TraceNotFound, TraceUnreadable.
    """
    from renacer_otel.analysis.loading import load

    run = load(path, details=details, shown=shown)
    name = one_line(path, 120)
    if run.lacks:
        terminal.complain(f"{name}: {run.form} does not tell {'; '.join(run.lacks)}")
    if not run.complete:
        terminal.complain(f"{name} was cut short (was its tracer killed?); the end is missing")
    if run.lost_events:
        terminal.complain(f"{name}: {run.lost_events:,} events were lost; causes may be missing")
    if run.is_filtered:
        terminal.complain(f"{name}: only the calls of -e trace= are in it; causes may be missing")
    if run.missed:
        terminal.complain(f"{name}: no memory for {run.missed:,} rows; causes may be missing")
    return run


def write(text: str, path: str | None, option: str = "-o") -> None:
    """To the file, or to standard output; `option` named the file. Raises OutputError."""
    if path is None:
        terminal.show(text)
        return
    try:
        with open(
            path, "w", encoding="utf-8", errors="backslashreplace", opener=planted.opener
        ) as file:
            file.write(text)
    except (OSError, ValueError) as error:
        raise not_written(path, error, option) from error


def not_written(path: str, error: Exception, option: str = "-o") -> OutputError:
    """What to raise where the file that `option` names cannot be written."""
    reason = getattr(error, "strerror", None) or "not a path"
    return OutputError(f"{option} {one_line(path, 120)}: {reason}; name a file that can be written")
