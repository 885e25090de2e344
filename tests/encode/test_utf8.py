# SPDX-License-Identifier: MIT
"""Hostile bytes become safe text, and the way back is exact."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.encode.model import escape, tokens, unescape
from tests.scale import examples

if TYPE_CHECKING:
    from tests.encode.core import Core

# Bytes around every border of UTF-8, in runs long enough for the fast path.
_VALID = (
    "5c 5c783431 20 7e c2a0 dfbf e0a080 ed9fbf ee8080 efbfbf f0908080 f48fbfbf"
    " c3a9e282acf09f9880 2f7573722f6c69622f7838365f36342d6c696e75782d676e752f"
)
_CONTROLS = "00 1f 7f c280 c29f"
_INVALID = "80 c080 c1bf e09fbf eda080 f08fbfbf f4908080 f5 ff e282 f09f98"
edges = st.sampled_from([bytes.fromhex(x) for x in f"{_VALID} {_CONTROLS} {_INVALID}".split()])
hostile = st.lists(
    edges | st.binary(max_size=12) | st.text(max_size=8).map(str.encode), max_size=12
).map(b"".join)


@given(hostile)
@settings(max_examples=examples(400))
@example(bytes(range(256)) * 2)
@example(b"a" * 7 + b"\\" + b"b" * 8 + b"\x7f" + b"c" * 9)
def test_the_escape_is_safe_exact_and_reversible(core: Core, data: bytes) -> None:
    text = core.escape(data, len(data)).decode("utf-8")
    assert text == escape(data)
    assert unescape(text) == data
    assert not any(unicodedata.category(char) == "Cc" for char in text)


@given(hostile, st.integers(0, 40))
@settings(max_examples=examples(300))
def test_the_limit_counts_input_and_never_splits_a_code_point(
    core: Core, data: bytes, limit: int
) -> None:
    expected, taken = "", 0
    for size, text in tokens(data):
        if taken + size > limit:
            break
        taken += size
        expected += text
    assert core.escape(data, limit).decode("utf-8") == expected


@given(hostile, st.integers(0, 60))
@settings(max_examples=examples(300))
def test_a_fixed_room_is_never_exceeded_and_a_cut_is_told(
    core: Core, data: bytes, room: int
) -> None:
    expected, cut = "", False
    for _, text in tokens(data):
        if len((expected + text).encode()) > room:
            cut = True
            break
        expected += text
    out, told = core.escape_to(room, data)
    assert out.decode("utf-8") == expected
    assert told == cut


def test_every_code_point_of_unicode(core: Core) -> None:
    for start in range(0, 0x110000, 0x1000):
        chars = [chr(code) for code in range(start, start + 0x1000) if not 0xD800 <= code < 0xE000]
        data = "".join(chars).encode()
        assert core.escape(data, len(data)).decode() == escape(data)


def test_nothing_gives_nothing(core: Core) -> None:
    assert core.escape(b"", 10) == b""
    assert core.escape(b"abc", 0) == b""
