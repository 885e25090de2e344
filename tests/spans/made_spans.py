# SPDX-License-Identifier: MIT
"""Spans of a run as a back end has them: by trace, as trees, with their links."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from renacer_otel.exporters.receiver import Receiver
from tests.cli.tool import renacer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

ROOT = "renacer-otel run"


def exported(*words: str | Path) -> list[Span]:
    """What a collector gets of a run of these options and this command."""
    with Receiver() as receiver:
        done = renacer("--otlp-endpoint", receiver.endpoint, *words)
        assert done.code == 0, done.err
        assert done.totals.lost == 0
        found = receiver.spans
        assert done.totals.sent == len(found)
        runs = {
            pair.value.string_value
            for item in found
            for pair in item.resource.attributes
            if pair.key == "renacer.run.id"
        }
        assert len(runs) == 1  # ties all traces together
        return [item.span for item in found]


def attributes(span: Span) -> dict[str, Any]:
    """Whatever their types."""
    found: dict[str, Any] = {}
    for pair in span.attributes:
        kind = pair.value.WhichOneof("value")
        assert kind is not None
        value = getattr(pair.value, kind)
        found[pair.key] = (
            [one.string_value for one in value.values] if kind == "array_value" else value
        )
    assert len(found) == len(span.attributes)  # no key twice
    return found


def calls_of(span: Span) -> int:
    """How many calls it stands for."""
    given = attributes(span)
    return int(given.get("renacer.fold.count", 1)) if "syscall.name" in given else 0


def run_of(spans: Iterable[Span]) -> dict[str, Any]:
    """The attributes of the run's own span."""
    (found,) = [one for one in map(attributes, spans) if "renacer.command" in one]
    return found


def by_trace(spans: Iterable[Span]) -> dict[bytes, list[Span]]:
    """The spans of each trace."""
    found: defaultdict[bytes, list[Span]] = defaultdict(list)
    for span in spans:
        found[span.trace_id].append(span)
    return dict(found)


def check_whole(spans: Iterable[Span], foreign: frozenset[bytes] = frozenset()) -> None:
    """Each trace is one tree with a root, and each link leads to a span.

    `foreign`: span ids that others have made.
    """
    spans = list(spans)
    ids = Counter((span.trace_id, span.span_id) for span in spans)
    assert set(ids.values()) == {1}
    assert len({span.span_id for span in spans}) == len(spans)
    for trace, members in by_trace(spans).items():
        roots = [span for span in members if span.parent_span_id in (b"", *foreign)]
        assert [span.name for span in roots] == [ROOT]
        for span in members:
            parent = span.parent_span_id
            assert not parent or parent in foreign or (trace, parent) in ids, span.name
    for span in spans:
        for link in span.links:
            assert link.span_id in foreign or (link.trace_id, link.span_id) in ids, span.name


def check_counts(spans: list[Span]) -> None:
    """Every call is in one span, or counted as left out, by run and by process."""
    run = run_of(spans)
    told = sum(map(calls_of, spans))
    assert told + run.get("renacer.omitted.calls", 0) == run["renacer.calls"]
    originals: dict[bytes, bytes] = {}
    processes: dict[bytes, dict[str, Any]] = {}
    for span in spans:
        given = attributes(span)
        if "renacer.copy" in given:
            (originals[span.span_id],) = [
                link.span_id
                for link in span.links
                if attributes(link)["renacer.edge"] == "process"  # type: ignore[arg-type]
            ]
        elif "process.pid" in given:
            processes[span.span_id] = given
    of: Counter[bytes] = Counter()
    for span in spans:
        parent = originals.get(span.parent_span_id, span.parent_span_id)
        of[parent] += calls_of(span)
    for span_id, given in processes.items():
        assert of[span_id] + given.get("renacer.omitted.calls", 0) == given["renacer.calls"]
