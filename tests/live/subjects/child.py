# SPDX-License-Identifier: MIT
"""child.py OTLP-PORT: continues the context of its environment by OpenTelemetry's own getter."""

from __future__ import annotations

import os
import sys

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.propagators._envcarrier import EnvironmentGetter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

provider = TracerProvider(
    resource=Resource.create({"service.name": "child"}), shutdown_on_exit=False
)
exporter = OTLPSpanExporter(f"http://127.0.0.1:{int(sys.argv[1])}", insecure=True)
provider.add_span_processor(BatchSpanProcessor(exporter))
context = TraceContextTextMapPropagator().extract(os.environ, getter=EnvironmentGetter())
with provider.get_tracer("child").start_as_current_span("work", context):
    pass
provider.shutdown()
