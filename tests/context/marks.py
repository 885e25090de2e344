# SPDX-License-Identifier: MIT
"""What the tests of markers share: where a subject's steps are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.context.spans import links, parse
from tests.engine.tools import export, facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from tests.engine.tools import Spans

FIRST = "00-" + "a1" * 16 + "-" + "b2" * 8 + "-01"
SECOND = "00-" + "c3" * 16 + "-" + "d4" * 8 + "-03"
UNSAMPLED = "00-" + "e5" * 16 + "-" + "f6" * 8 + "-00"
# How it is traced: another engine, or most calls let through in the kernel.
WAYS = {
    "ptrace": (),
    "filtered": ("-e", "trace=getpgid", "--seccomp-bpf", "on"),
    "python": ("--engine", "python"),
}


def steps(run: Spans) -> dict[int, Span]:
    """The calls by which a subject says where it is."""
    found = {facts(span)["syscall.args.pid"] - 1000: span for span in run.named("getpgid")}
    assert len(found) == len(run.named("getpgid"))
    return found


def is_under(run: Spans, span: Span, traceparent: str) -> None:
    """A child of the application's span, linked to its process."""
    parent = parse(traceparent)
    assert (span.trace_id, span.parent_span_id) == (parent.trace_id, parent.span_id)
    assert span.flags == parent.flags | 0x100
    process = run.by_id[links(span)["process"]]
    assert process in run.processes
    assert process.trace_id == run.root.trace_id


def is_under_process(run: Spans, span: Span) -> None:
    assert span.trace_id == run.root.trace_id
    assert run.by_id[span.trace_id, span.parent_span_id] in run.processes
    assert "process" not in links(span)


def ran(words: Sequence[object], *options: str) -> Spans:
    run = export(words, *options)
    assert run.done.status == 0, run.done
    return run
