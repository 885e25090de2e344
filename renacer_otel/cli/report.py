# SPDX-License-Identifier: MIT
"""`renacer-otel report`: what a TRACE file tells of causes.

--view causality is the happens-before graph: which process caused something in which, by what.
--view critical-path is the longest causal path to the end of the command, its time split into
running, in the kernel, and blocked on others.

Exit code 0; 2 if there is no such TRACE file, 3 if it cannot be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel.cli import options, written
from renacer_otel.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renacer_otel.analysis.causality.history import History

VIEWS = {"causality": ("dot", "mermaid", "json"), "critical-path": ("text", "json")}
BY = ("process", "thread")


def main(arguments: Sequence[str]) -> int:
    """Writes the view; 0. Raises TraceNotFound, TraceUnreadable, UsageError, OutputError."""
    parser = options.parser_of(
        "report", "TRACE [--view VIEW] [--format FORMAT] [--by WHAT] [-o FILE]", __doc__
    )
    options.add_trace(parser)
    parser.add_argument("--view", metavar="VIEW", default="causality",
        help="causality or critical-path (causality)")  # fmt: skip
    parser.add_argument("--format", metavar="FORMAT",
        help="dot, mermaid, json (dot); of critical-path: text, json (text)")  # fmt: skip
    parser.add_argument("--by", metavar="WHAT", default="process",
        help="nodes of the graph: process or thread (process)")  # fmt: skip
    options.add_output(parser)
    given = parser.parse_args(list(arguments))
    options.one_of("--view", given.view, VIEWS)
    form = given.format or VIEWS[given.view][0]
    options.one_of(f"--view {given.view} --format", form, VIEWS[given.view])
    options.one_of("--by", given.by, BY)
    if given.by != "process" and given.view != "causality":
        raise UsageError(f"--by is for --view causality; leave it out with --view {given.view}")
    history = written.history_of(given.trace)
    written.write(_view(history, given.view, form, given.by), given.output)
    return 0


def _view(history: History, view: str, form: str, by: str) -> str:
    whole = history.run.is_whole
    if view == "critical-path":
        from renacer_otel.analysis.causality.critical_path import critical_path
        from renacer_otel.reporters import path_json, path_text

        path = critical_path(history)
        if form == "json":
            return path_json.render(history, path, whole=whole)
        return path_text.render(history, path)
    from renacer_otel.analysis.causality.graph import graph_of
    from renacer_otel.reporters import graph_dot, graph_json, graph_mermaid

    graph = graph_of(history, by)
    if form == "json":
        return graph_json.render(graph, whole=whole)
    return graph_dot.render(graph) if form == "dot" else graph_mermaid.render(graph)
