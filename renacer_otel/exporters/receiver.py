# SPDX-License-Identifier: MIT
"""An OTLP/gRPC receiver inside the process: for the demo, for tests, for benchmarks.

    with Receiver() as receiver:
        ... export to receiver.endpoint ...
        receiver.wait_for(10, timeout=5)
        receiver.spans

A real grpc server on a loopback port. Modes: "decode" keeps every span as the official
protobuf message, "count" counts spans and keeps none, "null" looks at nothing. A script of
replies makes it fail in the ways a collector can. As a program it prints its endpoint, runs
until SIGTERM or the end of its standard input, and prints what it counted as JSON:

    python -m renacer_otel.exporters.receiver --null
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renacer_otel.exporters.fields import bodies, each_field
from renacer_otel.exporters.otlp_grpc import METHOD, METRICS_METHOD, load_grpc
from renacer_otel.exporters.otlp_retry import RETRY_INFO_TRAILER, STATUS_TRAILER
from renacer_otel.exporters.otlp_sender import MAX_REQUEST_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc
    from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource
    from opentelemetry.proto.trace.v1.trace_pb2 import Span
    from typing_extensions import Self

if not TYPE_CHECKING:
    grpc = load_grpc()

MODES = ("decode", "count", "null")


@dataclass(frozen=True)
class ReceivedSpan:
    """A span with what it came in; resource and scope are shared by the spans of a request."""

    span: Span
    resource: Resource
    scope: InstrumentationScope


@dataclass(frozen=True)
class Reply:
    """One scripted answer.

    `code`: a gRPC status name; with "OK", `rejected` and `message` make a partial success and
    `body`, if not None, is sent instead. `retry_after` (seconds) adds RetryInfo, in the trailer
    `retry_in`: "status" (grpc-status-details-bin) or "retryinfo" (google.rpc.retryinfo-bin).
    `delay`: seconds before the answer. `hang`: no answer until the caller or the receiver ends.
    `keep`: whether the spans count as received; unset, they do where code is OK.
    """

    code: str = "OK"
    message: str = ""
    rejected: int = 0
    retry_after: float | None = None
    retry_in: str = "status"
    delay: float = 0.0
    hang: bool = False
    body: bytes | None = None
    keep: bool | None = None


@dataclass(frozen=True)
class ReceivedCall:
    """One Export call: when it came (CLOCK_MONOTONIC seconds), how big it was, with what."""

    at: float
    size: int
    metadata: tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True)
class ServerTls:
    """PEM bytes; with `client_ca`, clients must show a certificate of that authority."""

    key: bytes
    certificate: bytes
    client_ca: bytes | None = None


_MAX_CALLS_KEPT = 10_000
# Ours have a hundredth of it. A message is looked through only where it can have so many: an
# element takes two bytes at least.
MAX_ELEMENTS = 65_536
_OK = Reply()


class Receiver:
    """See the module's docstring. `port` 0 = any free one. Context manager."""

    def __init__(
        self,
        mode: str = "decode",
        port: int = 0,
        tls: ServerTls | None = None,
        script: Sequence[Reply] = (),
        host: str = "127.0.0.1",
        workers: int = 8,
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}")
        self._mode = mode
        self._script = list(script)
        self._changed = threading.Condition()
        self._ending = threading.Event()
        self._calls: list[ReceivedCall] = []
        self._spans: list[ReceivedSpan] = []
        self._count = self._requests = self._bytes = 0
        self.metric_requests = 0
        self._server = self._make_server(workers)
        address = f"{host}:{port}"
        if tls is None:
            self._port = self._server.add_insecure_port(address)
        else:
            credentials = grpc.ssl_server_credentials(
                [(tls.key, tls.certificate)], tls.client_ca, tls.client_ca is not None
            )
            self._port = self._server.add_secure_port(address, credentials)
        self._endpoint = f"{'https' if tls else 'http'}://{host}:{self._port}"

    def _make_server(self, workers: int) -> grpc.Server:
        server = grpc.server(
            ThreadPoolExecutor(workers, thread_name_prefix="renacer-receiver"),
            options=[
                ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
                ("grpc.so_reuseport", 0),
            ],
        )
        service, name = METHOD.strip("/").split("/")
        handler = grpc.unary_unary_rpc_method_handler(self._export, None, None)
        takes = grpc.unary_unary_rpc_method_handler(self._take_metrics, None, None)
        metrics, metrics_name = METRICS_METHOD.strip("/").split("/")
        server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(service, {name: handler}),
                grpc.method_handlers_generic_handler(metrics, {metrics_name: takes}),
            )
        )
        return server

    # --- life ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts serving."""
        self._server.start()

    def close(self) -> None:
        """Ends all calls at once and frees the port. Idempotent."""
        self._ending.set()
        self._server.stop(grace=None).wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- what came ----------------------------------------------------------------------------

    @property
    def endpoint(self) -> str:
        """As --otlp-endpoint takes it."""
        return self._endpoint

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._port

    @property
    def spans(self) -> list[ReceivedSpan]:
        """Spans received so far, in order of arrival (mode "decode")."""
        with self._changed:
            return list(self._spans)

    @property
    def calls(self) -> list[ReceivedCall]:
        """The first 10,000 calls, the failed ones included."""
        with self._changed:
            return list(self._calls)

    @property
    def count(self) -> int:
        """Spans received (modes "decode" and "count")."""
        with self._changed:
            return self._count

    def totals(self) -> dict[str, int]:
        """Requests, their bytes, and spans that were received."""
        with self._changed:
            return {"requests": self._requests, "bytes": self._bytes, "spans": self._count}

    def wait_for(self, spans: int, timeout: float) -> bool:
        """Waits until at least `spans` spans have come; False = not within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count >= spans, timeout)

    def wait_for_calls(self, calls: int, timeout: float) -> bool:
        """Waits until at least `calls` calls have begun, successful or not."""
        with self._changed:
            return self._changed.wait_for(lambda: self._requests >= calls, timeout)

    # --- serving ------------------------------------------------------------------------------

    def _export(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        reply = self._admit(request, context)
        if reply is not _OK:
            if reply.delay:
                self._ending.wait(reply.delay)
            if reply.keep is True or (reply.keep is None and reply.code == "OK"):
                self._take(request, context)
            return self._answer(reply, context)
        self._take(request, context)
        return b""

    def _take_metrics(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """They are counted, and no more."""
        del request, context
        with self._changed:
            self.metric_requests += 1
        return b""

    def _admit(self, request: bytes, context: grpc.ServicerContext) -> Reply:
        """Notes the call and says how it is to be answered."""
        with self._changed:
            self._requests += 1
            self._bytes += len(request)
            if self._mode != "null" and len(self._calls) < _MAX_CALLS_KEPT:
                metadata = tuple((key, value) for key, value in context.invocation_metadata())
                self._calls.append(ReceivedCall(time.monotonic(), len(request), metadata))
            self._changed.notify_all()
            return self._script.pop(0) if self._script else _OK

    def _take(self, request: bytes, context: grpc.ServicerContext) -> None:
        """Counts and keeps the spans of a request, by mode. A malformed one ends the call."""
        if self._mode == "null":
            return
        try:
            if not is_sane(request):
                context.abort(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"a resource, scope or span has more than {MAX_ELEMENTS} elements",
                )
            received = decode_request(request) if self._mode == "decode" else []
            spans = len(received) if self._mode == "decode" else count_spans(request)
        except ValueError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        with self._changed:
            self._spans.extend(received)
            self._count += spans
            self._changed.notify_all()

    def _answer(self, reply: Reply, context: grpc.ServicerContext) -> bytes:
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

        if reply.hang:
            gone = threading.Event()
            context.add_callback(gone.set)
            while not gone.wait(0.05) and not self._ending.is_set():
                pass
        if reply.retry_after is not None:
            context.set_trailing_metadata((_retry_trailer(reply),))
        if reply.code != "OK":
            context.abort(grpc.StatusCode[reply.code], reply.message)
        if reply.body is not None:
            return reply.body
        partial = trace_service_pb2.ExportTracePartialSuccess(
            rejected_spans=reply.rejected, error_message=reply.message
        )
        return trace_service_pb2.ExportTraceServiceResponse(
            partial_success=partial
        ).SerializeToString()


def _retry_trailer(reply: Reply) -> tuple[str, bytes]:
    from google.protobuf.any_pb2 import Any
    from google.protobuf.duration_pb2 import Duration
    from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
    from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

    seconds = reply.retry_after or 0.0
    whole = int(seconds)
    delay = Duration(seconds=whole, nanos=int((seconds - whole) * 1e9))
    info = RetryInfo(retry_delay=delay)
    if reply.retry_in == "retryinfo":
        return RETRY_INFO_TRAILER, info.SerializeToString()
    detail = Any()
    detail.Pack(info)
    code = grpc.StatusCode[reply.code].value[0]
    status = Status(code=code, message=reply.message, details=[detail])
    return STATUS_TRAILER, status.SerializeToString()


def decode_request(request: bytes) -> list[ReceivedSpan]:
    """Decodes an ExportTraceServiceRequest by the official classes. ValueError if malformed."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

    try:
        message = trace_service_pb2.ExportTraceServiceRequest.FromString(request)
    except DecodeError:
        raise ValueError("not an ExportTraceServiceRequest") from None
    return [
        ReceivedSpan(span, resource_spans.resource, scope_spans.scope)
        for resource_spans in message.resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]


def count_spans(request: bytes) -> int:
    """Counts the spans of an ExportTraceServiceRequest without building them.

    Follows resource_spans (1), scope_spans (2), spans (2) and skips the rest. ValueError if
    malformed (what lies inside a span is not looked at).
    """
    total = 0
    for start, end in bodies(request, 0, len(request), 1):
        for scope_start, scope_end in bodies(request, start, end, 2):
            total += sum(1 for _ in bodies(request, scope_start, scope_end, 2))
    return total


def is_sane(request: bytes) -> bool:
    """Whether no resource, scope or span has more than MAX_ELEMENTS fields, attributes for one.

    Made into objects, they would take a hundred times the bytes. ValueError if malformed.
    """
    for resource_spans in bodies(request, 0, len(request), 1):
        parts = [*bodies(request, *resource_spans, 1)]
        for scope_spans in bodies(request, *resource_spans, 2):
            parts += [*bodies(request, *scope_spans, 1), *bodies(request, *scope_spans, 2)]
        if not all(_is_small(request, *part) for part in parts):
            return False
    return True


def _is_small(data: bytes, start: int, end: int) -> bool:
    """Whether a message has at most MAX_ELEMENTS fields."""
    if end - start <= 2 * MAX_ELEMENTS:
        return True
    fields = enumerate(each_field(data, start, end), start=1)
    return all(count <= MAX_ELEMENTS for count, _ in fields)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a receiver until SIGTERM, SIGINT or the end of standard input."""
    parser = argparse.ArgumentParser(description="OTLP/gRPC receiver that counts spans.")
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--null", action="store_true", help="do not look into the requests")
    options = parser.parse_args(arguments)
    # An Event would not do: a handler that sets it waits for its lock, which the main thread may
    # hold on its way into wait().
    ended, end = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(end, b"x"))
    try:
        receiver = Receiver(mode="null" if options.null else "count", port=options.port)
    except RuntimeError:
        print(f"cannot listen on port {options.port}: choose another --port", file=sys.stderr)
        return 1
    with receiver:
        print(receiver.endpoint, flush=True)

        def watch() -> None:
            while os.read(sys.stdin.fileno(), 4096):
                pass
            os.write(end, b"x")

        threading.Thread(target=watch, daemon=True).start()
        os.read(ended, 1)
    print(json.dumps(receiver.totals()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
