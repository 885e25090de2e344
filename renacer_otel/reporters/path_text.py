# SPDX-License-Identifier: MIT
"""The critical path as tables of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel.analysis.causality.naming import describe, process_name, thread_name
from renacer_otel.spans.replay import edge_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from renacer_otel.analysis.causality.critical_path import CriticalPath, Step
    from renacer_otel.analysis.causality.history import History

_MOST_ROWS = 12
_MOST_STEPS = 40


def render(history: History, path: CriticalPath) -> str:
    """What the time of the path went to: in all, by process, by whom was waited for; its steps."""
    if not path.steps:
        return "critical path: none, the trace has no events\n"
    steps = _count(len(path.steps))
    unsure = "" if path.certain else ", some by causes that are only possible (?)"
    split = (
        f"  running {_share(path.running, path.total)}, in the kernel"
        f" {_share(path.kernel, path.total)}, blocked on others"
        f" {_share(path.blocked, path.total)}\n"
    )
    parts = [f"critical path: {_ms(path.total)}, {steps}{unsure}\n", split]
    rows = [[process_name(history, share.process), *map(_ms, share[1:])] for share in path.shares]
    parts += _table(["process", "running", "kernel", "blocked"], rows)
    rows = [
        [
            f"{process_name(history, row.process)} on {process_name(history, row.on)}",
            row.edge + ("" if row.certain else "?"),
            row.call,
            f"{row.times:,}",
            _ms(row.waited),
            _ms(row.blocked),
        ]
        for row in path.blocked_on
    ]
    if rows:
        head = ["blocked", "by", "in", "times", "waited", "until it came"]
        parts += _table(head, rows)
    rows = [
        [process_name(history, row.process), row.call, f"{row.calls:,}", _ms(row.time)]
        for row in path.calls
    ]
    if rows:
        parts += _table(["in the kernel", "call", "calls", "time"], rows)
    parts += ["\n", *_steps(history, path.steps)]
    return "".join(parts)


def _steps(history: History, steps: Sequence[Step]) -> Iterator[str]:
    """Each with its events; of many, those at both ends."""
    kinds = edge_names()
    left_out = len(steps) - _MOST_STEPS
    for at, step in enumerate(steps):
        if left_out > 0 and _MOST_STEPS // 2 <= at < len(steps) - _MOST_STEPS // 2:
            if at == _MOST_STEPS // 2:
                yield f"  … {_count(left_out)} more; --format json has them\n"
            continue
        where = thread_name(history, step.first.thread)
        yield (
            f"{where}: #{step.first.number} to #{step.last.number}, running"
            f" {_ms(step.running)}, kernel {_ms(step.kernel)}\n"
        )
        if step.edge < 0:
            continue
        edge = history.edges[step.edge]
        effect = history.point(int(edge["call"]) or int(edge["effect"]))
        assert effect is not None
        unsure = "" if edge["certain"] else "?"
        waited = f", which had waited {_ms(step.waited)}" if step.waited else ""
        yield (
            f"  → {kinds[int(edge['kind'])]}{unsure} from {describe(history, step.last)} to"
            f" {describe(history, effect)}, {_ms(step.blocked)}{waited}\n"
        )


def _count(steps: int) -> str:
    return f"{steps:,} step{'' if steps == 1 else 's'}"


def _ms(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:,.3f} ms"


def _share(part: int, whole: int) -> str:
    return f"{_ms(part)} ({100 * part / whole if whole else 0:.0f} %)"


def _table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    """Texts to the left, what has a number to the right; rows beyond the first ones are counted."""
    shown = rows[:_MOST_ROWS]
    widths = [max(map(len, column)) for column in zip(head, *shown, strict=True)]
    right = [bool(shown) and cell[:1].isdigit() for cell in shown[0]] if shown else []
    yield "\n"
    for row in [head, *shown]:
        cells = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        yield "  ".join(cells).rstrip() + "\n"
    if len(rows) > len(shown):
        yield f"… and {len(rows) - len(shown):,} more\n"
