# SPDX-License-Identifier: MIT
"""`renacer-otel demo`: the whole path on this machine, with nothing to set up.

Traces a small shell pipeline, sends its spans by OTLP/gRPC to a receiver in this process, and
prints the tree that the receiver got.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from renacer_otel.cli import options, terminal
from renacer_otel.errors import EngineError
from renacer_otel.sidecar import summary
from renacer_otel.sidecar.session import Session
from renacer_otel.sidecar.session_config import SessionConfig
from renacer_otel.spans.context import new_run_id

if TYPE_CHECKING:
    from collections.abc import Sequence

PIPELINE = ["sh", "-c", "printf 'three\\none\\ntwo\\n' | sort | head -n 2"]
_WAIT_S = 10.0


def main(arguments: Sequence[str]) -> int:
    """Runs the demo; 0 if every span arrived."""
    parser = options.Parser(
        prog="renacer-otel demo",
        usage="renacer-otel demo [--] [COMMAND [ARGUMENT...]]",
        description=__doc__,
        epilog="COMMAND is traced in place of the pipeline.",
        allow_abbrev=False,
    )
    given, count = options.split_options(arguments, set())
    parser.parse_args(given)
    command = list(arguments[count:])
    if command[:1] == ["--"]:
        del command[0]
    from renacer_otel.exporters.otlp_settings import OtlpFlags, resolve
    from renacer_otel.exporters.receiver import Receiver
    from renacer_otel.reporters import span_tree

    with Receiver() as receiver:
        session = SessionConfig(
            argv=command or PIPELINE,
            environ=dict(os.environ),
            otlp=resolve(OtlpFlags(endpoint=receiver.endpoint), {}).settings,
            run_id=new_run_id(),
            options="demo",
        )
        outcome = Session(session).run()
        receiver.wait_for(outcome.stats.spans, _WAIT_S)
        received = [item.span for item in receiver.spans]
    width = shutil.get_terminal_size((100, 24)).columns
    terminal.show(span_tree.render(received, width, ascii_only=not terminal.is_unicode()))
    # A terminal may have 80 columns.
    terminal.show(summary.last_line(outcome, "span").replace("; ", ";\n") + "\n")
    if not outcome.complete or len(received) != outcome.stats.spans:
        raise EngineError(
            f"{outcome.stats.spans} spans were made and {len(received)} arrived;"
            " renacer-otel doctor says what this machine lacks"
        )
    spans = summary.plural(len(received), "span")
    terminal.show(f"{spans} made, sent and received: nothing lost.\n")
    return 0
