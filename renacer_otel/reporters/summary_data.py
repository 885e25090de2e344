# SPDX-License-Identifier: MIT
"""A summary for programs: CSV (RFC 4180) and JSON. Times are exact, in ns, or seconds of them."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from renacer_otel.analysis.summary import QUANTILE_ERROR
from renacer_otel.spans import redacted

if TYPE_CHECKING:
    from renacer_otel.analysis.summary import Line, Summary, Table
    from renacer_otel.spans.counts import Group

#: Of the JSON; a change that a reader must know of gets another number.
SCHEMA = "renacer-otel-summary/1"

_GROUP_COLUMNS = {
    "all": (),
    "process": ("pid", "process"),
    "thread": ("pid", "tid", "process"),
    "path": ("path",),
    "peer": ("peer",),
}
_QUANTILES = ("p50", "p90", "p99")
# What a spreadsheet takes for the begin of a formula, and our own mark before it.
_FORMULA = ("=", "+", "-", "@", "'")


def escape(text: str) -> str:
    """Printable characters only: each byte of others as \\xHH, a backslash as two. Reversible."""
    return "".join(char if char.isprintable() and char != "\\" else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    if char == "\\":
        return "\\\\"
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))


def cell(text: str) -> str:
    """A text for a CSV file: escaped, and no formula: ' goes before =, +, -, @ and '."""
    shown = escape(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def as_csv(summary: Summary) -> str:
    """One row a call and group, head first; what was lost, if anything, is the row "(lost)"."""
    out = io.StringIO()
    writer = csv.writer(out)
    groups = _GROUP_COLUMNS[summary.by]
    times = ["seconds", "usecs_per_call", "min_seconds", "max_seconds"]
    if summary.wall:
        times += [f"{name}_seconds" for name in _QUANTILES]
    writer.writerow([*groups, "abi", "syscall", "calls", "errors", "unfinished", "time_percent",
                     *times])  # fmt: skip
    for table in summary.tables:
        group = _group(summary.by, table.group)
        head = [cell(value) if isinstance(value, str) else value for value in group.values()]
        for line in table.lines:
            writer.writerow([*head, table.abi, *_cells(line, table.total.time, wall=summary.wall)])
    if summary.lost_calls:
        lost = [*("" for _ in groups), "", "(lost)", summary.lost_calls]
        writer.writerow([*lost, *("" for _ in range(3 + len(times)))])
    return out.getvalue()


def _cells(line: Line, whole: int, *, wall: bool) -> list[Any]:
    percent = 100.0 * line.time / whole if line.time else 0.0
    cells = [line.name, line.calls, line.errors, line.unfinished, f"{percent:.2f}",
             _seconds(line.time), f"{line.average / 1000:.3f}", _seconds(line.shortest),
             _seconds(line.longest)]  # fmt: skip
    if wall:
        cells += map(_seconds, line.quantiles) if line.quantiles else [""] * len(_QUANTILES)
    return cells


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds // 1_000_000_000}.{nanoseconds % 1_000_000_000:09d}"


def as_json(summary: Summary) -> str:
    """One JSON object, indented; the documentation of the command line has its members."""
    return json.dumps(_object(summary), indent=1, ensure_ascii=False) + "\n"


def _object(summary: Summary) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "clock": "wall" if summary.wall else "system-cpu",
        "by": summary.by,
        **({"quantile_error": QUANTILE_ERROR} if summary.wall else {}),
        "tables": [_table(summary, table) for table in summary.tables],
        "total": _line(summary.total, wall=summary.wall),
        "lost_calls": summary.lost_calls,
        "lost_events": summary.lost_events,
    }


def _table(summary: Summary, table: Table) -> dict[str, Any]:
    values = _group(summary.by, table.group)
    shown = {name: escape(v) if isinstance(v, str) else v for name, v in values.items()}
    group = {} if summary.by == "all" else {"group": shown}
    return {
        **group,
        "abi": table.abi,
        "syscalls": [_line(line, wall=summary.wall) for line in table.lines],
        "total": _line(table.total, wall=summary.wall),
    }


def _line(line: Line, *, wall: bool) -> dict[str, Any]:
    values: dict[str, Any] = {} if line.name == "total" else {"name": line.name}
    values |= {
        "calls": line.calls,
        "errors": line.errors,
        "unfinished": line.unfinished,
        "time_ns": line.time,
        "min_ns": line.shortest,
        "max_ns": line.longest,
    }
    if wall and line.quantiles:
        values |= {f"{n}_ns": v for n, v in zip(_QUANTILES, line.quantiles, strict=True)}
    return values


def _group(by: str, group: Group | None) -> dict[str, Any]:
    """The values of a group's columns. Where there was no room for a group: nothing known."""
    values: dict[str, Any] = dict.fromkeys(_GROUP_COLUMNS[by])
    if group is None:
        return values
    name = redacted.text(group.name)
    known = {"pid": group.pid, "tid": group.tid, "process": name, "path": name, "peer": name}
    return {name: known[name] for name in values}
