# SPDX-License-Identifier: MIT
"""`renacer-otel demo`: the whole path on this machine, with nothing to set up.

Traces a small shell pipeline, sends its spans by OTLP/gRPC to a receiver in this process, and
prints the tree that the receiver got.
"""

from __future__ import annotations

import os
import shutil
import sys
import uuid
from typing import TYPE_CHECKING

from renacer_otel.cli import options
from renacer_otel.errors import EngineError
from renacer_otel.sidecar import summary
from renacer_otel.sidecar.session import Session, SessionConfig
from renacer_otel.spans.context import new_context

if TYPE_CHECKING:
    from collections.abc import Sequence

PIPELINE = ["sh", "-c", "printf 'three\\none\\ntwo\\n' | sort | head -n 2"]
_WAIT_S = 10.0


def main(arguments: Sequence[str]) -> int:
    """Runs the demo; 0 if every span arrived."""
    parser = options.Parser(prog="renacer-otel demo", description=__doc__, allow_abbrev=False)
    parser.add_argument("command", nargs="*", help="what to trace instead of the pipeline")
    given = parser.parse_args(list(arguments))
    from renacer_otel.exporters.otlp_settings import OtlpFlags, resolve
    from renacer_otel.exporters.receiver import Receiver
    from renacer_otel.reporters import span_tree

    command = given.command or PIPELINE
    with Receiver() as receiver:
        session = SessionConfig(
            argv=command,
            environ=dict(os.environ),
            context=new_context(),
            otlp=resolve(OtlpFlags(endpoint=receiver.endpoint), {}).settings,
            run_id=str(uuid.uuid4()),
            options="demo",
        )
        outcome = Session(session).run()
        receiver.wait_for(outcome.stats.spans, _WAIT_S)
        received = receiver.spans
    width = shutil.get_terminal_size((100, 24)).columns
    print(span_tree.render([item.span for item in received], width=width))
    sent = outcome.otlp.written if outcome.otlp else 0
    rejected = outcome.otlp.rejected if outcome.otlp else 0
    print(summary.last_line(outcome.stats, sent, rejected, outcome.lost_spans))
    sys.stdout.flush()
    if not outcome.complete or len(received) != outcome.stats.spans:
        raise EngineError(
            f"{outcome.stats.spans} spans were made and {len(received)} arrived;"
            " renacer-otel doctor says what this machine lacks"
        )
    print(f"{summary.plural(len(received), 'span')} made, sent and received: nothing lost.")
    return 0
