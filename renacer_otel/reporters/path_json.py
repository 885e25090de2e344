# SPDX-License-Identifier: MIT
"""The critical path as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from renacer_otel.spans import redacted
from renacer_otel.spans.replay import edge_names

if TYPE_CHECKING:
    from renacer_otel.analysis.causality.critical_path import CriticalPath, Step
    from renacer_otel.analysis.causality.history import History

_MOST_STEPS = 10_000


def render(history: History, path: CriticalPath, *, whole: bool) -> str:
    """One object. Times are ns; processes are ordinals, as in the graph; of very many steps the
    last ones stand here."""
    kinds = edge_names()

    def step_of(step: Step) -> dict[str, Any]:
        thread = history.run.threads[step.first.thread]
        found: dict[str, Any] = {
            "process": int(thread["ordinal"]),
            "tid": int(thread["tid"]),
            "first": step.first.number,
            "last": step.last.number,
            "running": step.running,
            "kernel": step.kernel,
        }
        if step.edge >= 0:
            edge = history.edges[step.edge]
            found["edge"] = {
                "kind": kinds[int(edge["kind"])],
                "certain": bool(edge["certain"]),
                "blocked": step.blocked,
                "waited": step.waited,
            }
        return found

    processes = {
        ordinal: history.run.processes[ordinal]
        for ordinal in sorted({share.process for share in path.shares})
        if ordinal in history.run.processes
    }
    found = {
        "total": path.total,
        "running": path.running,
        "kernel": path.kernel,
        "blocked": path.blocked,
        "certain": path.certain,
        "processes": [
            {"process": ordinal, "pid": process.pid, "executable": process.exe}
            for ordinal, process in processes.items()
        ],
        "shares": [share._asdict() for share in path.shares],
        "blocked_on": [row._asdict() for row in path.blocked_on],
        "calls": [row._asdict() for row in path.calls],
        "steps": [step_of(step) for step in path.steps[-_MOST_STEPS:]],
        "steps_left_out": max(len(path.steps) - _MOST_STEPS, 0),
        "whole": whole,
    }
    return json.dumps(redacted.tree(found), indent=2) + "\n"
