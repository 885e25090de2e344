# SPDX-License-Identifier: MIT
"""W3C Trace Context in and out, with what strangers put into the environment."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from renacer_otel.spans import context as ctx

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{SPAN}-01"

trace_ids = st.binary(min_size=16, max_size=16).filter(any)
span_ids = st.integers(1, (1 << 64) - 1)
keys = st.from_regex(r"[a-z0-9][a-z0-9_*/@-]{0,30}", fullmatch=True).filter(
    lambda key: key != ctx.LAMPORT_KEY
)
values = st.from_regex(r"[!-+\x2d-<>-~ ]{0,40}[!-+\x2d-<>-~]", fullmatch=True).filter(
    lambda value: not value.startswith(" ")
)
member_lists = st.lists(st.tuples(keys, values), max_size=40, unique_by=lambda pair: pair[0])


def test_a_valid_traceparent_is_taken_apart() -> None:
    parsed = ctx.parse_traceparent(VALID)
    assert parsed == ctx.TraceContext(bytes.fromhex(TRACE), 0x00F067AA0BA902B7, 1)
    assert parsed.sampled
    assert parsed.is_remote


@given(trace_ids, span_ids, st.integers(0, 255))
def test_what_is_formatted_parses_to_the_same_with_unknown_flags_zero(
    trace_id: bytes, span_id: int, flags: int
) -> None:
    text = ctx.format_traceparent(trace_id, span_id, flags)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]", text)
    assert ctx.parse_traceparent(text) == ctx.TraceContext(trace_id, span_id, flags & 3)


@given(trace_ids, span_ids, st.integers(0, 255))
def test_the_official_propagator_reads_the_same(trace_id: bytes, span_id: int, flags: int) -> None:
    from opentelemetry import trace

    text = f"00-{trace_id.hex()}-{span_id:016x}-{flags:02x}"
    theirs = trace.get_current_span(
        TraceContextTextMapPropagator().extract({"traceparent": text})
    ).get_span_context()
    ours = ctx.parse_traceparent(text)
    assert ours is not None
    assert ours.trace_id == theirs.trace_id.to_bytes(16, "big")
    assert ours.span_id == theirs.span_id
    assert ours.sampled == theirs.trace_flags.sampled


@pytest.mark.parametrize(("flags", "kept"), [("00", 0), ("02", 2), ("03", 3), ("ff", 3), ("fc", 0)])
def test_only_the_two_known_flags_are_copied(flags: str, kept: int) -> None:
    parsed = ctx.parse_traceparent(VALID[:-2] + flags)
    assert parsed is not None
    assert parsed.flags == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        VALID[:-1],
        VALID + "0",
        VALID + "-",
        VALID + "-00",
        VALID.upper(),
        VALID.replace("4bf9", "4BF9"),
        f"00-{TRACE}-{SPAN}-0A",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01-more",
        f"FE-{TRACE}-{SPAN}-01",
        f"01-{TRACE}-{SPAN}-01more",
        f"01-{TRACE}-{SPAN}-0",
        f"0-{TRACE}-{SPAN}-01",
        f" {VALID}",
        f"{VALID}\n",
        VALID.replace("-", "_"),
        VALID.replace("4", "\u0664"),
        VALID.replace("4bf9", "4bg9"),
        "\udc80" + VALID[1:],
        "0" * 1_000_000,
        f"01-{TRACE}-{SPAN}-01-" + "x" * 1_000_000,
    ],
)
def test_malformed_traceparents_start_a_new_trace_with_one_warning(text: str) -> None:
    assert ctx.parse_traceparent(text) is None
    if not text:
        return
    found, warnings = ctx.inbound(None, {"TRACEPARENT": text, "TRACESTATE": "a=1"})
    assert len(warnings) == 1
    assert warnings[0].isprintable()
    assert len(warnings[0]) < 250
    assert found.span_id == 0
    assert found.tracestate == ""
    assert found.trace_id.hex() != TRACE
    assert found.flags == ctx.FLAG_SAMPLED | ctx.FLAG_RANDOM


@pytest.mark.parametrize("rest", ["", "-", "-what-comes-next", "-\x00"])
def test_a_higher_version_may_go_on_after_a_dash(rest: str) -> None:
    assert ctx.parse_traceparent(f"cc-{TRACE}-{SPAN}-03{rest}") == ctx.TraceContext(
        bytes.fromhex(TRACE), int(SPAN, 16), 3
    )


@given(st.text(max_size=80) | st.text("0123456789abcdef-", max_size=60))
def test_any_text_parses_or_not_without_an_exception(text: str) -> None:
    parsed = ctx.parse_traceparent(text)
    if parsed is not None:
        assert any(parsed.trace_id)
        assert parsed.span_id
    members = ctx.parse_tracestate(text)
    assert members is None or len(members) <= 32
    ctx.valid_baggage(text)


@pytest.mark.parametrize(
    ("trace_id", "span_id"),
    [(bytes(16), 1), (b"x" * 15, 1), (b"x" * 16, 0), (b"x" * 16, 1 << 64), (b"x" * 16, -1)],
)
def test_ids_that_are_none_are_not_formatted(trace_id: bytes, span_id: int) -> None:
    with pytest.raises(ValueError, match="id is"):
        ctx.format_traceparent(trace_id, span_id, 1)


def test_a_new_trace_is_random_sampled_and_has_no_parent() -> None:
    fresh = ctx.new_context()
    assert fresh.flags == 3
    assert not fresh.is_remote
    assert fresh.trace_id != ctx.new_context().trace_id


def test_an_all_zero_trace_id_is_drawn_again() -> None:
    draws = iter([bytes(16), b"\x01" * 16])
    assert ctx.new_context(lambda size: next(draws)).trace_id == b"\x01" * 16


def test_the_option_beats_the_variable_and_lower_case_names_are_not_read() -> None:
    other = f"00-{'a' * 32}-{'b' * 16}-00"
    assert ctx.inbound(VALID, {"TRACEPARENT": other})[0].trace_id.hex() == TRACE
    assert ctx.inbound(None, {"TRACEPARENT": other})[0].sampled is False
    found, warnings = ctx.inbound(None, {"traceparent": VALID, "tracestate": "a=1"})
    assert (found.is_remote, warnings) == (False, [])


def test_an_invalid_option_counts_as_not_given() -> None:
    found, warnings = ctx.inbound("nonsense\x1b[2J", {"TRACEPARENT": VALID, "TRACESTATE": "a=1"})
    assert found.trace_id.hex() == TRACE
    assert found.tracestate == "a=1"
    assert len(warnings) == 1
    assert "--trace-parent" in warnings[0]
    assert "\x1b" not in warnings[0]


def test_everything_invalid_at_once_is_one_warning() -> None:
    found, warnings = ctx.inbound("x", {"TRACEPARENT": "y", "TRACESTATE": "=", "BAGGAGE": "="})
    assert len(warnings) == 1
    assert all(word in warnings[0] for word in ("--trace-parent", "TRACEPARENT", "BAGGAGE"))
    assert not found.is_remote


@pytest.mark.parametrize(
    ("option", "of_environ", "kept"),
    [
        (None, VALID, "a=1"),
        (VALID, "", "a=1"),
        (VALID, VALID.replace(SPAN, "1" * 16), "a=1"),
        (VALID, VALID.replace(TRACE, "1" * 32), ""),
    ],
)
def test_a_tracestate_stays_with_its_trace(option: str | None, of_environ: str, kept: str) -> None:
    environ = {"TRACEPARENT": of_environ, "TRACESTATE": "a=1"}
    found, warnings = ctx.inbound(option, environ)
    assert (found.tracestate, warnings) == (kept, [])


def test_a_tracestate_alone_is_ignored_in_silence() -> None:
    found, warnings = ctx.inbound(None, {"TRACESTATE": "a=1"})
    assert (found.tracestate, warnings) == ("", [])


@pytest.mark.parametrize(
    "text",
    [
        ",".join(f"k{n}=v" for n in range(33)),
        ",".join(f"k{n}=v" for n in range(512)),
        "a=1,a=2",
        "a",
        "=1",
        "a=",
        "A=1",
        "a b=1",
        "a=b=c",
        "a=\x01",
        "a=\u00e9",
        "_a=1",
        "a=1;b\x7f",
        "k" * 257 + "=1",
        "a=" + "v" * 257,
        "a=1" + " " * 1_000_000,
    ],
)
def test_an_invalid_tracestate_is_dropped_and_the_trace_kept(text: str) -> None:
    assert ctx.parse_tracestate(text) is None
    found, warnings = ctx.inbound(None, {"TRACEPARENT": VALID, "TRACESTATE": text})
    assert found.trace_id.hex() == TRACE
    assert found.tracestate == ""
    assert len(warnings) == 1
    assert "TRACESTATE" in warnings[0]


def test_white_space_and_empty_members_are_legal() -> None:
    assert ctx.parse_tracestate(" a=1 ,\t, 0b@c= v ,,") == [("a", "1"), ("0b@c", " v")]
    longest = ",".join(f"{n:0256d}={'v' * 256}" for n in range(32))
    assert len(ctx.parse_tracestate(longest) or []) == 32


@given(member_lists.filter(lambda members: len(members) <= 32))
def test_valid_members_come_back_as_the_official_class_reads_them(
    members: list[tuple[str, str]],
) -> None:
    text = ctx.format_tracestate(members)
    assert ctx.parse_tracestate(text) == members
    # The API's keys are those of level 1; compare where they are legal there too.
    if all(key[0].isalpha() and "@" not in key for key, _ in members):
        assert list(TraceState.from_header([text]).items()) == members


@given(member_lists, st.integers(0, (1 << 64) - 1), st.none() | st.integers(0, ctx.MAX_LAMPORT))
def test_our_member_is_first_and_the_others_untouched(
    others: list[tuple[str, str]], value: int, before: int | None
) -> None:
    given_members = others[:31]
    if before is not None:
        given_members = [*given_members[:5], ("renacer", f"{before:016x}"), *given_members[5:]]
    text = ctx.with_lamport(ctx.format_tracestate(given_members), value)
    members = ctx.parse_tracestate(text)
    assert members is not None
    assert members[0] == ("renacer", f"{value:016x}")
    assert len(text) <= 512
    kept = members[1:]
    assert [pair for pair in others[:31] if pair in kept] == kept
    if len(ctx.format_tracestate([members[0], *others[:31]])) <= 512:
        assert kept == others[:31]
    assert ctx.lamport_of(text) == (value if value <= ctx.MAX_LAMPORT else None)


def test_long_members_go_first_then_the_last_ones() -> None:
    long = "l=" + "x" * 200
    short = [f"k{n:02d}=" + "v" * 40 for n in range(9)]
    text = ctx.with_lamport(",".join([*short[:4], long, *short[4:]]), 1)
    assert text == ",".join(["renacer=" + f"{1:016x}", *short])
    text = ctx.with_lamport(",".join(short * 2)[: 45 * 9 - 1], 1)
    assert text.split(",")[1:] == short
    full = ",".join(f"k{n}=v" for n in range(32))
    assert ctx.with_lamport(full, 7).split(",")[1:] == full.split(",")[:31]
    assert ctx.with_lamport("not valid", 7) == "renacer=0000000000000007"


@pytest.mark.parametrize("value", [-1, 1 << 64])
def test_a_lamport_time_is_64_bits(value: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        ctx.with_lamport("", value)


def test_an_inbound_lamport_time_is_read() -> None:
    environ = {"TRACEPARENT": VALID, "TRACESTATE": "a=1,renacer=00000000000000ff"}
    found, warnings = ctx.inbound(None, environ)
    assert (found.lamport, warnings) == (255, [])
    assert found.tracestate == "a=1,renacer=00000000000000ff"


@pytest.mark.parametrize("value", ["ff", "00000000000000FF", "f" * 16, "4" + "0" * 14 + "1"])
def test_an_unusable_lamport_time_is_dropped_and_the_rest_kept(value: str) -> None:
    environ = {"TRACEPARENT": VALID, "TRACESTATE": f"a=1,renacer={value},b=2"}
    found, warnings = ctx.inbound(None, environ)
    assert (found.lamport, found.tracestate) == (0, "a=1,b=2")
    assert len(warnings) == 1


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("a=1", True),
        ("a = 1 ;p; q = 2 , b=%20", True),
        ("a=", True),
        ("a", False),
        ("a=b=c", True),
        ("a=1,", False),
        ("a=\u00e9", False),
        ('a="1"', False),
        ("a b=1", False),
        ("a=1\n", False),
        (",".join(f"k{n}=v" for n in range(181)), False),
        ("a=" + "v" * 8190, True),
        ("a=" + "v" * 8191, False),
        ("a=" + " " * 8000 + "\x01", False),
    ],
)
def test_baggage_is_taken_whole_or_not_at_all(text: str, valid: bool) -> None:
    found, warnings = ctx.inbound(None, {"TRACEPARENT": VALID, "BAGGAGE": text})
    assert (found.baggage, len(warnings)) == ((text, 0) if valid else ("", 1))
    assert found.trace_id.hex() == TRACE


def test_hostile_input_costs_no_time() -> None:
    environ = {
        "TRACEPARENT": f"01-{TRACE}-{SPAN}-01-" + "-" * 400,
        "TRACESTATE": "a=" + " \t" * 8_000 + "\x01",
        "BAGGAGE": "a=" + " ;" * 4_000 + "\x01",
    }
    before = time.process_time()
    for _ in range(20):
        ctx.inbound(None, environ)
    assert time.process_time() - before < 1
