# SPDX-License-Identifier: MIT
"""Sends finished blocks to an OTLP/HTTP collector, as protobuf or as JSON.

A few connections, one for each request under way, are kept open between requests. The standard
library's http.client reads the answers; it and ssl are imported by `open()`, not by this module.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from renacer_otel.exporters import http_rules
from renacer_otel.exporters.otlp_endpoint import UNIX
from renacer_otel.exporters.otlp_sender import USER_AGENT, Failure, Job, OtlpSender

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from renacer_otel.exporters.http_connection import Connection
    from renacer_otel.exporters.otlp_retry import PartialSuccess
    from renacer_otel.exporters.otlp_settings import OtlpSettings

# The fastest: a slower one takes CPU time from what is traced, and saves little more.
_GZIP_LEVEL = 1


class OtlpHttpSender(OtlpSender):
    """Delivers blocks to one collector by HTTP; see OtlpSender.

    The envelope makes requests in the settings' protocol: protobuf or JSON.
    """

    _context: ssl.SSLContext | None = None
    _head = ""
    _encoding = http_rules.PROTOBUF

    def _start(self) -> None:
        from renacer_otel.exporters import http_connection  # noqa: F401 (now, not at the first)

        settings = self._settings
        if settings.protocol == "http/json":
            self._encoding = http_rules.JSON
        self._connections: set[Connection] = set()
        self._free: list[Connection] = []
        if settings.secure:
            self._context = _make_context(settings)
        self._head = _make_head(settings, self._encoding)

    def _stop(self) -> Callable[[], object]:
        living, self._connections = self._connections, set()
        free, self._free = self._free, []

        def stop() -> None:
            for connection in living:
                connection.kill()
            for connection in free:  # the others' threads close them
                connection.close()

        return stop

    def _connection(self) -> Connection | None:
        """One that nobody uses; None = the sender was closed."""
        from renacer_otel.exporters.http_connection import Connection

        with self._changed:
            if self._cancelled:
                return None
            if self._free:
                return self._free.pop()
            made = Connection(self._settings.target, self._context)
            self._connections.add(made)
            return made

    def _attempt(self, job: Job, timeout: float | None) -> Failure | PartialSuccess:
        from http.client import HTTPException

        until = None if timeout is None else time.monotonic() + timeout
        if not job.body:
            job.body = self._whole(job.request)
        connection = self._connection()
        if connection is None:
            return Failure("no answer", "the sender was closed", retryable=True)
        try:
            answer = connection.post(job.body, until)
        except (OSError, HTTPException) as error:
            return http_rules.failed(error)
        finally:
            with self._changed:
                if self._cancelled:
                    connection.close()
                else:
                    self._free.append(connection)
        return http_rules.judge(answer, job.spans, self._encoding)

    def _whole(self, request: bytes) -> bytes:
        """The request with its head, compressed if so asked."""
        if self._settings.gzip:
            import zlib

            packer = zlib.compressobj(_GZIP_LEVEL, wbits=31)  # 31: as gzip
            request = packer.compress(request) + packer.flush()
        return f"{self._head}Content-Length: {len(request)}\r\n\r\n".encode("ascii") + request


def _make_head(settings: OtlpSettings, encoding: str) -> str:
    """All of a request's head but its length, which is of each."""
    lines = [
        f"POST {settings.path} HTTP/1.1",
        f"Host: {_host(settings)}",
        f"User-Agent: {USER_AGENT}",
        f"Content-Type: {encoding}",
        "Accept-Encoding: identity",
    ]
    if settings.gzip:
        lines.append("Content-Encoding: gzip")
    lines += [f"{key}: {value}" for key, value in settings.headers]
    return "".join(f"{line}\r\n" for line in lines)


def _host(settings: OtlpSettings) -> str:
    """As the header Host has it: no zone, and no port that the scheme says."""
    if settings.target.startswith(UNIX):
        return "localhost"
    host, _, port = settings.target.rpartition(":")
    if host.startswith("["):
        host = host.partition("%")[0].rstrip("]") + "]"
    return host if port == ("443" if settings.secure else "80") else f"{host}:{port}"


def _make_context(settings: OtlpSettings) -> ssl.SSLContext:
    import ssl

    from renacer_otel.exporters.otlp_settings import load_pair

    authority = settings.ca_pem.decode("ascii", "replace") if settings.ca_pem else None
    context = ssl.create_default_context(cadata=authority)  # None: those of the system
    # Python 3.13 began to refuse private authorities that others, and gRPC, take.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if settings.client_key_pem and settings.client_certificate_pem:
        load_pair(context, settings.client_key_pem, settings.client_certificate_pem)
    return context
