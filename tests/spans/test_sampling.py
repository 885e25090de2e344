# SPDX-License-Identifier: MIT
"""Samplers: by the parent, by the share of ids; who keeps more keeps all that others keep."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renacer_otel.spans.context import TraceContext
from renacer_otel.spans.sampling import SAMPLERS, decide, is_kept, randomness

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
    assert decision.context._replace(flags=of.flags) == of
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
