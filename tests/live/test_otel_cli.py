# SPDX-License-Identifier: MIT
"""otel-cli in a child: its spans continue from its own process span, and what it runs from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from renacer_otel.exporters.receiver import Receiver
from tests.context.spans import context_of, links
from tests.engine.tools import Spans, environment, execute, traced

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]


def test_parents(backends: Path) -> None:
    cli = f"'{backends / 'otel-cli'}'"
    inner = f"{cli} span --service app --name inner --protocol grpc; :"
    code = f'{cli} exec --service app --name outer --protocol grpc -- sh -c "{inner}"; :'
    with Receiver() as receiver:
        env = environment(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint)
        before = traced("--otlp-endpoint", receiver.endpoint)
        done = execute([*before, "sh", "-c", code], env)
        received = receiver.spans
    assert done.status == 0, done
    of_cli = {each.span.name: each.span for each in received if "otel-cli" in each.scope.name}
    run = Spans(done, [each.span for each in received if each.scope.name == "renacer_otel"])
    assert sorted(of_cli) == ["inner", "outer"]
    outer, inner_span = of_cli["outer"], of_cli["inner"]
    assert {span.trace_id for span in (*run.spans, outer, inner_span)} == {run.root.trace_id}

    def process_over(span: Span) -> Span:
        found = run.by_id[run.root.trace_id, span.parent_span_id]
        assert (found.name, context_of(found)) == ("otel-cli", "ours")
        return found

    # Each continues from the process that it is of; the shell that otel-cli runs hangs below
    # the span over it, and knows which process made it.
    first = process_over(outer)
    (shell,) = [span for span in run.processes if span.parent_span_id == outer.span_id]
    assert context_of(shell) == "foreign"
    assert links(shell)["parent"] == (run.root.trace_id, first.span_id)
    assert process_over(inner_span).parent_span_id == shell.span_id
