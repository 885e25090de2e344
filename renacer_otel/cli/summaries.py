# SPDX-License-Identifier: MIT
"""-c and -C: what they ask for, and the tables at the end."""

from __future__ import annotations

import errno
import os
import select
import time
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.cli import options
from renacer_otel.cli.terminal import complain
from renacer_otel.engine.launch import COUNT_BY
from renacer_otel.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from renacer_otel.analysis.summary import Summary
    from renacer_otel.sidecar.session_config import Outcome

_NEED = {
    "summary_sort_by": "-S",
    "summary_wall_clock": "-w",
    "summary_columns": "-U",
    "by": "--by",
}
# A pipe that polls writable takes this much without blocking (pipe(7)).
_SURE_BYTES = 4096


class Plan(NamedTuple):
    """A summary to be made. `only`: it is all that is written; `descriptor`: where to."""

    only: bool
    by: str
    wall: bool
    sort: str
    columns: tuple[str, ...]
    form: str
    limit_s: float = 5.0
    descriptor: int = -1


def plan(given: argparse.Namespace, form: str | None) -> Plan | None:
    """What -c, -C and what belongs to them ask for; None = no summary. Raises UsageError."""
    if not (given.summary_only or given.summary):
        given_ones = {name for name, value in vars(given).items() if value not in (None, False)}
        if alone := [flag for name, flag in _NEED.items() if name in given_ones]:
            raise UsageError(f"{alone[0]} is a summary's: add -c (or -C)")
        return None
    _check(given, form)
    from renacer_otel.analysis import summary
    from renacer_otel.reporters import summary_table

    by = options.choose("--by", given.by, COUNT_BY[1:]) if given.by is not None else COUNT_BY[0]
    columns: tuple[str, ...]
    columns = summary_table.WALL_COLUMNS if given.summary_wall_clock else summary_table.COLUMNS
    if given.summary_columns is not None:
        columns = summary_table.parse_columns(given.summary_columns)
        if form in ("csv", "json"):
            raise UsageError(f"-U chooses columns of text; --format {form} has all of them")
        quantiles = [name for name in columns if name in summary_table.QUANTILE_COLUMNS]
        if quantiles and not given.summary_wall_clock:
            raise UsageError(f"-U {quantiles[0]} is known of wall time only: add -w")
    return Plan(
        only=given.summary_only,
        by=by,
        wall=given.summary_wall_clock,
        sort=summary.sort_name("time" if given.summary_sort_by is None else given.summary_sort_by),
        columns=columns,
        form=form if form in ("csv", "json") else "text",
    )


def _check(given: argparse.Namespace, form: str | None) -> None:
    if given.summary_only and given.summary:
        raise UsageError("-c and -C exclude each other: -c is the summary only, -C adds the calls")
    if given.summary_only and form in ("record", "otlp-json"):
        raise UsageError(f"-c writes a summary only; for --format {form} beside it use -C")
    if given.summary and form in ("csv", "json"):
        raise UsageError(f"--format {form} is one table: use -c, or leave out --format with -C")


def tell(wanted: Plan, outcome: Outcome) -> bool:
    """Writes the summary; False if it could not be written, which is told."""
    from renacer_otel.analysis import summary

    assert outcome.counts is not None
    try:
        shown = _shown(summary.summarize(outcome.counts, wanted.sort), wanted)
        _write(wanted.descriptor, shown.encode("utf-8", "backslashreplace"), wanted.limit_s)
    except OSError as error:
        complain(f"the summary could not be written: {error.strerror or error}")
        return False
    finally:
        os.close(wanted.descriptor)
    return True


def _shown(summary: Summary, wanted: Plan) -> str:
    if wanted.form == "text":
        from renacer_otel.reporters import summary_table

        return summary_table.text(summary, wanted.columns)
    from renacer_otel.reporters import summary_data

    return summary_data.as_csv(summary) if wanted.form == "csv" else summary_data.as_json(summary)


def _write(descriptor: int, data: bytes, limit_s: float) -> None:
    """All of it; gives up on a pipe that takes nothing for `limit_s`. Raises OSError."""
    rest = memoryview(data)
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    while rest:
        since = time.monotonic()
        while not poll.poll(100):
            if time.monotonic() - since > limit_s:
                raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        rest = rest[os.write(descriptor, rest[:_SURE_BYTES]) :]
