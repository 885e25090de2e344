# SPDX-License-Identifier: MIT
"""Span limits, in protobuf and JSON: what is left out is counted, what is cut says so.

Against the same span without limits, as encode() reads it by the official classes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.encode.model import MORE, Value, attributes, encode
from tests.encode.test_calls import Call, calls, plain_call
from tests.scale import examples

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from tests.encode.core import Core

NONE = 0xFFFF_FFFF
FIELDS = ("attributes", "value_length", "events", "links", "event_attributes", "link_attributes")
BEHIND_THE_SIGN = ("renacer.restarted", "renacer.causes.incomplete")


def limited(core: Core, kind: str, thing: Any, **limits: int) -> Span:
    trace = core.trace(1 << 60, 0)
    made = core.ffi.new("struct rn_limits *", [limits.get(name, NONE) for name in FIELDS])
    core.keep.append(made)
    trace.limits = made
    return encode(core, kind, trace, thing)


def cut(value: Value, most: int) -> Value:
    """So many characters of a text, or of each in a list; whole escapes only."""
    if isinstance(value, list):
        return [str(cut(item, most)) for item in value if most or item != MORE]
    if not isinstance(value, str):
        return value
    taken = ""
    for token in re.findall(r"\\x[0-9a-f]{2}|\\\\|.", value, flags=re.DOTALL):
        if len(taken) + len(token) > most:
            break
        taken += token
    return taken


def with_limits(whole: dict[str, Value], number: int, length: int) -> tuple[dict[str, Value], int]:
    """What is left of all attributes, in their order; how many are not there."""
    was_cut = whole.pop("renacer.truncated", False)
    names = list(whole)
    at = next((i for i, name in enumerate(names) if name in BEHIND_THE_SIGN), len(names))
    made = {name: cut(whole[name], length) for name in names[:at]}
    if was_cut or any(made[name] != whole[name] for name in names[:at][:number]):
        made["renacer.truncated"] = True
    made |= {name: cut(whole[name], length) for name in names[at:]}
    left = dict(list(made.items())[:number])
    return left, len(made) - len(left)


@given(calls(), st.integers(0, 20) | st.just(NONE), st.integers(0, 40) | st.just(NONE))
@settings(max_examples=examples(200))
def test_attributes_beyond_are_counted_and_texts_cut(
    core: Core, call: Call, number: int, length: int
) -> None:
    core.forget()
    built = call.build(core)
    whole = attributes(limited(core, "call", built).attributes)
    span = limited(core, "call", built, attributes=number, value_length=length)
    left, dropped = with_limits(whole, number, length)
    assert list(attributes(span.attributes).items()) == list(left.items())
    assert span.dropped_attributes_count == dropped


def test_a_span_without_attributes_says_how_many_it_had(core: Core) -> None:
    core.forget()
    call = plain_call(core, core.lib.RN_ABI_X86_64, 0)
    whole = limited(core, "call", call)
    none = limited(core, "call", call, attributes=0)
    assert not none.attributes
    assert none.dropped_attributes_count == len(whole.attributes) > 4
    assert whole.dropped_attributes_count == 0
    assert (none.name, none.span_id) == (whole.name, whole.span_id)


def test_links_beyond_are_counted(core: Core) -> None:
    core.forget()
    call = plain_call(core, core.lib.RN_ABI_X86_64, 0)
    call.under_application = True
    links = core.ffi.new("struct rn_link[]", 8)
    edge = core.text(b"pipe")
    for number, link in enumerate(links, 1):
        link.span_id, link.edge = number, edge
    call.links, call.nlinks, call.more_links = links, 8, 5
    for most, shown in ((NONE, 9), (9, 9), (8, 8), (1, 1), (0, 0)):
        span = limited(core, "call", call, links=most)
        assert len(span.links) == shown
        assert span.dropped_links_count == 9 - shown + 5
        ids = [int.from_bytes(link.span_id, "big") for link in span.links]
        assert ids == list(range(9))[:shown]  # to the process first
        assert all(len(link.attributes) == 1 for link in span.links)
    (link,) = limited(core, "call", call, links=1, link_attributes=0).links
    assert (len(link.attributes), link.dropped_attributes_count) == (0, 1)
    (link,) = limited(core, "call", call, links=1, value_length=3).links
    assert attributes(link.attributes) == {"renacer.edge": "pro"}


def test_processes_have_limits_too(core: Core) -> None:
    core.forget()
    process = core.ffi.new("struct rn_process *")
    process.ctx.tracestate, process.exe = core.text(b""), core.text(b"/bin/\xc3\xa4\xc3\xb6\x01")
    process.nlinks = 3
    for link in process.links:
        link.edge = core.text(b"fork")
    span = limited(core, "process", process, links=2, value_length=7, attributes=5)
    assert (len(span.links), span.dropped_links_count) == (2, 1)
    assert attributes(span.attributes)["process.executable.path"] == "/bin/äö"
    assert len(span.attributes) == 5
    assert span.dropped_attributes_count > 3
    found = attributes(limited(core, "process", process, value_length=10).attributes)
    assert (found["process.executable.path"], found["renacer.truncated"]) == ("/bin/äö", True)
    found = attributes(limited(core, "process", process, value_length=40).attributes)
    assert found["process.executable.path"] == "/bin/äö\\x01"
    assert "renacer.truncated" not in found


def test_an_event_beyond_is_counted(core: Core) -> None:
    core.forget()
    run = core.ffi.new("struct rn_run_span *")
    run.ctx.tracestate = core.text(b"")
    run.totals.lost_events = 9
    (event,) = limited(core, "run", run, events=1, event_attributes=1).events
    assert attributes(event.attributes) == {"renacer.lost.reason": "ring_full"}
    assert event.dropped_attributes_count == 2
    span = limited(core, "run", run, events=0)
    assert (len(span.events), span.dropped_events_count) == (0, 1)
    run.totals.lost_events = 0
    assert limited(core, "run", run, events=0).dropped_events_count == 0
