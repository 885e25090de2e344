# SPDX-License-Identifier: MIT
"""The embedded receiver: what it counts, what it refuses, and as a program."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from renacer_otel.exporters.attributes import varint
from renacer_otel.exporters.otlp_grpc import METHOD
from renacer_otel.exporters.receiver import Receiver, count_spans, decode_request
from tests.exporters import http2
from tests.exporters.conftest import child_environ
from tests.exporters.test_hostile import bomb

if TYPE_CHECKING:
    from collections.abc import Iterator


def request_of(*shape: list[int]) -> ExportTraceServiceRequest:
    """One ResourceSpans for each list, one ScopeSpans of so many spans for each number."""
    return ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=Resource(dropped_attributes_count=3),
                scope_spans=[
                    ScopeSpans(spans=[Span(name="n", flags=1)] * count, schema_url="u")
                    for count in scopes
                ],
                schema_url="u",
            )
            for scopes in shape
        ]
    )


def export(receiver: Receiver, request: bytes) -> bytes:
    with grpc.insecure_channel(f"127.0.0.1:{receiver.port}") as channel:
        answer: bytes = channel.unary_unary(METHOD, None, None)(request, timeout=20)
        return answer


@given(st.lists(st.lists(st.integers(0, 4), max_size=3), max_size=3))
def test_counting_and_decoding_agree_with_the_message(shape: list[list[int]]) -> None:
    request = request_of(*shape).SerializeToString()
    spans = sum(map(sum, shape))
    assert count_spans(request) == spans
    assert len(decode_request(request)) == spans


@given(st.binary(max_size=60))
def test_any_bytes_are_counted_or_refused(data: bytes) -> None:
    try:
        expected = len(decode_request(data))
    except ValueError:
        expected = None
    try:
        counted = count_spans(data)
    except ValueError:
        counted = None
    if expected is not None and counted is not None:
        assert counted == expected


@given(st.data())
def test_a_cut_request_is_refused_or_shorter(data: st.DataObject) -> None:
    whole = request_of([2, 1], [1]).SerializeToString()
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        assert count_spans(cut) < 4
    except ValueError:
        with pytest.raises(ValueError, match="not an Export"):
            decode_request(cut)


@pytest.mark.parametrize(("mode", "count"), [("decode", 3), ("count", 3), ("null", 0)])
def test_modes(mode: str, count: int) -> None:
    request = request_of([2], [1]).SerializeToString()
    with Receiver(mode) as receiver:
        assert export(receiver, request) == b""
        assert receiver.count == count
        assert len(receiver.spans) == (3 if mode == "decode" else 0)
        assert receiver.totals() == {"requests": 1, "bytes": len(request), "spans": count}
        assert receiver.wait_for(count, 0) is True
        assert receiver.wait_for(count + 1, 0) is False
    with pytest.raises(ValueError, match="mode"):
        Receiver("other")


def nested(levels: int) -> bytes:
    """An AnyValue of so many lists in lists, by hand: the classes refuse to make a deep one."""
    value = AnyValue(string_value="deep").SerializeToString()
    for _ in range(levels):
        values = b"\x0a" + varint(len(value)) + value
        value = b"\x2a" + varint(len(values)) + values
    return value


def request_with_nested(levels: int) -> bytes:
    """A request of one span with one attribute, nested so deep."""
    data = nested(levels)
    # KeyValue.value, Span.attributes, ScopeSpans.spans, ResourceSpans.scope_spans, the request's
    # resource_spans.
    for field in (2, 9, 2, 2, 1):
        data = bytes([field << 3 | 2]) + varint(len(data)) + data
    return data


def test_malformed_and_too_deep_requests_are_refused_and_others_served() -> None:
    with Receiver() as receiver:
        for bad in (b"\xff\xff", request_with_nested(64)):
            with pytest.raises(grpc.RpcError) as caught:
                export(receiver, bad)
            assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        export(receiver, request_with_nested(2))
        (received,) = receiver.spans
    value = received.span.attributes[0].value
    assert value.array_value.values[0].array_value.values[0].string_value == "deep"


def test_a_million_attributes_are_refused_and_others_served() -> None:
    """In a span, a scope or a resource; what is refused is not made into objects."""
    pair = KeyValue(key="k").SerializeToString()
    many = (b"\x4a" + varint(len(pair)) + pair) * 1_000_000  # of a span
    of_resource = (b"\x0a" + varint(len(pair)) + pair) * 1_000_000

    def message(data: bytes, *fields: int) -> bytes:
        for field in fields:
            data = bytes([field << 3 | 2]) + varint(len(data)) + data
        return data

    with Receiver() as receiver:
        for bad in (message(many, 2, 2, 1), message(of_resource, 1, 1)):
            with pytest.raises(grpc.RpcError) as caught:
                export(receiver, bad)
            assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert receiver.count == 0
        export(receiver, request_of([3]).SerializeToString())
        assert receiver.count == 3


def test_a_gigabyte_in_a_megabyte_of_gzip_is_refused(program: subprocess.Popen[str]) -> None:
    """The peak of its memory says whether it was unpacked."""
    assert program.stdout is not None
    endpoint = program.stdout.readline().strip().removeprefix("http://")
    packed = bomb()
    fields = http2.headers(
        (":method", "POST"),
        (":scheme", "http"),
        (":path", METHOD),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("grpc-encoding", "gzip"),
    )
    host, _, port = endpoint.partition(":")
    with socket.create_connection((host, int(port)), 20) as connection:
        connection.sendall(http2.PREFACE + http2.frame(http2.SETTINGS) + http2.block(1, fields))
        peer = http2.Connection(connection)
        with suppress(OSError):
            peer.send_data(1, b"\1" + len(packed).to_bytes(4, "big") + packed, end=True)
        peer.until_end(1)
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{program.pid}/status").read_text().splitlines()
    )
    assert int(status["VmHWM"].split()[0]) < 150_000  # kB
    request = request_of([4]).SerializeToString()
    with grpc.insecure_channel(endpoint) as channel:
        channel.unary_unary(METHOD, None, None)(request, timeout=20)
    assert program.stdin is not None
    program.stdin.close()
    assert json.loads(program.stdout.readline())["spans"] == 4
    assert program.wait(20) == 0


def test_the_port_is_free_again_and_never_shared() -> None:
    with Receiver("null") as first:
        with pytest.raises(RuntimeError):
            Receiver("null", port=first.port)
        port = first.port
    with socket.create_server(("127.0.0.1", port)):
        pass


@pytest.fixture
def program() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "renacer_otel.exporters.receiver"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=child_environ(),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("by_signal", [False, True])
def test_as_a_program_it_prints_endpoint_and_counts(
    program: subprocess.Popen[str], by_signal: bool
) -> None:
    assert program.stdout is not None
    assert program.stdin is not None
    assert program.stderr is not None
    endpoint = program.stdout.readline().strip()
    request = request_of([4]).SerializeToString()
    with grpc.insecure_channel(endpoint.removeprefix("http://")) as channel:
        channel.unary_unary(METHOD, None, None)(request, timeout=20)
    if by_signal:
        program.send_signal(signal.SIGTERM)
    else:
        program.stdin.close()
    totals = json.loads(program.stdout.readline())
    assert totals == {"requests": 1, "bytes": len(request), "spans": 4}
    assert program.wait(20) == 0
    assert program.stderr.read() == ""


def test_as_a_program_it_says_when_the_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "renacer_otel.exporters.receiver", "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
            env=child_environ(),
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"cannot listen on port {port}: choose another --port\n"
