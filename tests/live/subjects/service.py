# SPDX-License-Identifier: MIT
"""service.py ROLE OTLP-PORT [PORT]: a little HTTP service with the OpenTelemetry SDK.

`front` starts a child process for each request and asks the service at PORT, `back` reads a file.
It says its port, serves until standard input ends, and exports its own spans. ROLE.steps gets a
line for each step: its number, which a call of getpgid(1000 + number) marks in the trace, and
the span that is current there.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from renacer_otel.instrument import instrument

ROLE, OTLP, OTHER = sys.argv[1], int(sys.argv[2]), int((*sys.argv, "0")[3])
BASE = 2000 if ROLE == "back" else 1000

provider = TracerProvider(resource=Resource.create({"service.name": ROLE}), shutdown_on_exit=False)
provider.add_span_processor(
    BatchSpanProcessor(OTLPSpanExporter(f"http://127.0.0.1:{OTLP}", insecure=True))
)
trace.set_tracer_provider(provider)
instrument()
tracer = trace.get_tracer("service")
steps = os.open(f"{ROLE}.steps", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def step(number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.getpgid(BASE + number)
    named = trace.get_current_span().get_span_context()
    os.write(steps, f"{BASE + number} {named.trace_id:032x} {named.span_id:016x}\n".encode())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        first = 10 * int(self.path[1:])
        headers = {name.lower(): value for name, value in self.headers.items()}
        with tracer.start_as_current_span(
            "request", propagate.extract(headers), trace.SpanKind.SERVER
        ):
            step(first)
            text = self.ask(first) if ROLE == "front" else Path(__file__).read_text("utf-8")
            step(first + 4)
            self.answer(text[:100].encode())
            step(first + 5)

    def ask(self, first: int) -> str:
        sent: dict[str, str] = {}
        propagate.inject(sent)
        env = os.environ | {name.upper(): value for name, value in sent.items()}
        child = Path(__file__).with_name("child.py")
        subprocess.run([sys.executable, str(child), str(OTLP)], env=env, check=True)
        step(first + 1)
        with tracer.start_as_current_span("ask", kind=trace.SpanKind.CLIENT):
            step(first + 2)
            propagate.inject(sent)
            connection = http.client.HTTPConnection("127.0.0.1", OTHER)
            connection.request("GET", self.path, headers=sent)
            text = connection.getresponse().read().decode()
            connection.close()
            step(first + 3)
        return text

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Says nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = False


with Server(("127.0.0.1", 0), Handler) as server:
    loop = threading.Thread(target=server.serve_forever, args=(0.05,))
    loop.start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    server.shutdown()
    loop.join()
provider.shutdown()
