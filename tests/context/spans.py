# SPDX-License-Identifier: MIT
"""What the tests of context ask of spans."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.engine.tools import Spans, environment, execute, facts, traced

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

REMOTE = 0x300  # SpanFlags: it is known that the parent is remote
LOCAL = 0x100
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(frozen=True)
class Parent:
    """A traceparent, taken apart."""

    trace_id: bytes
    span_id: bytes
    flags: int


def parse(text: str) -> Parent:
    """A valid traceparent of version 00."""
    match = _TRACEPARENT.fullmatch(text)
    assert match, text
    return Parent(bytes.fromhex(match[1]), bytes.fromhex(match[2]), int(match[3], 16))


def span_named_by(run: Spans, parent: Parent) -> Span:
    """The span that a traceparent names; it must have arrived."""
    return run.by_id[parent.trace_id, parent.span_id]


def links(span: Span) -> dict[str, tuple[bytes, bytes]]:
    """What a span is linked to, by the reason; of several causes of one kind, one."""
    found: dict[str, tuple[bytes, bytes]] = {}
    for link in span.links:
        (reason,) = [pair.value.string_value for pair in link.attributes]
        assert reason not in found or reason not in ("process", "parent", "fork", "exec")
        found[reason] = (link.trace_id, link.span_id)
    return found


def context_of(span: Span) -> str:
    """What the last exec of a process found."""
    return str(facts(span)["renacer.context"])


def inbound(**variables: str) -> dict[str, str]:
    """An environment with a context in it."""
    return environment(**variables)


def printed(
    words: Sequence[object], env: Mapping[str, str], *options: object
) -> tuple[list[str], str]:
    """Lines that a command traced into a file prints, and what was said on standard error."""
    done = execute([*traced("-o", "/dev/null", *map(str, options)), *words], env)
    assert done.status == 0, done
    return done.output.splitlines(), done.errors
