# SPDX-License-Identifier: MIT
"""Metrics to a real collector: what it writes, and what it shows to Prometheus."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.tool import environ, renacer
from tests.exporters.metrics_collector import metrics_in, numbers
from tests.live.backend import HERE, Backend, free_ports, http_get, running
from tests.otlp_json import with_base64_ids

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live

COMMAND = ("sh", "-c", "ls / | sort >/dev/null; cat /nonexistent /etc/passwd >/dev/null; exit 3")


class MetricsCollector(Backend):
    """A collector with backends/metrics.yaml."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self.otlp_port, self.otlp_http_port, self.prometheus_port, health = free_ports(4)
        self.file = folder / "metrics.jsonl"
        super().__init__(
            [str(binary), "--config", str(HERE / "backends" / "metrics.yaml")],
            {
                "OTLP_PORT": str(self.otlp_port),
                "OTLP_HTTP_PORT": str(self.otlp_http_port),
                "PROMETHEUS_PORT": str(self.prometheus_port),
                "HEALTH_PORT": str(health),
                "METRICS_FILE": str(self.file),
            },
            folder / "collector.log",
            health,
            "/",
        )


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf", "http/json"])
def test_a_collector_takes_them(backends: Path, tmp_path: Path, protocol: str) -> None:
    with running(lambda: MetricsCollector(backends / "otelcol", tmp_path)) as collector:
        port = collector.otlp_port if protocol == "grpc" else collector.otlp_http_port
        env = environ(OTEL_TRACES_EXPORTER="none", OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
                      OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")  # fmt: skip
        done = renacer("--metrics", "-o", tmp_path / "text", "--", *COMMAND, env=env)
        assert done.code == 3, done.err
        assert "metrics" not in done.err  # nothing to tell of: all were taken
        status, page = http_get(collector.prometheus_port, "/metrics")
        collector.stop()
    lines = collector.file.read_text(encoding="utf-8").splitlines()
    requests = [
        ParseDict(with_base64_ids(json.loads(line)), ExportMetricsServiceRequest())
        for line in lines
    ]
    (request,) = requests
    found = metrics_in(request)
    points = found["syscall.duration"].exponential_histogram.data_points
    unfinished = sum(numbers(found["syscall.unfinished"]).values())
    assert sum(point.count for point in points) + unfinished == done.totals.calls
    assert status == 200
    families = {each.name: each for each in text_string_to_metric_families(page.decode())}
    shown = sum(sample.value for sample in families["syscall_errors"].samples)
    assert shown == sum(numbers(found["syscall.errors"]).values()) > 0
    (calls,) = families["renacer_calls"].samples
    assert calls.value == done.totals.calls
