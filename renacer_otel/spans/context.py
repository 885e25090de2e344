# SPDX-License-Identifier: MIT
"""W3C Trace Context (level 2) and Baggage, as they travel in environment variables.

Rules: https://www.w3.org/TR/trace-context-2/ for traceparent and tracestate,
https://www.w3.org/TR/baggage/ for baggage, OpenTelemetry's env-carriers page for the names of
the variables (only TRACEPARENT, TRACESTATE and BAGGAGE, never lower case). All three come from
strangers: they are taken whole or not at all, and their length is bounded before anything else
looks at them.

Our own tracestate member `renacer=` carries the sender's Lamport time, 16 lower-case hex digits.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FLAG_SAMPLED = 0x01
FLAG_RANDOM = 0x02
_KNOWN_FLAGS = FLAG_SAMPLED | FLAG_RANDOM

LAMPORT_KEY = "renacer"
# Lamport times are int64 attributes; half the range is left for the run to count on from.
MAX_LAMPORT = 1 << 62
# What the command is told is so much ahead of the run's start: see RN_LAMPORT_AHEAD in event.h.
LAMPORT_AHEAD = 1 << 20

MAX_MEMBERS = 32
# What a list is cut to when we add our member (W3C: propagate at least 512 characters).
MAX_TRACESTATE = 512
_LONG_MEMBER = 128  # these go first
# 32 members of the greatest key and value, with some white space, are the most that can be valid.
_MAX_TRACESTATE_IN = 32 * (256 + 1 + 256 + 4)
_MAX_TRACEPARENT_IN = 512
_MAX_BAGGAGE = 8192
_MAX_BAGGAGE_MEMBERS = 180

# Compiled at first use, which most runs never come to.
_TRACEPARENT = r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-(?s:.*))?"
_STATE_KEY = r"[a-z0-9][a-z0-9_\-*/@]{0,255}"
_STATE_VALUE = r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_LAMPORT = r"[0-9a-f]{16}"
_BAGGAGE_KEY = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_BAGGAGE_VALUE = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"


class TraceContext(NamedTuple):
    """Where our root span hangs.

    `trace_id`: 16 bytes, not all zero. `span_id`: the parent, 0 in a trace of our own.
    `flags`: bits 0 (sampled) and 1 (random) only. `tracestate`, `baggage`: as they may be sent
    on, "" = none.
    """

    trace_id: bytes
    span_id: int
    flags: int
    tracestate: str = ""
    baggage: str = ""

    @property
    def sampled(self) -> bool:
        """Whether spans of this trace are to be exported."""
        return bool(self.flags & FLAG_SAMPLED)

    @property
    def is_remote(self) -> bool:
        """Whether the context came from outside."""
        return self.span_id != 0

    @property
    def lamport(self) -> int:
        """The sender's Lamport time, 0 if it did not say."""
        return lamport_of(self.tracestate) or 0

    def traceparent(self) -> str:
        """The context as a traceparent of version 00."""
        return format_traceparent(self.trace_id, self.span_id, self.flags)


def format_traceparent(trace_id: bytes, span_id: int, flags: int) -> str:
    """Formats a traceparent; all flags but bits 0 and 1 are sent as zero.

    Raises ValueError for ids that are no valid ids (wrong size, zero).
    """
    if len(trace_id) != 16 or not any(trace_id):
        raise ValueError("a trace id is 16 bytes, not all zero")
    if not 0 < span_id < 1 << 64:
        raise ValueError("a span id is 8 bytes, not zero")
    return f"00-{trace_id.hex()}-{span_id:016x}-{flags & _KNOWN_FLAGS:02x}"


def parse_traceparent(text: str) -> TraceContext | None:
    """Parses a traceparent; None = not valid.

    Version ff is invalid, version 00 ends after the flags, a higher one may go on after a dash.
    """
    if len(text) > _MAX_TRACEPARENT_IN:
        return None
    match = re.fullmatch(_TRACEPARENT, text)
    if match is None:
        return None
    version, trace_hex, span_hex, flags_hex, rest = match.groups()
    if version == "ff" or (version == "00" and rest is not None):
        return None
    trace_id, span_id = bytes.fromhex(trace_hex), int(span_hex, 16)
    if not any(trace_id) or not span_id:
        return None
    return TraceContext(trace_id, span_id, int(flags_hex, 16) & _KNOWN_FLAGS)


def parse_tracestate(text: str) -> list[tuple[str, str]] | None:
    """Parses a tracestate into its members, in order; None = not valid as a whole.

    Empty members are legal and left out. Invalid: a bad key or value, a key twice, more than 32
    members.
    """
    if len(text) > _MAX_TRACESTATE_IN:
        return None
    members: dict[str, str] = {}
    for part in text.split(","):
        # Optional white space around a member is not part of it. A value may begin with spaces.
        member = part.strip(" \t")
        if not member:
            continue
        key, equals, value = member.partition("=")
        if not equals or not re.fullmatch(_STATE_KEY, key) or not re.fullmatch(_STATE_VALUE, value):
            return None
        if key in members or len(members) == MAX_MEMBERS:
            return None
        members[key] = value
    return list(members.items())


def format_tracestate(members: list[tuple[str, str]]) -> str:
    """Members as a tracestate."""
    return ",".join(f"{key}={value}" for key, value in members)


def lamport_of(tracestate: str) -> int | None:
    """The Lamport time in a tracestate's `renacer` member; None = none that can be used."""
    for key, value in parse_tracestate(tracestate) or ():
        if key == LAMPORT_KEY and re.fullmatch(_LAMPORT, value):
            time = int(value, 16)
            return time if time <= MAX_LAMPORT else None
    return None


def with_lamport(tracestate: str, value: int) -> str:
    """`tracestate` with our member set to `value` (0…2^64-1); see with_member()."""
    if not 0 <= value < 1 << 64:
        raise ValueError("a Lamport time is 64 bits, unsigned")
    return with_member(tracestate, LAMPORT_KEY, f"{value:016x}")


def with_member(tracestate: str, key: str, value: str) -> str:
    """`tracestate` with a member set to `value` and put first; "" takes it out.

    Other members stay as they are and in order. Where there would be more than 32 of them or
    more than 512 characters, whole members go: those over 128 characters first, then from the
    end (W3C, "tracestate Limits"). An invalid tracestate is dropped.
    """
    others = [pair for pair in parse_tracestate(tracestate) or () if pair[0] != key]
    if not value:
        return format_tracestate(others)
    others = others[: MAX_MEMBERS - 1]
    while others and len(format_tracestate([(key, value), *others])) > MAX_TRACESTATE:
        long = [pair for pair in others if len(pair[0]) + 1 + len(pair[1]) > _LONG_MEMBER]
        others.remove(long[-1] if long else others[-1])
    return format_tracestate([(key, value), *others])


def valid_baggage(text: str) -> bool:
    """Whether `text` is a baggage string within W3C's limits (8192 bytes, 180 members)."""
    if len(text) > _MAX_BAGGAGE:
        return False
    members = text.split(",")
    return len(members) <= _MAX_BAGGAGE_MEMBERS and all(map(_valid_baggage_member, members))


def _valid_baggage_member(member: str) -> bool:
    """key=value, then properties: ;key or ;key=value. White space may stand around each part."""
    for position, part in enumerate(member.split(";")):
        key, equals, value = part.partition("=")
        if not equals and position == 0:
            return False
        if not re.fullmatch(_BAGGAGE_KEY, key.strip(" \t")):
            return False
        if not re.fullmatch(_BAGGAGE_VALUE, value.strip(" \t")):
            return False
    return True


def new_run_id() -> str:
    """A random UUID (version 4, RFC 9562), for `renacer.run.id`.

    Made by hand: the module uuid takes a fifth of the time in which a run starts.
    """
    number = int.from_bytes(os.urandom(16), "big")
    number = number & ~(0xF << 76 | 3 << 62) | 4 << 76 | 2 << 62
    text = f"{number:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def new_context(random_bytes: Callable[[int], bytes] = os.urandom) -> TraceContext:
    """A new trace: random id, sampled, and told to be random."""
    trace_id = random_bytes(16)
    while not any(trace_id):
        trace_id = random_bytes(16)
    return TraceContext(trace_id, 0, FLAG_SAMPLED | FLAG_RANDOM)


def inbound(
    trace_parent_option: str | None, environ: Mapping[str, str]
) -> tuple[TraceContext, list[str]]:
    """The context to continue: --trace-parent, else TRACEPARENT, else a new trace.

    What is invalid is ignored, with one warning in all: at most one string is returned. A
    tracestate without its traceparent is ignored in silence, as the specification wants.
    """
    ignored: list[str] = []
    from_environ = environ.get("TRACEPARENT", "")
    context = None
    if trace_parent_option is not None:
        context = parse_traceparent(trace_parent_option)
        if context is None:
            ignored.append(f"--trace-parent '{one_line(trace_parent_option, 80)}'")
    # TRACESTATE belongs to TRACEPARENT, hence to the flag only if both name the same trace.
    foreign_state = False
    if from_environ:
        of_environ = parse_traceparent(from_environ)
        if context is None:
            context = of_environ
            if of_environ is None:
                ignored.append(f"TRACEPARENT '{one_line(from_environ, 80)}'")
        else:
            foreign_state = of_environ is None or of_environ.trace_id != context.trace_id
    if context is None:
        context = new_context()
    elif not foreign_state:
        context, state_ignored = _with_state(context, environ.get("TRACESTATE", ""))
        ignored += state_ignored
    baggage = environ.get("BAGGAGE", "")
    if baggage and valid_baggage(baggage):
        context = context._replace(baggage=baggage)
    elif baggage:
        ignored.append("BAGGAGE")
    if not ignored:
        return context, []
    verb = "are" if len(ignored) > 1 else "is"
    fresh = "" if context.is_remote else "; a new trace is started"
    return context, [f"{' and '.join(ignored)} {verb} malformed and ignored (W3C format){fresh}"]


def _with_state(context: TraceContext, text: str) -> tuple[TraceContext, list[str]]:
    """(context with the tracestate if it is valid, what is ignored)."""
    if not text:
        return context, []
    members = parse_tracestate(text)
    if members is None:
        return context, ["TRACESTATE"]
    ours = dict(members).get(LAMPORT_KEY)
    kept = context._replace(tracestate=format_tracestate(members))
    if ours is not None and lamport_of(kept.tracestate) is None:
        members = [pair for pair in members if pair[0] != LAMPORT_KEY]
        kept = context._replace(tracestate=format_tracestate(members))
        return kept, [f"TRACESTATE member {LAMPORT_KEY}"]
    return kept, []
