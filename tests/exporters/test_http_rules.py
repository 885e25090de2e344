# SPDX-License-Identifier: MIT
"""What answers to OTLP/HTTP mean, without a connection."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.json_format import MessageToJson
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from renacer_otel.exporters.http_rules import JSON, PROTOBUF, Answer, judge, retry_after
from renacer_otel.exporters.otlp_retry import PartialSuccess
from renacer_otel.exporters.otlp_sender import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping


def answer(status: int, body: bytes | None = b"", kind: str = PROTOBUF, **more: str) -> Answer:
    headers = {"Content-Type": kind, **{k.replace("_", "-"): v for k, v in more.items()}}
    return Answer(status, headers, body)


def failure(*what: Any, **more: Any) -> Failure:
    verdict = judge(answer(*what, **more), 5, PROTOBUF)
    assert isinstance(verdict, Failure)
    return verdict


@pytest.mark.parametrize("status", [*range(100, 200, 7), *range(300, 600)])
def test_four_statuses_are_tried_again_and_no_other(status: int) -> None:
    assert failure(status).retryable is (status in (429, 502, 503, 504))
    assert failure(status, Retry_After="7").retry_after == (
        7.0 if status in (429, 502, 503, 504) else None
    )
    assert failure(status).code == f"HTTP {status}"


@pytest.mark.parametrize("status", [200, 202, 204])
def test_what_is_taken(status: int) -> None:
    assert judge(answer(status), 5, PROTOBUF) == PartialSuccess()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("3", 3.0),
        (" 3 ", 3.0),
        ("86400", 60.0),
        ("9" * 18, 60.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("9" * 400, None),
        ("Fri, 99 Nov 2026 08:49:37 GMT", None),
        ("Sun, 29 Nov 2026 99999999999999999999:0:0 GMT", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": value}) == seconds


def test_retry_after_as_a_date() -> None:
    now = time.time()
    delay = retry_after({"Retry-After": formatdate(now + 10, usegmt=True)})
    assert delay is not None
    assert 8 < delay <= 10
    assert retry_after({"Retry-After": formatdate(now - 10, usegmt=True)}) == 0.0
    assert retry_after({"Retry-After": formatdate(now + 86400, usegmt=True)}) == 60.0
    # By the collector's own clock, where it tells it.
    headers = {
        "Retry-After": "Sun, 06 Nov 1994 08:49:42 GMT",
        "Date": "Sun, 06 Nov 1994 08:49:37 GMT",
    }
    assert retry_after(headers) == 5.0


@pytest.mark.parametrize("kind", [PROTOBUF, JSON, "Application/JSON; charset=utf-8", ""])
def test_the_message_of_a_status_is_told(kind: str) -> None:
    status = Status(code=3, message="no such tenant")
    as_json = "json" in kind.lower()
    body = MessageToJson(status).encode() if as_json else status.SerializeToString()
    assert failure(400, body, kind).told == "HTTP 400: no such tenant"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (PROTOBUF, b"\xff\xff"),
        (JSON, b"{"),
        (JSON, b"[" * 100_000),
        (JSON, b'{"message": 5}'),
        (JSON, b'["message"]'),
        (JSON, b"9" * 5000),
        (JSON, b"\xff"),
        ("text/html", b"<h1>no</h1>"),
        (PROTOBUF, None),
    ],
)
def test_a_body_without_a_message_is_left_out(kind: str, body: bytes | None) -> None:
    assert failure(400, body, kind).told == "HTTP 400"


def test_plain_text_is_told_and_a_redirect_names_where() -> None:
    text = "Client sent an HTTP request to an HTTPS server.\n"
    assert failure(400, text.encode(), "text/plain; charset=utf-8").told.endswith(text.strip())
    assert failure(400, text.encode(), "").told.endswith(text.strip())
    told = failure(301, Location="https://me:secret@other/v1/traces?key=secret").told
    assert "redirected to https://other/v1/traces; redirects are not followed" in told
    assert "secret" not in told


@pytest.mark.parametrize("encoding", [PROTOBUF, JSON])
@pytest.mark.parametrize(
    ("rejected", "counted"), [(0, 0), (2, 2), (9, 5), (-3, 0), ((1 << 63) - 1, 5), (-(1 << 63), 0)]
)
def test_partial_success(encoding: str, rejected: int, counted: int) -> None:
    partial = ExportTracePartialSuccess(rejected_spans=rejected, error_message="old")
    message = ExportTraceServiceResponse(partial_success=partial)
    body = MessageToJson(message).encode() if encoding == JSON else message.SerializeToString()
    assert judge(answer(200, body, encoding), 5, PROTOBUF) == PartialSuccess(counted, "old")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, PartialSuccess()),
        ({"partialSuccess": {}}, PartialSuccess()),
        ({"partialSuccess": None, "new": [1]}, PartialSuccess()),
        ({"partialSuccess": {"rejectedSpans": 2}}, PartialSuccess(2)),
        ({"partialSuccess": {"rejectedSpans": "2", "new": {}}}, PartialSuccess(2)),
    ],
)
def test_partial_success_in_json(said: Mapping[str, Any], expected: PartialSuccess) -> None:
    assert judge(answer(200, json.dumps(said).encode(), JSON), 5, JSON) == expected


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (PROTOBUF, b"\xff\xff\xff"),
        (JSON, b"no"),
        (JSON, b"[]"),
        (JSON, b'{"partialSuccess": 1}'),
        (JSON, b'{"partialSuccess": {"rejectedSpans": "x"}}'),
        (JSON, b'{"partialSuccess": {"rejectedSpans": "' + b"9" * 100 + b'"}}'),
        (JSON, b'{"partialSuccess": {"errorMessage": 1}}'),
        (JSON, b"[" * 100_000),
        ("text/html", b"<html>"),
        ("application/octet-stream", b"x"),
    ],
)
def test_what_is_taken_with_a_garbage_body_is_taken_and_told(kind: str, body: bytes) -> None:
    verdict = judge(answer(200, body, kind), 5, PROTOBUF)
    assert isinstance(verdict, PartialSuccess)
    assert verdict.rejected == 0
    assert "is unreadable" in verdict.message
    assert ("OTLP/HTTP endpoint?" in verdict.message) is (kind == "text/html")


@given(
    st.integers(100, 599),
    st.binary(max_size=60) | st.sampled_from([b"{}", b"null", b'{"partialSuccess":{}}']),
    st.sampled_from([PROTOBUF, JSON, "text/plain", "", ";"]),
    st.text(max_size=30),
)
def test_any_answer_has_a_verdict(status: int, body: bytes, kind: str, after: str) -> None:
    verdict = judge(answer(status, body, kind, Retry_After=after), 5, JSON)
    assert isinstance(verdict, PartialSuccess) is (200 <= status < 300)
