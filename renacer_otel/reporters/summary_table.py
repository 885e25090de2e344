# SPDX-License-Identifier: MIT
"""A summary as text: strace's table, column by column, width by width."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.errors import UsageError, did_you_mean, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from renacer_otel.analysis.summary import Line, Summary, Table
    from renacer_otel.spans.counts import Group


class _Column(NamedTuple):
    """`width`: at least. `shown`: a line's value, given the total's time."""

    title: str
    width: int
    shown: Callable[[Line, int], str]


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e9:.6f}"


def _percent(line: Line, whole: int) -> str:
    if line.name == "total":
        return "100.00"
    return f"{100.0 * line.time / whole if line.time else 0.0:.2f}"


def _quantile(index: int) -> Callable[[Line, int], str]:
    return lambda line, _: _seconds(line.quantiles[index]) if line.quantiles else ""


_COLUMNS = {
    "time-percent": _Column("% time", 6, _percent),
    "total-time": _Column("seconds", 11, lambda line, _: _seconds(line.time)),
    "avg-time": _Column("usecs/call", 11, lambda line, _: str(int(line.average / 1000))),
    "calls": _Column("calls", 9, lambda line, _: str(line.calls)),
    "errors": _Column("errors", 9, lambda line, _: str(line.errors or "")),
    "name": _Column("syscall", 16, lambda line, _: line.name),
    "min-time": _Column("shortest", 8, lambda line, _: _seconds(line.shortest)),
    "max-time": _Column("longest", 7, lambda line, _: _seconds(line.longest)),
    # Ours, after strace's.
    "min": _Column("min", 8, lambda line, _: _seconds(line.shortest)),
    "max": _Column("max", 8, lambda line, _: _seconds(line.longest)),
    "p50": _Column("p50", 8, _quantile(0)),
    "p90": _Column("p90", 8, _quantile(1)),
    "p99": _Column("p99", 8, _quantile(2)),
}
#: What is shown unless -U asks for something else: strace's columns, and with wall time ours.
COLUMNS = ("time-percent", "total-time", "avg-time", "calls", "errors", "name")
WALL_COLUMNS = (*COLUMNS, "min", "max", "p50", "p90", "p99")
QUANTILE_COLUMNS = ("p50", "p90", "p99")

_ALIASES = {
    "time": "time-percent",
    "time-total": "total-time",
    "shortest": "min-time",
    "time-min": "min-time",
    "longest": "max-time",
    "time-max": "max-time",
    "time-avg": "avg-time",
    "count": "calls",
    "error": "errors",
    "syscall": "name",
    "syscall-name": "name",
}
# strace's names of the kinds of programs.
_MODES = {"i386": "32 bit", "arm": "32 bit", "x32": "x32"}


def parse_columns(value: str) -> tuple[str, ...]:
    """The columns that a list of names means, for -U; the name is added where it is not there.

    Raises UsageError that names the nearest.
    """
    columns: list[str] = []
    for word in value.split(","):
        name = word.replace("_", "-")
        name = _ALIASES.get(name, name)
        if name not in _COLUMNS:
            hint = did_you_mean(word, [*_COLUMNS, *_ALIASES])
            known = ", ".join(_COLUMNS)
            raise UsageError(f"-U: '{one_line(word, 40)}' is not one of {known}{hint}")
        if name in columns:
            raise UsageError(f"-U: '{one_line(word, 40)}' is given twice")
        columns.append(name)
    return tuple(columns if "name" in columns else [*columns, "name"])


def text(summary: Summary, columns: Sequence[str]) -> str:
    """The tables, each with its head; at the end what is missing in them."""
    parts = list(_grouped(summary, columns) if summary.by != "all" else _plain(summary, columns))
    if summary.lost_calls or summary.lost_events:
        parts.append(
            f"incomplete: {_count(summary.lost_calls, 'call')} lost and counted nowhere above;"
            f" {_count(summary.lost_events, 'event')} lost in all\n"
        )
    return "".join(parts)


def _plain(summary: Summary, columns: Sequence[str]) -> Iterator[str]:
    for table in summary.tables:
        if not any(line.calls for line in table.lines):
            continue
        if table.abi in _MODES:
            yield f"System call usage summary for {_MODES[table.abi]} mode:\n"
        yield _table(table, columns)


def _grouped(summary: Summary, columns: Sequence[str]) -> Iterator[str]:
    groups = set()
    for table in summary.tables:
        groups.add(table.group)
        mode = f", {_MODES[table.abi]} mode" if table.abi in _MODES else ""
        name = group_name(summary.by, table.group)
        yield f"{name}{mode}: {_sums(table.total)}\n"
        if any(line.calls for line in table.lines):
            yield _table(table, columns)
        yield "\n"
    word = {"process": "processes"}.get(summary.by, f"{summary.by}s")
    yield f"{len(groups):,} {word if len(groups) != 1 else summary.by}: {_sums(summary.total)}\n"


def _sums(line: Line) -> str:
    words = [_count(line.calls, "call"), _count(line.errors, "error")]
    words.append(f"{_seconds(line.time)} seconds")
    if line.unfinished:
        words.append(f"{line.unfinished:,} unfinished")
    return ", ".join(words)


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def group_name(by: str, group: Group | None) -> str:
    """What a group is called; one line."""
    if group is None:
        return f"all other {by} groups"
    name = one_line(group.name, 4096)
    if by == "process":
        return f"process {group.pid} ({name or 'unknown'})"
    if by == "thread":
        return f"thread {group.tid} of process {group.pid} ({name or 'unknown'})"
    return f"{by} {name}" if name else f"no {by}"


def _table(table: Table, names: Sequence[str]) -> str:
    """strace leaves out what was called and never returned."""
    columns = [_COLUMNS[name] for name in names]
    whole = table.total.time
    lines = [line for line in table.lines if line.calls]
    rows = [[column.shown(line, whole) for column in columns] for line in lines]
    rows.append([column.shown(table.total, whole) for column in columns])
    widths = [
        max(column.width, *(len(row[at]) + (names[at] == "name") for row in rows))
        for at, column in enumerate(columns)
    ]
    # In strace's, the total's name makes no column wider: it is shorter than any column.
    divider = " ".join("-" * width for width in widths) + "\n"
    shown = [_row([column.title for column in columns], names, widths), divider]
    shown += [_row(row, names, widths) for row in rows[:-1]]
    shown += [divider, _row(rows[-1], names, widths)]
    return "".join(shown)


def _row(cells: Sequence[str], names: Sequence[str], widths: Sequence[int]) -> str:
    shown = [
        cell.rjust(width) if name != "name" else cell.ljust(width)
        for cell, name, width in zip(cells, names, widths, strict=True)
    ]
    if names[-1] == "name":
        shown[-1] = cells[-1]
    return " ".join(shown) + "\n"
