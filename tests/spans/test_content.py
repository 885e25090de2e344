# SPDX-License-Identifier: MIT
"""The hash of what is written: it composes, sees every byte, and has one value by two ways."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import assume, example, given
from hypothesis import strategies as st

from renacer_otel.engine import python_content
from renacer_otel.spans.content import Content, of_bytes

TEXTS = st.binary(max_size=300)
PLACES = st.lists(st.integers(0, 300), max_size=6)


def test_a_value_that_stays() -> None:
    """TRACE and golden files hold it."""
    assert Content() == of_bytes(b"") == Content(0, (0, 0))
    assert of_bytes(b"hello, world\n") == Content(13, (0x2B8CA8ECC0FCAFC7, 0x2126E414E69C3D01))
    assert len(of_bytes(b"x").hex) == 32


@given(TEXTS, PLACES)
@example(bytes(16), [3, 8])
def test_any_split_gives_the_same(text: bytes, places: list[int]) -> None:
    cuts = sorted({0, len(text), *(place for place in places if place < len(text))})
    parts = [text[start:end] for start, end in pairwise(cuts)]
    assert sum(map(of_bytes, parts), Content()) == of_bytes(text)
    lanes = (0, 0)
    for part in parts:
        lanes = python_content.appended(lanes, part)
    assert Content(len(text), lanes) == of_bytes(text)


@given(TEXTS, TEXTS, TEXTS)
def test_it_does_not_matter_what_is_joined_first(one: bytes, two: bytes, three: bytes) -> None:
    first, second, third = map(of_bytes, (one, two, three))
    assert (first + second) + third == first + (second + third)


@given(TEXTS.filter(bool), st.integers(0, 299), st.integers(1, 255))
def test_every_byte_counts(text: bytes, place: int, change: int) -> None:
    other = bytearray(text)
    other[place % len(text)] ^= change
    assert of_bytes(other) != of_bytes(text)


@given(TEXTS.filter(bool), st.integers(0, 299), st.integers(0, 299))
def test_so_does_their_order(text: bytes, one: int, two: int) -> None:
    one, two = one % len(text), two % len(text)
    other = bytearray(text)
    other[one], other[two] = other[two], other[one]
    assume(other != text)
    assert of_bytes(other) != of_bytes(text)


@given(TEXTS, st.integers(1, 40))
def test_zeros_count(text: bytes, zeros: int) -> None:
    found = {of_bytes(text), of_bytes(text + bytes(zeros)), of_bytes(bytes(zeros) + text)}
    assert len(found) == (3 if text.strip(b"\0") else 2)
    assert len({content.lanes for content in found}) == len(found)


def test_long_texts() -> None:
    text = bytes(range(256)) * 4099
    whole = of_bytes(text)
    assert whole == of_bytes(memoryview(text)[:70001]) + of_bytes(text[70001:])
    assert whole.lanes == python_content.appended((0, 0), text)
