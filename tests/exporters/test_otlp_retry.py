# SPDX-License-Identifier: MIT
"""The failure rules by themselves: trailers from strangers, backoff, words."""

from __future__ import annotations

import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import (  # type: ignore[import-untyped]
    DebugInfo,
    RetryInfo,
)
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from renacer_otel.exporters.otlp_retry import (
    FIRST_BACKOFF_S,
    MAX_BACKOFF_S,
    MAX_RETRY_INFO_S,
    RETRY_INFO_TRAILER,
    STATUS_TRAILER,
    Backoff,
    PartialSuccess,
    explain,
    parse_response,
    retry_delay,
)


def retry_info(seconds: int, nanos: int = 0) -> bytes:
    info = RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos))
    data: bytes = info.SerializeToString()
    return data


def status_with(*details: bytes) -> bytes:
    packed = [
        Any(type_url="type.googleapis.com/google.rpc.RetryInfo", value=data) for data in details
    ]
    data: bytes = Status(
        code=14,
        details=[
            Any(type_url="x/google.rpc.DebugInfo", value=DebugInfo().SerializeToString()),
            *packed,
        ],
    ).SerializeToString()
    return data


@pytest.mark.parametrize(
    ("seconds", "nanos", "delay"),
    [
        (2, 500_000_000, 2.5),
        (0, 0, 0.0),
        (-5, 0, 0.0),
        (864_000, 0, MAX_RETRY_INFO_S),
        (2**62, -(2**31), MAX_RETRY_INFO_S),
    ],
)
def test_retry_info_is_read_from_either_trailer_and_bounded(
    seconds: int, nanos: int, delay: float
) -> None:
    info = retry_info(seconds, nanos)
    assert retry_delay([("other", "x"), (RETRY_INFO_TRAILER, info)]) == delay
    assert retry_delay([(STATUS_TRAILER, status_with(info))]) == delay


@pytest.mark.parametrize(
    "trailers",
    [
        [],
        [(STATUS_TRAILER, status_with())],
        [(STATUS_TRAILER, b"\xff\xff")],
        [(STATUS_TRAILER, status_with(b"\xff"))],
        [(RETRY_INFO_TRAILER, b"\xff")],
        [(RETRY_INFO_TRAILER, "text")],
        [("retry-after", b"3")],
    ],
)
def test_no_readable_retry_info_is_none(trailers: list[tuple[str, str | bytes]]) -> None:
    assert retry_delay(trailers) is None


def test_an_unreadable_trailer_does_not_hide_a_readable_one() -> None:
    assert retry_delay([(STATUS_TRAILER, b"\xff"), (RETRY_INFO_TRAILER, retry_info(1))]) == 1


@given(st.sampled_from([STATUS_TRAILER, RETRY_INFO_TRAILER]), st.binary(max_size=40))
def test_any_trailer_gives_a_bounded_delay_or_none(key: str, value: bytes) -> None:
    delay = retry_delay([(key, value)])
    assert delay is None or 0 <= delay <= MAX_RETRY_INFO_S


def test_backoff_doubles_to_its_bound_with_full_jitter() -> None:
    asked: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return high / 2

    backoff = Backoff(uniform)
    delays = [backoff.next() for _ in range(9)]
    assert [low for low, _ in asked] == [0.0] * 9
    assert [high for _, high in asked] == [
        min(FIRST_BACKOFF_S * 2**attempt, MAX_BACKOFF_S) for attempt in range(9)
    ]
    assert delays == [high / 2 for _, high in asked]


@given(st.lists(st.none() | st.floats(0, MAX_RETRY_INFO_S), max_size=12))
def test_what_the_server_asked_for_is_never_undercut(asked: list[float | None]) -> None:
    backoff = Backoff()
    for wanted in asked:
        delay = backoff.next(wanted)
        assert (wanted or 0.0) <= delay <= MAX_RETRY_INFO_S * 2


@given(st.binary(max_size=40), st.integers(0, 100))
def test_any_answer_rejects_between_none_and_all(data: bytes, spans: int) -> None:
    partial = parse_response(data, spans)
    assert partial is None or 0 <= partial.rejected <= spans


def test_an_empty_answer_is_full_success() -> None:
    assert parse_response(b"", 5) == PartialSuccess(0, "")


@pytest.mark.parametrize(
    ("code", "details", "words"),
    [
        ("UNAVAILABLE", "… last error: … Connection refused", "no collector listens there"),
        ("UNAVAILABLE", "errors resolving x:1: …", "cannot be resolved"),
        ("UNAVAILABLE", "something new", "UNAVAILABLE: something new"),
        ("INTERNAL", "Connection refused", "INTERNAL: Connection refused"),
        ("UNIMPLEMENTED", "", "OTLP/gRPC port?"),
        ("ABORTED", "", "ABORTED"),
    ],
)
def test_failures_are_explained_where_the_words_are_known(
    code: str, details: str, words: str
) -> None:
    text = explain(code, details)
    assert text.startswith(code)
    assert text.endswith(words)
    assert len(explain(code, "x" * 100_000)) < 600
