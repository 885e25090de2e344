# SPDX-License-Identifier: MIT
"""Sends hand-made OTLP requests, encoded by the official protobuf classes."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def send_grpc(
    port: int, requests: Iterable[ExportTraceServiceRequest]
) -> list[ExportTraceServiceResponse]:
    """Sends each request to 127.0.0.1:port and returns the answers. Raises grpc.RpcError."""
    options = (("grpc.enable_http_proxy", 0),)
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        call = channel.unary_unary(
            _METHOD,
            request_serializer=ExportTraceServiceRequest.SerializeToString,
            response_deserializer=ExportTraceServiceResponse.FromString,
        )
        return [call(request, timeout=30.0, wait_for_ready=True) for request in requests]


def send_http(port: int, request: ExportTraceServiceRequest) -> ExportTraceServiceResponse:
    """Posts one request as OTLP/HTTP protobuf. Raises AssertionError if it is refused."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30.0)
    try:
        connection.request(
            "POST",
            "/v1/traces",
            body=request.SerializeToString(),
            headers={"Content-Type": "application/x-protobuf"},
        )
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    assert response.status == http.client.OK, body
    return ExportTraceServiceResponse.FromString(body)
