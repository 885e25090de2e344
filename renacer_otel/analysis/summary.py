# SPDX-License-Identifier: MIT
"""Summaries of calls: tables of lines, sorted, with quantiles; of a run's counts or a TRACE file.

The core counts (spans/counts.py); here counts become tables. Quantiles are DDSketch's
(https://www.vldb.org/pvldb/vol12/p2195-masson.pdf), by the ddsketch library: the core hands over
each duration within 1/256 of itself, the sketch keeps it within 0.5 %, so that a quantile is
within QUANTILE_ERROR of the duration of exactly that rank, floor(q * (n - 1)) from 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from renacer_otel.errors import UsageError, did_you_mean, one_line
from renacer_otel.spans import counts as counting

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from renacer_otel.ring.trace_file import Frame
    from renacer_otel.spans.counts import Counts, Group, Row

QUANTILES = (0.5, 0.9, 0.99)
#: Relative: (1 + 0.005) * (1 + 1/256) < 1.01.
QUANTILE_ERROR = 0.01
_SKETCH_ERROR = 0.005
_GAP = 10  # RN_GAP

#: What lines can be sorted by, and strace's other names of it; greatest first, but for names.
SORTS: dict[str, tuple[str, ...]] = {
    "time": ("time-percent", "time-total", "total-time"),
    "min-time": ("shortest", "time-min"),
    "max-time": ("longest", "time-max"),
    "avg-time": ("time-avg",),
    "calls": ("count",),
    "errors": ("error",),
    "name": ("syscall", "syscall-name"),
    "nothing": ("none",),
}


@dataclass
class Line:
    """Calls of one name, or of all. Times in ns, of the `calls` that returned.

    `quantiles`: as QUANTILES; None where they are not asked for or cannot be told.
    """

    name: str
    nr: int = 0
    calls: int = 0
    errors: int = 0
    unfinished: int = 0
    time: int = 0
    shortest: int = 0
    longest: int = 0
    quantiles: tuple[int, ...] | None = None

    @property
    def average(self) -> float:
        """Of one call, ns."""
        return self.time / self.calls if self.calls else 0.0


@dataclass
class Table:
    """Calls of one group and of one kind of programs (`abi`, as in Row).

    `group` is None where calls are not grouped.
    """

    abi: str
    group: Group | None
    lines: list[Line]
    total: Line


@dataclass
class Summary:
    """All tables: of the groups, the one that sorts first comes first.

    `wall`: times from entry to exit; else system CPU time. `total`: of all tables, without
    quantiles. `lost_calls`: calls that are in no table; `lost_events`: events that the ring could
    not take, among them those calls, and exits of calls that count as unfinished.
    """

    by: str
    wall: bool
    tables: list[Table] = field(default_factory=list)
    total: Line = field(default_factory=lambda: Line("total"))
    lost_calls: int = 0
    lost_events: int = 0


def sort_name(value: str) -> str:
    """The key of SORTS that `value` means. Raises UsageError that names the nearest."""
    word = value.replace("_", "-")
    for name, aliases in SORTS.items():
        if word == name or word in aliases:
            return name
    known = [*SORTS, *(alias for aliases in SORTS.values() for alias in aliases)]
    shown = f"-S: '{one_line(value, 40)}' is not one of {', '.join(SORTS)}"
    raise UsageError(shown + did_you_mean(word, known))


def summarize(counts: Counts, sort: str = "time") -> Summary:
    """Tables of what was counted, one for each group and ABI; `sort`: a key of SORTS."""
    rows: dict[tuple[int, str], list[tuple[Row, list[tuple[int, int]]]]] = {}
    for index, row in enumerate(counts.rows):
        found = rows.setdefault((row.group, row.abi), [])
        found.append((row, counts.buckets.get(index, [])))
    tables = []
    for (group, abi), some in rows.items():
        lines, total = _lines(some, wall=counts.wall)
        lines.sort(key=lambda line: line.nr & 0xFFFFFFFF)  # as the kernel takes it
        _sort(lines, sort, lambda line: line)
        tables.append(Table(abi, counts.groups[group] if group else None, lines, total))
    # The machine's own ABI comes first, as with strace: it has the smallest number.
    tables.sort(key=lambda table: counting.ABIS.index(table.abi))
    if counts.by != "all":
        _sort(tables, sort, lambda table: table.total)
        if sort == "name":
            tables.sort(key=lambda table: table.group or ())
    return Summary(
        counts.by,
        counts.wall,
        tables,
        _sum([table.total for table in tables]),
        lost_calls=counts.lost_calls + counts.missed,
        lost_events=counts.lost_events,
    )


def of_trace(
    path: str | os.PathLike[str], by: str = "all", *, wall: bool = True, sort: str = "time"
) -> Summary:
    """The summary of a TRACE file, in bounded memory.

    Without `wall` the file must carry CPU times (`-C --format record` without -w). A file that
    was cut short gives what is whole of it. Raises TraceNotFound, TraceUnreadable, UsageError.
    """
    from renacer_otel.ring import trace_file

    with trace_file.open_trace(path) as reader:
        if not wall and not reader.metadata.get("cpu_times"):
            raise UsageError(
                f"{one_line(str(path), 120)}: holds no CPU times; ask for wall time, or capture it"
                " with -C and without -w"
            )
        gaps = _Gaps()
        counts = counting.of_records(gaps.watch(reader), by, wall=wall)
    counts.lost_calls, counts.lost_events = gaps.calls, gaps.events
    return summarize(counts, sort)


class _Gaps:
    """What the records themselves say is lost."""

    def __init__(self) -> None:
        self.calls = self.events = 0

    def watch(self, frames: Iterable[Frame]) -> Iterator[bytes]:
        """The records of each frame as they are."""
        for frame in frames:
            gaps = frame.events[frame.events["kind"] == _GAP]["args"]
            self.events += int(gaps[:, 0].sum())
            self.calls += int(gaps[:, 1].sum())
            yield frame.records


def _lines(
    rows: Sequence[tuple[Row, list[tuple[int, int]]]], *, wall: bool
) -> tuple[list[Line], Line]:
    """A line for each row, and their total; quantiles where every duration is in a bucket."""
    lines = [
        Line(row.name, row.nr, row.calls, row.errors, row.unfinished, row.time, row.shortest,
             row.longest)
        for row, _ in rows
    ]  # fmt: skip
    total = _sum(lines)
    if not wall:
        return lines, total
    from ddsketch import DDSketch

    new: Callable[[float], Any] = DDSketch  # whose types are not told
    all_of_them, complete = new(_SKETCH_ERROR), True
    for line, (row, buckets) in zip(lines, rows, strict=True):
        if row.sampled < row.calls:
            complete = False
            continue
        sketch = new(_SKETCH_ERROR)
        for duration, count in buckets:
            sketch.add(duration, count)
        all_of_them.merge(sketch)
        line.quantiles = _quantiles(sketch, line)
    if complete:
        total.quantiles = _quantiles(all_of_them, total)
    return lines, total


def _quantiles(sketch: Any, line: Line) -> tuple[int, ...] | None:
    if not line.calls:
        return None
    found = (sketch.get_quantile_value(q) for q in QUANTILES)
    # The extremes are known exactly.
    return tuple(min(max(round(value), line.shortest), line.longest) for value in found)


def _sum(lines: Sequence[Line]) -> Line:
    total = Line("total")
    total.shortest = min((line.shortest for line in lines if line.calls), default=0)
    for line in lines:
        total.calls += line.calls
        total.errors += line.errors
        total.unfinished += line.unfinished
        total.time += line.time
        total.longest = max(total.longest, line.longest)
    return total


def _sort(items: list[Any], sort: str, line_of: Callable[[Any], Line]) -> None:
    """As strace: greatest first, equals as they are; "nothing" leaves all as they are."""
    if sort == "nothing":
        return
    of: dict[str, Callable[[Line], Any]] = {
        "time": lambda line: -line.time,
        "min-time": lambda line: -line.shortest,
        "max-time": lambda line: -line.longest,
        "avg-time": lambda line: -line.average,
        "calls": lambda line: -line.calls,
        "errors": lambda line: -line.errors,
        "name": lambda line: line.name,
    }
    items.sort(key=lambda item: of[sort](line_of(item)))
