# SPDX-License-Identifier: MIT
"""However much a tracee gives, an attribute and a span stay within their limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.encode.core import ATTR_MAX, EVENT_MAX, SPAN_MAX, Core, Piece
from tests.encode.model import MORE, attributes, escape
from tests.encode.test_calls import CUT, plain_call, syscall_span
from tests.scale import examples

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

FILLS = {"plain": b"a", "controls": b"\x01", "backslashes": b"\\", "wide": "€".encode()}


def string_call(core: Core, kind: int, pieces: list[Piece]) -> Any:
    core.forget()
    call = plain_call(core, core.lib.RN_ABI_X86_64, 0)
    call.desc = core.desc(b"hostile", [(f"arg{i}", kind) for i in range(6)])
    call.entry = call.exit = core.record(pieces)
    return call


def check_limits(span: Span) -> dict[str, Any]:
    assert span.ByteSize() <= SPAN_MAX
    found = attributes(span.attributes)
    for value in found.values():
        for text in value if isinstance(value, list) else [value]:
            assert not isinstance(text, str) or len(text.encode()) <= ATTR_MAX
    return found


@pytest.mark.parametrize("fill", FILLS.values(), ids=FILLS)
@pytest.mark.parametrize("length", [ATTR_MAX // 4, ATTR_MAX, ATTR_MAX + 1, 40_000])
def test_long_strings_are_cut_and_say_so(core: Core, fill: bytes, length: int) -> None:
    data = (fill * length)[:length]
    call = string_call(core, core.lib.RN_ARG_PATH, [Piece(1, i, data, length) for i in range(6)])
    found = check_limits(syscall_span(core, call))
    whole = escape(data)
    if len(whole.encode()) <= ATTR_MAX:
        # six arguments and file.path: seven times this is within a span's budget
        assert found["syscall.args.arg0"] == found["file.path"] == whole
        assert "renacer.truncated" not in found
    else:
        assert found["renacer.truncated"] is True
        text = found["syscall.args.arg0"]
        assert whole.startswith(text)
        assert len(text.encode()) > ATTR_MAX - 4
    assert found["syscall.number"] == 0
    assert found["syscall.tid"] == 0


@pytest.mark.parametrize("item", [b"", b"a", b"\x01" * 50, b"x" * 4095, b"\xff" * 4095])
def test_a_long_argv_ends_with_the_sign_of_a_cut(core: Core, item: bytes) -> None:
    number = 200_000 // (len(item) + 1)
    data = (item + b"\0") * number
    assert len(data) < EVENT_MAX - 1024
    call = string_call(core, core.lib.RN_ARG_ARGV, [Piece(4, 0, data, number)])
    found = check_limits(syscall_span(core, call))
    values = found["syscall.args.arg0"]
    assert values[-1] == MORE
    assert 1 < len(values) < number
    assert all(value == escape(item) for value in values[:-2])
    assert escape(item).startswith(values[-2])
    assert sum(len(value.encode()) for value in values) <= 32 * 1024
    assert found["renacer.truncated"] is True


def test_many_lists_share_what_a_span_has(core: Core) -> None:
    data = b"y" * 4000 + b"\0"
    pieces = [Piece(4, i, data * 10, 10) for i in range(6)]
    found = check_limits(syscall_span(core, string_call(core, core.lib.RN_ARG_ARGV, pieces)))
    assert len(found["syscall.args.arg0"]) > 8
    assert found["syscall.args.arg5"] == [MORE]


def test_a_whole_argv_is_whole(core: Core) -> None:
    items = [b"git", b"", b"status", "naïve €".encode(), b"tab\there"]
    data = b"".join(item + b"\0" for item in items)
    call = string_call(core, core.lib.RN_ARG_ARGV, [Piece(4, 0, data, len(items))])
    found = check_limits(syscall_span(core, call))
    assert found["syscall.args.arg0"] == ["git", "", "status", "naïve €", "tab\\x09here"]
    assert "renacer.truncated" not in found


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 9000), st.binary(min_size=1, max_size=4)),
        max_size=6,
        unique_by=lambda piece: piece[0],
    ),
    st.lists(st.sampled_from(["PATH", "STRING", "ARGV", "ENVP"]), min_size=6, max_size=6),
)
@settings(max_examples=examples(150))
def test_any_sizes_and_kinds_stay_within_limits(
    core: Core, sizes: list[tuple[int, int, bytes]], kinds: list[str]
) -> None:
    core.forget()
    types = {"PATH": 1, "STRING": 2, "ARGV": 4, "ENVP": 8}
    call = plain_call(core, core.lib.RN_ABI_X86_64, 0)
    call.desc = core.desc(
        b"f", [(f"a{i}", getattr(core.lib, f"RN_ARG_{kind}")) for i, kind in enumerate(kinds)]
    )
    pieces = [
        Piece(types[kinds[arg]], arg, unit * times, 1 << 40, CUT) for arg, times, unit in sizes
    ]
    call.entry = call.exit = core.record(pieces)
    check_limits(syscall_span(core, call))
