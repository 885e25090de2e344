# SPDX-License-Identifier: MIT
"""A collector's side for metrics as a real gRPC server, and what it and the HTTP one received."""

from __future__ import annotations

import json
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from renacer_otel.exporters.otlp_grpc import METRICS_METHOD, load_grpc
from tests.otlp_json import with_base64_ids

if TYPE_CHECKING:
    from collections.abc import Iterable

    import grpc
    from opentelemetry.proto.metrics.v1.metrics_pb2 import (
        ExponentialHistogramDataPoint,
        Metric,
        NumberDataPoint,
    )
    from typing_extensions import Self

    from tests.exporters.http_server import HttpCollector, Request

if not TYPE_CHECKING:
    grpc = load_grpc()


class MetricsCollector:
    """Keeps each request by the official class. `script`: names of status codes, or a number of
    data points to reject; when it is over, all is taken. Context manager."""

    def __init__(self, script: Iterable[str | int] = (), port: int = 0) -> None:
        self.requests: list[ExportMetricsServiceRequest] = []
        self.metadata: list[dict[str, str | bytes]] = []
        self._script = list(script)
        self._changed = threading.Condition()
        service, _, method = METRICS_METHOD[1:].partition("/")
        self._server = grpc.server(
            ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)], compression=None
        )
        handler = grpc.unary_unary_rpc_method_handler(
            self._export,
            request_deserializer=ExportMetricsServiceRequest.FromString,
            response_serializer=ExportMetricsServiceResponse.SerializeToString,
        )
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {method: handler}),)
        )
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()

    def _export(
        self, request: ExportMetricsServiceRequest, context: grpc.ServicerContext
    ) -> ExportMetricsServiceResponse:
        with self._changed:
            self.metadata.append(dict(context.invocation_metadata()))
            says = self._script.pop(0) if self._script else 0
            if not isinstance(says, str):
                self.requests.append(request)
            self._changed.notify_all()
        if isinstance(says, str):
            context.abort(grpc.StatusCode[says], "as scripted")
        partial = ExportMetricsPartialSuccess(
            rejected_data_points=says, error_message="too many" if says else ""
        )
        return ExportMetricsServiceResponse(partial_success=partial if says else None)

    def wait_for(self, requests: int, timeout: float = 30.0) -> bool:
        """Waits until so many were taken."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.requests) >= requests, timeout)


def of_http(request: Request) -> ExportMetricsServiceRequest:
    """A request of the HTTP collector, by the official class."""
    body = request.body
    if request.headers.get("content-encoding") == "gzip":
        body = zlib.decompress(body, wbits=31)
    if request.headers["content-type"] == "application/x-protobuf":
        return ExportMetricsServiceRequest.FromString(body)
    return ParseDict(with_base64_ids(json.loads(body)), ExportMetricsServiceRequest())


def all_of_http(collector: HttpCollector) -> list[ExportMetricsServiceRequest]:
    """All that came by HTTP to the path for metrics."""
    return [of_http(each) for each in collector.requests if each.path == "/v1/metrics"]


def metrics_in(request: ExportMetricsServiceRequest) -> dict[str, Metric]:
    """Name -> metric; fails where one comes twice."""
    found: dict[str, Metric] = {}
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                assert metric.name not in found
                found[metric.name] = metric
    return found


def attributes(
    point: NumberDataPoint | ExponentialHistogramDataPoint,
) -> dict[str, str | int | bool]:
    """Of a data point, as Python has them."""
    found: dict[str, str | int | bool] = {}
    for pair in point.attributes:
        assert pair.key not in found
        found[pair.key] = getattr(pair.value, str(pair.value.WhichOneof("value")))
    return found


def numbers(metric: Metric) -> dict[tuple[tuple[str, str | int | bool], ...], float]:
    """Attributes -> value, of a sum."""
    found = {}
    for point in metric.sum.data_points:
        key = tuple(sorted(attributes(point).items()))
        assert key not in found
        found[key] = getattr(point, str(point.WhichOneof("value")))
    return found
