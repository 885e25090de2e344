# SPDX-License-Identifier: MIT
"""Requests in halves, at the border of a span, for collectors that find them too large.

In protobuf the message is walked and its pieces are copied, none is parsed further than to its
spans. Field numbers: opentelemetry-proto, trace/v1/trace.proto and
collector/trace/v1/trace_service.proto.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from renacer_otel.exporters.attributes import field
from renacer_otel.exporters.fields import bodies, each_field

# What servers say of a message that is over their limit: grpc-core and grpc-go ("larger than max"),
# grpc-java ("exceeds maximum size"), .NET ("exceeds the maximum"), tonic ("length too large", with
# OUT_OF_RANGE), Go's net/http ("body too large", with 400).
_TOO_LARGE = re.compile(
    r"larger than max|exceed\w* (the )?max\w* (configured )?(message |request |body )?size"
    r"|(message|length|request|body|payload)[^.;]{0,40} too (large|big)",
    re.I,
)
_MAY_SAY_SO = ("RESOURCE_EXHAUSTED", "OUT_OF_RANGE", "HTTP 400")

_RESOURCE_SPANS, _SCOPE_SPANS, _SPANS = 1, 2, 2


class Half(NamedTuple):
    """A request, and how many spans are in it."""

    request: bytes
    spans: int


def is_too_large(code: str, told: str) -> bool:
    """Whether a failure says that the request has too many bytes."""
    if code == "HTTP 413":
        return True
    return code in _MAY_SAY_SO and _TOO_LARGE.search(told) is not None


def halves(request: bytes) -> tuple[Half, Half] | None:
    """Two requests with all the spans of one, about as large as each other.

    None where it has less than two spans, or is no sound request.
    """
    try:
        return _json_halves(request) if request[:1] == b"{" else _protobuf_halves(request)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _cut(sizes: list[int]) -> int:
    """How many spans the first half gets: at least one, and not all."""
    half, so_far = sum(sizes) / 2, 0
    for count, size in enumerate(sizes, 1):
        so_far += size
        if so_far >= half:
            return min(max(count, 1), len(sizes) - 1)
    raise ValueError("no spans")


# --- protobuf ---------------------------------------------------------------------------------


def _protobuf_halves(request: bytes) -> tuple[Half, Half] | None:
    sizes = [
        end - start
        for body in bodies(request, 0, len(request), _RESOURCE_SPANS)
        for scope in bodies(request, *body, _SCOPE_SPANS)
        for start, end in bodies(request, *scope, _SPANS)
    ]
    if len(sizes) < 2:
        return None
    cut = _cut(sizes)
    return (
        Half(_kept(request, 0, cut), cut),
        Half(_kept(request, cut, len(sizes)), len(sizes) - cut),
    )


def _kept(request: bytes, first: int, end: int) -> bytes:
    """The request with spans `first` to `end` alone, and of what is around them what they need."""
    seen = 0
    resources = []
    for outer in each_field(request, 0, len(request)):
        if not outer.holds(_RESOURCE_SPANS):
            resources.append(request[outer.begin : outer.end])
            continue
        inner, kept = [], 0
        for part in each_field(request, outer.start, outer.end):
            if not part.holds(_SCOPE_SPANS):
                inner.append(request[part.begin : part.end])
                continue
            pieces, spans = [], 0
            for piece in each_field(request, part.start, part.end):
                if piece.holds(_SPANS):
                    wanted = first <= seen < end
                    seen += 1
                    spans += wanted
                    if not wanted:
                        continue
                pieces.append(request[piece.begin : piece.end])
            if spans:
                inner.append(field(_SCOPE_SPANS, b"".join(pieces)))
                kept += spans
        if kept:
            resources.append(field(_RESOURCE_SPANS, b"".join(inner)))
    return b"".join(resources)


# --- JSON -------------------------------------------------------------------------------------


def _json_halves(request: bytes) -> tuple[Half, Half] | None:
    document = json.loads(request)
    sizes = [
        len(json.dumps(span))
        for resource in document["resourceSpans"]
        for scope in resource.get("scopeSpans", [])
        for span in scope.get("spans", [])
    ]
    if len(sizes) < 2:
        return None
    cut = _cut(sizes)
    return (
        Half(_kept_json(document, 0, cut), cut),
        Half(_kept_json(document, cut, len(sizes)), len(sizes) - cut),
    )


def _kept_json(document: dict[str, Any], first: int, end: int) -> bytes:
    seen = 0
    resources = []
    for resource in document["resourceSpans"]:
        scopes = []
        for scope in resource.get("scopeSpans", []):
            there = scope.get("spans", [])
            count = len(there)
            spans = there[max(first - seen, 0) : max(end - seen, 0)]
            seen += count
            if spans:
                scopes.append({**scope, "spans": spans})
        if scopes:
            resources.append({**resource, "scopeSpans": scopes})
    whole = {**document, "resourceSpans": resources}
    return json.dumps(whole, separators=(",", ":")).encode("ascii") + b"\n"
