# SPDX-License-Identifier: MIT
"""Holds what a back end has received against the record file of the same run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from renacer_otel.engine import native
from renacer_otel.ring import trace_file
from tests.live.jaeger_api import JAEGER_TAGS
from tests.live.oracle import RUN, SHOWN, Oracle, Piece, Record, iso_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from tests.live.jaeger_api import AttributeValue, ReadSpan

SPAN_KIND_INTERNAL = 1
STATUS_ERROR = 2
HAS_IS_REMOTE = 0x100
#: Root attributes that no record tells: checked for type and sign only.
MEASURED = {
    "renacer.stops": int,
    "renacer.tracer.cpu_time": float,
    "renacer.tracer.added_time": float,
}


def records_of(trace: trace_file.Trace) -> Iterator[Record]:
    """The file's records as the oracle takes them."""
    numbers = ("kind", "abi", "flags", "tid", "pid", "seq", "t0", "t1", "nr", "result")
    columns = {name: trace.events[name].tolist() for name in numbers}
    args = trace.events["args"].tolist()
    for row in range(len(trace.events)):
        pieces = tuple(
            Piece(piece.type, piece.arg, piece.flags, piece.total, bytes(piece.data))
            for piece in trace.pieces(row)
        )
        fields = {name: column[row] for name, column in columns.items()}
        yield Record(**fields, args=tuple(args[row]), pieces=pieces)


def _lamport(span: ReadSpan) -> tuple[int, int]:
    start, end = (span.attributes[f"renacer.lamport.{edge}"] for edge in ("start", "end"))
    assert isinstance(start, int)
    assert isinstance(end, int)
    return start, end


def read_oracle(path: Path, read: Iterable[ReadSpan]) -> tuple[dict[str, Any], Oracle]:
    """Metadata of a record file, and the oracle that has read it to its end, with what arrived."""
    trace = trace_file.read(path)
    assert trace.complete
    key0, key1 = trace.metadata["id_key"]
    oracle = Oracle(
        span_id=lambda counter: int(native.lib.rn_span_id(key0, key1, counter)),
        arrived={int(span.span_id, 16): _lamport(span) for span in read},
    )
    oracle.run(records_of(trace))
    return trace.metadata, oracle


def _is_as_wanted(found: AttributeValue, wanted: AttributeValue) -> bool:
    if wanted is SHOWN:
        return found is None or (isinstance(found, (str, int)) and not isinstance(found, bool))
    return repr(found) == repr(wanted)


def _differences(
    found: Mapping[str, AttributeValue], wanted: Mapping[str, AttributeValue]
) -> dict[str, tuple[AttributeValue, AttributeValue]]:
    """Attributes that are not the same, type included (True is not 1): found, wanted."""
    return {
        key: (found.get(key), wanted.get(key))
        for key in found.keys() | wanted.keys()
        if not _is_as_wanted(found.get(key), wanted.get(key))
    }


def _check_root(root: ReadSpan, oracle: Oracle, anchor: int) -> None:
    assert root.name == "renacer-otel run"
    assert root.parent_id == ""
    attributes = dict(root.attributes)
    for key, kind in MEASURED.items():
        value = attributes.pop(key)
        assert type(value) is kind
        assert isinstance(value, int | float)
        assert value > 0
    assert attributes.pop("renacer.engine") == "ptrace"
    assert isinstance(attributes.pop("renacer.options"), str)
    assert isinstance(attributes.pop("renacer.command"), str)
    assert _differences(attributes, oracle.root) == {}
    assert root.status == (STATUS_ERROR if oracle.root_error else 0)
    assert root.end >= anchor + oracle.last_time


def _check_tree(spans: dict[int, ReadSpan], root: int) -> None:
    """One root, no orphan, every span within its parent's reach in Lamport time."""
    for identity, span in spans.items():
        if identity == root:
            continue
        parent = spans.get(int(span.parent_id or "0", 16))
        assert parent is not None, f"orphan: {span}"
        start, end = _lamport(span)
        assert _lamport(parent)[0] < start < end
        assert parent.start <= span.start <= span.end


def _check_links(span: ReadSpan, spans: Mapping[int, ReadSpan]) -> None:
    """Each names an earlier cause in the same trace."""
    for link in span.links:
        assert link.trace_id == span.trace_id
        assert link.attributes.keys() == {"renacer.edge"}
        assert _lamport(spans[int(link.span_id, 16)])[0] < _lamport(span)[1]


def check_spans(read: list[ReadSpan], path: Path) -> Oracle:
    """Asserts that the spans are those of the record file, each with all its content."""
    metadata, oracle = read_oracle(path, read)
    root_id = oracle.span_id(RUN)
    spans = {int(span.span_id, 16): span for span in read}
    assert len(spans) == len(read), "a span arrived twice"
    assert spans.keys() == oracle.spans.keys() | {root_id}
    assert {span.trace_id for span in read} == {metadata["trace_id"]}
    assert {span.scope[0] for span in read} == {"renacer_otel"}
    assert len({str(span.resource) for span in read}) == 1
    # One anchor for the whole trace: Unix time - monotonic time is the same everywhere.
    (anchor,) = {spans[identity].start - span.start for identity, span in oracle.spans.items()}
    for identity, expected in oracle.spans.items():
        span = spans[identity]
        if "process.pid" in expected.attributes:
            expected.attributes["process.creation.time"] = iso_time(span.start)
        assert _differences(span.attributes, expected.attributes) == {}, span
        assert span.name == expected.name
        assert int(span.parent_id, 16) == expected.parent
        assert span.end == anchor + expected.end, span
        assert span.status == (STATUS_ERROR if expected.error else 0)
        _check_links(span, spans)
    for span in read:
        assert span.kind == SPAN_KIND_INTERNAL
        # A new trace: sampled and random, no parent in another process.
        assert span.flags == HAS_IS_REMOTE | 3
        assert span.trace_state == ""
        assert span.status_message == ""
        assert span.events == 0
    _check_root(spans[root_id], oracle, anchor)
    _check_tree(spans, root_id)
    return oracle


def check_page(page: dict[str, Any], read: list[ReadSpan]) -> None:
    """Asserts that Jaeger's page would show the same spans, and warn of nothing."""
    assert not page["warnings"]
    spans = {span["spanID"]: span for span in page["spans"]}
    assert spans.keys() == {span.span_id for span in read}
    for span in read:
        shown = spans[span.span_id]
        assert not shown["warnings"], shown
        assert shown["operationName"] == span.name
        assert shown["startTime"] == span.start // 1000
        parents = [
            reference["spanID"]
            for reference in shown["references"]
            if reference["refType"] == "CHILD_OF"
        ]
        assert parents == ([span.parent_id] if span.parent_id else [])
        tags = [tag["key"] for tag in shown["tags"]]
        assert len(tags) == len(set(tags))
        assert span.attributes.keys() == set(tags) - JAEGER_TAGS
        assert ("error" in tags) == (span.status == STATUS_ERROR)
