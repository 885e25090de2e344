# SPDX-License-Identifier: MIT
"""The OpenTelemetry SDK's own way: BatchSpanProcessor to OTLP/gRPC, five attributes a span.

usage: sdk_export.py ENDPOINT SPANS; prints spans a second, with nothing dropped.
"""

from __future__ import annotations

import sys
import time

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def main() -> None:
    endpoint, spans = sys.argv[1], int(sys.argv[2])
    provider = TracerProvider()
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=True)
    processor = BatchSpanProcessor(exporter, max_queue_size=spans + 1, max_export_batch_size=512)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("benchmark")
    began = time.perf_counter()
    for number in range(spans):
        attributes: dict[str, str | int] = {
            "syscall.name": "openat",
            "syscall.number": 257,
            "syscall.result": 3,
            "syscall.tid": number,
            "file.path": "/usr/share/zoneinfo/Europe/Paris",
        }
        tracer.start_span("openat", attributes=attributes).end()
    provider.shutdown()
    print(spans / (time.perf_counter() - began))


if __name__ == "__main__":
    main()
