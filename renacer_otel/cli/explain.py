# SPDX-License-Identifier: MIT
"""`renacer-otel explain`: whether A was before B, after it, or neither, and the proof.

A and B are spans of a TRACE file: '#NUMBER' (of an event), a span id in hex, PID (a process) or
its NAME if no other has it, PID:CALL or PID:CALL[N] (its N-th call of that name, from 1; from -1
back from the last), NAME:CALL[N].

A is before B if the end of A happened before the start of B: by a chain of steps in one thread
and of certain edges between threads. If only the start of one happened before the end of the
other, the two overlap. If neither did, they are concurrent.

Exit code 0; 2 if there is no such TRACE file, 3 if it cannot be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel.cli import options, written

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Writes the verdict; 0. Raises TraceNotFound, TraceUnreadable, UsageError, OutputError."""
    parser = options.parser_of("explain", "TRACE A B [--format text|json] [-o FILE]", __doc__)
    options.add_trace(parser)
    parser.add_argument("a", metavar="A", help="a span: see above")
    parser.add_argument("b", metavar="B", help="another")
    parser.add_argument("--format", metavar="FORMAT", default="text", help="text or json (text)")
    options.add_output(parser)
    given = parser.parse_args(list(arguments))
    options.one_of("--format", given.format, ("text", "json"))
    history = written.history_of(given.trace)
    from renacer_otel.analysis.causality import naming, relation
    from renacer_otel.reporters import relation_json, relation_text

    a, b = naming.find(history, given.a), naming.find(history, given.b)
    found = relation.relate(history, a, b)
    reporter = relation_json if given.format == "json" else relation_text
    written.write(reporter.render(history, found), given.output)
    return 0
