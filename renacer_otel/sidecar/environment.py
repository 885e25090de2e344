# SPDX-License-Identifier: MIT
"""What the command is told of its trace, by its environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel.engine.launch import span_ids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from renacer_otel.sidecar.identity import Identity


def with_context(environ: Sequence[str], identity: Identity) -> list[str]:
    """`environ` with the trace in it: the command's own process span is where it continues."""
    from renacer_otel.spans.context import LAMPORT_AHEAD, format_traceparent, with_lamport
    from renacer_otel.spans.markers import VARIABLE, value_for

    context = identity.context
    process = span_ids(identity.id_key)[1]
    ours = {
        VARIABLE: value_for(),
        "TRACEPARENT": format_traceparent(context.trace_id, process, context.flags),
        # The run's own start is the event that happened before the command's.
        "TRACESTATE": with_lamport(context.tracestate, context.lamport + 1 + LAMPORT_AHEAD),
    }
    return _with(environ, ours)


def without_sampling(environ: Sequence[str], identity: Identity) -> list[str]:
    """`environ` with a trace that is not sampled, so that the command exports nothing either.

    None of our spans will be there: it continues from the span that we would have continued.
    """
    from renacer_otel.spans.context import FLAG_SAMPLED, format_traceparent

    context = identity.context
    parent = context.span_id or span_ids(identity.id_key)[1]
    told = format_traceparent(context.trace_id, parent, context.flags)
    for entry in environ:
        if entry[:-2] == f"TRACEPARENT={told[:-2]}" and not int(entry[-2:], 16) & FLAG_SAMPLED:
            return list(environ)  # it was told so, with whatever other flags
    ours = {"TRACEPARENT": told, "TRACESTATE": context.tracestate}
    return _with(environ, ours)


def _with(environ: Sequence[str], ours: Mapping[str, str]) -> list[str]:
    """`environ` with these variables at its end; an empty one is taken out."""
    others = [entry for entry in environ if entry.partition("=")[0] not in ours]
    return [*others, *(f"{name}={value}" for name, value in ours.items() if value)]
