# SPDX-License-Identifier: MIT
"""Events `renacer.lost` on the root span, for what was lost behind the encoder.

The core writes the root span last, and knows of the ring's losses alone. What has been dropped
by then on the way out is added to the finished block, in which the root span is the last entry.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from renacer_otel.exporters.attributes import field
from renacer_otel.exporters.fields import each_field

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = "renacer-otel run"
EVENT = "renacer.lost"
_SPANS = 2  # of ScopeSpans: opentelemetry-proto, trace/v1/trace.proto
REASON, SPANS = "renacer.lost.reason", "renacer.lost.spans"


def with_losses(block: bytes, losses: Mapping[str, int], *, is_json: bool) -> bytes:
    """The block whose last span, if that is the root, tells of each reason and how many spans."""
    if not losses:
        return block
    try:
        return _in_json(block, losses) if is_json else _in_protobuf(block, losses)
    except (ValueError, KeyError, TypeError):
        return block  # it is no block that ends in a root span


def _in_protobuf(block: bytes, losses: Mapping[str, int]) -> bytes:
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    start, body = _last_entry(block)
    try:
        span = Span.FromString(block[body:])
    except DecodeError as error:
        raise ValueError("no span") from error
    if span.name != ROOT:
        raise ValueError("not the root")
    for reason, spans in sorted(losses.items()):
        event = span.events.add(time_unix_nano=span.end_time_unix_nano, name=EVENT)
        event.attributes.add(key=REASON).value.string_value = reason
        event.attributes.add(key=SPANS).value.int_value = spans
    whole = span.SerializeToString()
    return block[:start] + field(_SPANS, whole)


def _last_entry(block: bytes) -> tuple[int, int]:
    """(where the last `spans` entry begins, where its content does). Raises ValueError."""
    last = None
    for last in each_field(block, 0, len(block)):
        if not last.holds(_SPANS):
            raise ValueError("no `spans` entry")
    if last is None:
        raise ValueError("empty")
    return last.begin, last.start


def _in_json(block: bytes, losses: Mapping[str, int]) -> bytes:
    start, span = _last_object(block)
    span.setdefault("events", []).extend(
        {
            "timeUnixNano": span["endTimeUnixNano"],
            "name": EVENT,
            "attributes": [
                {"key": REASON, "value": {"stringValue": reason}},
                {"key": SPANS, "value": {"intValue": str(spans)}},
            ],
        }
        for reason, spans in sorted(losses.items())
    )
    return block[:start] + json.dumps(span, separators=(",", ":")).encode("ascii")


def _last_object(block: bytes) -> tuple[int, dict[str, Any]]:
    """(where the root span begins, the root). Its links begin as a span does. Raises ValueError."""
    start = len(block)
    while (start := block.rfind(b'{"traceId":', 0, start)) >= 0:
        try:
            span = json.loads(block[start:])
        except ValueError:
            continue  # a link: what is behind it is not closed
        if isinstance(span, dict) and span.get("name") == ROOT:
            return start, span
        break
    raise ValueError("not the root")
