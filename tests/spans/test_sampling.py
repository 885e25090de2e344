# SPDX-License-Identifier: MIT
"""Samplers: by the parent, by the share of ids; who keeps more keeps all that others keep."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import _sampling_experimental as sdk
from opentelemetry.trace.span import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from renacer_otel.exporters.receiver import Receiver
from renacer_otel.spans.context import TraceContext, parse_tracestate, with_member
from renacer_otel.spans.sampling import SAMPLERS, decide, is_kept, randomness
from tests.cli.tool import environ, renacer

RATIOS = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 0.5, 1e-17, 0.1])
RANDOM = st.integers(0, (1 << 56) - 1)
KEPT, NOT = 3, 2  # flags


def context(random: int = 0, parent: int = 0, flags: int = KEPT, state: str = "") -> TraceContext:
    return TraceContext(b"\x01" * 9 + random.to_bytes(7, "big"), parent, flags, state)


def flags_of(name: str, of: TraceContext, ratio: str = "") -> int:
    variables = {"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": ratio}
    decision = decide(of, variables)
    assert decision.warnings == []
    assert bool(decision.because) is not decision.context.sampled
    assert decision.context._replace(flags=of.flags, tracestate=of.tracestate) == of
    return decision.context.flags


@pytest.mark.parametrize(
    ("sampler", "alone", "under_kept", "under_not"),
    [
        ("always_on", KEPT, KEPT, KEPT),
        ("always_off", NOT, NOT, NOT),
        ("traceidratio", NOT, NOT, NOT),
        ("parentbased_always_on", KEPT, KEPT, NOT),
        ("parentbased_always_off", NOT, KEPT, NOT),
        ("parentbased_traceidratio", NOT, KEPT, NOT),
        ("ParentBased_TraceIdRatio ", NOT, KEPT, NOT),
        ("", KEPT, KEPT, NOT),
    ],
)
def test_parents(sampler: str, alone: int, under_kept: int, under_not: int) -> None:
    assert sampler.strip().lower() in (*SAMPLERS, "")
    assert flags_of(sampler, context(), "0.5") == alone
    assert flags_of(sampler, context(parent=1), "0.5") == under_kept
    assert flags_of(sampler, context(parent=1, flags=NOT), "0.5") == under_not
    assert flags_of(sampler, context(parent=1, flags=0), "0.5") == under_not & ~2


@given(RANDOM, RATIOS, RATIOS)
def test_who_keeps_more_keeps_all_of_the_others(random: int, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert is_kept(random, more) or not is_kept(random, less)
    assert is_kept(random, 1.0)
    assert not is_kept(random, 0.0)


@given(RATIOS)
def test_the_share_is_of_the_greatest(ratio: float) -> None:
    threshold = (1 << 56) - round(ratio * (1 << 56))
    assert not is_kept(threshold - 1, ratio)
    if threshold < 1 << 56:
        assert is_kept(threshold, ratio)


def test_a_share_of_random_ids() -> None:
    ids = [int.from_bytes(os.urandom(7), "big") for _ in range(20_000)]
    for ratio in (0.1, 0.5, 0.9):
        share = sum(is_kept(one, ratio) for one in ids) / len(ids)
        assert abs(share - ratio) < 0.03  # eight standard deviations


@pytest.mark.parametrize(
    ("state", "random"),
    [
        ("", 5),
        ("ot=rv:0000000000000a", 10),
        ("x=y,ot=th:8;rv:00000000000010;ab:c", 16),
        ("ot=rv:10", 5),
        ("ot=xrv:0000000000000a", 5),
        ("ot=rv:0000000000000g", 5),
        ("other=rv:0000000000000a", 5),
    ],
)
def test_explicit_randomness_goes_over_the_id(state: str, random: int) -> None:
    assert randomness(context(5, state=state)) == random


def state_of(name: str, of: TraceContext, ratio: str = "") -> str:
    variables = {"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": ratio}
    return decide(of, variables).context.tracestate


def members(state: str) -> dict[str, str]:
    return dict(parse_tracestate(state) or ())


HEX = st.text("0123456789abcdef", min_size=1, max_size=14)
PARTS = st.lists(
    st.sampled_from(["rv:fedcba98765432", "rv:00000000000001", "xy:Z", "p:8"])
    | HEX.map("th:{}".format),
    max_size=4,
    unique_by=lambda part: part[:2],
)
OTHERS = st.lists(st.sampled_from(["a=b", "vendor@x=1;2", "zz=th:8"]), unique=True)


def by_sdk(sampler: object, of: TraceContext) -> tuple[bool, dict[str, str]]:
    """What the SDK's own consistent sampler makes of it: sampled, and the tracestate's members."""
    state = TraceState(list(members(of.tracestate).items()))
    parent = SpanContext(
        int.from_bytes(of.trace_id, "big"), of.span_id or 1, True, TraceFlags(of.flags & 1), state
    )
    under = trace.set_span_in_context(NonRecordingSpan(parent))
    found = sampler.should_sample(under, parent.trace_id, "run", trace_state=state)  # type: ignore[attr-defined]
    return found.decision.is_sampled(), dict(found.trace_state or {})


@given(RANDOM, st.floats(2**-50, 1), PARTS, OTHERS)
def test_the_threshold_is_the_sdks(
    random: int, ratio: float, parts: list[str], others: list[str]
) -> None:
    """Of a span below another one: the share is taken alike, and told alike."""
    state = ",".join([*others, f"ot={';'.join(parts)}"] if parts else others)
    of = context(random, parent=7, state=state)
    decision = decide(
        of, {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": f"{ratio!r}"}
    )
    assert decision.warnings == []
    told = members(decision.context.tracestate)
    sampler = sdk.composite_sampler(sdk.composable_traceid_ratio_based(ratio))
    sampled, expected = by_sdk(sampler, of)
    assert decision.context.sampled == sampled
    ours, theirs = told.pop("ot", ""), expected.pop("ot", "")
    assert told == expected
    if not sampled:  # the SDK leaves the parent's there, which the flag contradicts
        theirs = ";".join(part for part in theirs.split(";") if not part.startswith("th:"))
    assert sorted(ours.split(";")) == sorted(theirs.split(";"))
    if sampled:
        assert decision.context.tracestate.startswith("ot=th:")  # what was changed goes first


@given(RANDOM, HEX, st.booleans(), st.booleans())
def test_a_parents_threshold_is_passed_on_if_it_is_true(
    random: int, th: str, explicit: bool, sampled: bool
) -> None:
    rv = f";rv:{random:014x}" if explicit else ""
    state = f"x=y,ot=th:{th}{rv};ab:c"
    of = context(0 if explicit else random, 7, KEPT if sampled else NOT, state)
    told = state_of("parentbased_traceidratio", of, "0.25")
    if sampled == (random >= int(th.ljust(14, "0"), 16)):
        assert told == state
    else:
        assert members(told) == {"x": "y", "ot": f"{rv};ab:c".strip(";")}


@pytest.mark.parametrize(
    ("name", "state", "told"),
    [
        ("always_on", "", "ot=th:0"),
        ("always_on", "a=b,ot=rv:00000000000001;th:8", "ot=th:0;rv:00000000000001,a=b"),
        ("always_off", "a=b,ot=th:8", "a=b"),
        ("parentbased_always_on", "a=b,ot=th:8", "a=b,ot=th:8"),
        ("parentbased_always_on", "ot=th:8;th:9,a=b", "a=b"),  # which?
        ("parentbased_always_on", "ot=th:123456789012345", ""),
        ("parentbased_always_on", "ot=th:;xy:1", "ot=xy:1"),
        ("", "", ""),
    ],
)
def test_what_is_told_of_the_threshold(name: str, state: str, told: str) -> None:
    assert state_of(name, context((1 << 56) - 1, parent=7 if state else 0, state=state)) == told


def test_limits_hold() -> None:
    """A member ot that is full stays so, without what would be wrong; members beyond 32 go."""
    full = f"ot=th:8;ab:{'x' * 245}"
    of = context((1 << 56) - 1, 7, state=full)
    decision = decide(of, {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.3"})
    assert decision.context.tracestate == f"ot=ab:{'x' * 245}"
    assert "no room for the sampling threshold" in decision.warnings[0]
    many = ",".join(f"k{number}=1" for number in range(32))
    told = state_of("traceidratio", context((1 << 56) - 1, 7, state=many), "0.5")
    assert told.split(",") == ["ot=th:8", *many.split(",")[:31]]
    long = ",".join(f"k{number}={'v' * 100}" for number in range(5))
    assert len(state_of("traceidratio", context((1 << 56) - 1, 7, state=long), "0.5")) <= 512
    assert with_member("a=b", "ot", "") == "a=b"


def test_spans_and_command_have_the_threshold() -> None:
    """Whole runs: kept by half, under a parent whose other members stay."""
    given = {
        "OTEL_TRACES_SAMPLER": "traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.5",
        "TRACEPARENT": f"00-{'ab' * 9}{'ff' * 7}-{'12' * 8}-01",
        "TRACESTATE": "a=b,ot=rv:ffffffffffffff;th:4",
    }
    with Receiver() as receiver:
        words = ("--otlp-endpoint", receiver.endpoint, "--", "sh", "-c", "echo $TRACESTATE")
        done = renacer(*words, env=environ(**given))
        assert done.code == 0, done.err
        states = {item.span.trace_state for item in receiver.spans}
    assert states == {"ot=th:8;rv:ffffffffffffff,a=b"}
    ours, rest = done.out.strip().split(",", 1)
    assert ours.startswith("renacer=")
    assert {rest} == states
