# SPDX-License-Identifier: MIT
"""The tree of received spans, as people see it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from renacer_otel.reporters.span_tree import counts, format_duration, render

TRACE = b"t" * 16


def make_span(
    number: int,
    parent: int,
    name: str,
    start: int,
    duration: int,
    attributes: dict[str, str | int] | None = None,
    trace_id: bytes = TRACE,
) -> Span:
    return Span(
        trace_id=trace_id,
        span_id=number.to_bytes(8, "big"),
        parent_span_id=parent.to_bytes(8, "big") if parent else b"",
        name=name,
        start_time_unix_nano=start,
        end_time_unix_nano=start + duration,
        attributes=[
            KeyValue(
                key=key.replace("__", "."),
                value=AnyValue(bool_value=value)
                if isinstance(value, bool)
                else AnyValue(int_value=value)
                if isinstance(value, int)
                else AnyValue(string_value=value),
            )
            for key, value in (attributes or {}).items()
        ],
    )


def call(number: int, parent: int, name: str, start: int, **more: str | int) -> Span:
    lamport = {"renacer__lamport__start": start, "renacer__lamport__end": start + 1}
    return make_span(number, parent, name, start, 10, {"syscall__name": name, **lamport, **more})


def process(number: int, parent: int, name: str, start: int, **more: str | int) -> Span:
    known = {"process__pid": number, "process__parent_pid": parent, **more}
    return make_span(number, parent, name, start, 50_000, known)


def test_a_run_is_a_tree_with_equal_neighbours_folded() -> None:
    spans = [
        call(10, 3, "openat", 25, error__type="ENOENT", file__path="/etc/x\x1b[2J"),
        process(3, 2, "cat", 20, process__exit__code=1),
        call(7, 2, "read", 8),
        call(5, 2, "read", 6),
        call(6, 2, "read", 7, error__type="EAGAIN"),
        call(4, 2, "execve", 5),
        call(8, 2, "read", 30),
        process(2, 1, "sh", 4, renacer__process__signal="SIGKILL"),
        make_span(1, 99, "renacer-otel run", 1, 1_500_000),
    ]
    assert render(spans).splitlines() == [
        "renacer-otel run  1.50 ms",
        "└─ sh  pid 2  50.0 µs  killed by SIGKILL",
        "   ├─ execve  10 ns  L 5-6",
        "   ├─ read \N{MULTIPLICATION SIGN}3  30 ns  L 6-9  1 EAGAIN",
        "   ├─ cat  pid 3  50.0 µs  exit 1",
        r"   │  └─ openat  10 ns  L 25-26  ENOENT  /etc/x\x1b[2J",
        "   └─ read  10 ns  L 30-31",
        "1 trace, 1 run, 2 processes, 6 calls (2 failed), 9 spans",
    ]


def test_ascii_terminals_get_ascii() -> None:
    spans = [process(1, 0, "näme", 1), call(2, 1, "read", 2), call(3, 1, "read", 3)]
    text = render(spans, ascii_only=True)
    assert text.isascii()
    assert "`- read x2" in text


def test_calls_with_children_and_unfinished_ones_are_told() -> None:
    spans = [
        process(1, 0, "sh", 1),
        call(2, 1, "clone", 2),
        call(3, 1, "clone", 3, renacer__unfinished=True),
        process(4, 2, "child", 4),
    ]
    lines = render(spans).splitlines()
    assert lines[1:4] == [
        "├─ clone  10 ns  L 2-3",
        "│  └─ child  pid 4  50.0 µs",
        "└─ clone  10 ns  L 3-4  unfinished",
    ]


@pytest.mark.parametrize("width", [20, 33, 80])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    spans = [process(n, n - 1, "名前" * 40, n) for n in range(1, 40)]
    for line in render(spans, width=width).splitlines()[:-1]:
        assert sum(2 if ord(char) > 0x2E80 else 1 for char in line) <= width


def test_a_circle_of_parents_is_told_and_ends() -> None:
    spans = [call(1, 2, "a", 1), call(2, 1, "b", 2), call(3, 3, "own parent", 3)]
    text = render(spans)
    assert "not shown: 2 spans whose parents form a circle" in text
    assert "own parent" in text


def test_thousands_of_levels_are_no_problem() -> None:
    spans = [call(n, n - 1, "nest", n) for n in range(1, 3_001)]
    lines = render(spans).splitlines()
    assert len(lines) == 3_001
    assert max(map(len, lines)) <= 80


def test_the_same_span_id_in_two_traces_is_two_spans() -> None:
    other = make_span(1, 0, "other", 1, 5, trace_id=b"u" * 16)
    lines = render([process(1, 0, "sh", 1), other, call(2, 1, "read", 2)]).splitlines()
    assert lines[0].startswith("sh")
    assert lines[1].startswith("└─ read")
    assert lines[2].startswith("other")
    assert lines[3] == "2 traces, 1 process, 1 call, 3 spans"


def test_nothing_received_is_said() -> None:
    assert render([]) == "0 traces, 0 processes, 0 calls, 0 spans\n"
    assert counts([]) == "0 traces, 0 processes, 0 calls, 0 spans"


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1.00 µs"),
        (9_996, "10.0 µs"),
        (99_960, "100 µs"),
        (999_600, "1.00 ms"),
        (61_000_000_000, "61.0 s"),
        (999_999_000_000, "1000 s"),
    ],
)
def test_durations_have_three_digits(nanoseconds: int, text: str) -> None:
    assert format_duration(nanoseconds) == text


@given(
    st.lists(
        st.builds(
            make_span,
            st.integers(1, 6),
            st.integers(0, 6),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
            st.integers(0, 50),
            st.integers(0, 50),
        ),
        max_size=12,
    ),
    st.booleans(),
)
def test_any_spans_render_as_printable_lines(spans: list[Span], ascii_only: bool) -> None:
    text = render(spans, ascii_only=ascii_only)
    assert text.endswith(counts(spans) + "\n")
    assert all(line.isprintable() for line in text.split("\n"))
