# SPDX-License-Identifier: MIT
"""TLS: what is refused, that nothing falls back to plain text, and that the cause is named."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from renacer_otel.exporters.otlp_settings import OtlpFlags, resolve
from renacer_otel.exporters.receiver import Receiver
from renacer_otel.exporters.senders import make_sender
from tests.exporters.conftest import child_environ, until
from tests.exporters.http_server import HttpCollector

if TYPE_CHECKING:
    from renacer_otel.exporters.otlp_sender import SenderCounters
    from renacer_otel.exporters.receiver import ServerTls
    from tests.exporters.certificates import Certificates

BLOCK = ScopeSpans(spans=[Span(name="n")]).SerializeToString()
PROTOCOLS = ["grpc", "http/protobuf"]


def listening(protocol: str, tls: ServerTls | None = None) -> Receiver | HttpCollector:
    return Receiver(tls=tls) if protocol == "grpc" else HttpCollector(tls=tls)


def arrived(server: Receiver | HttpCollector) -> int:
    return len(server.spans)


def send(
    protocol: str,
    endpoint: str,
    ca: str | None,
    key: str | None = None,
    chain: str | None = None,
) -> SenderCounters:
    flags = OtlpFlags(
        endpoint=endpoint,
        certificate=ca,
        client_key=key,
        client_certificate=chain,
        protocol=protocol,
    )
    settings = resolve(flags, {}).settings
    assert settings is not None
    sender = make_sender(settings, {})
    sender.submit(BLOCK, 1)
    until(lambda: bool(sender.counters().sent or sender.counters().last_error))
    return sender.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tls_with_the_right_authority(pki: Certificates, protocol: str) -> None:
    with listening(protocol, pki.server) as server:
        counters = send(protocol, server.endpoint, pki.path("ca.pem"))
        assert (counters.sent, arrived(server)) == (1, 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_client_certificate_that_the_server_wants(pki: Certificates, protocol: str) -> None:
    with listening(protocol, pki.server_that_asks) as server:
        key, chain = pki.path("client.key"), pki.path("client.pem")
        counters = send(protocol, server.endpoint, pki.path("ca.pem"), key, chain)
        assert (counters.sent, arrived(server)) == (1, 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("name", "ca", "client", "cause"),
    [
        ("server", "other-ca.pem", None, "is not trusted"),
        ("server", None, None, "is not trusted"),
        ("expired", "ca.pem", None, "has expired"),
        ("misnamed", "ca.pem", None, "for another host name"),
        ("server_that_asks", "ca.pem", None, "client certificate"),
        ("server_that_asks", "ca.pem", "stranger", "client certificate"),
    ],
)
def test_what_must_be_refused_is_lost_and_the_cause_named(
    pki: Certificates, protocol: str, name: str, ca: str | None, client: str | None, cause: str
) -> None:
    with listening(protocol, getattr(pki, name)) as server:
        key = pki.path(f"{client}.key") if client else None
        chain = pki.path(f"{client}.pem") if client else None
        counters = send(protocol, server.endpoint, pki.path(ca) if ca else None, key, chain)
        assert (counters.sent, counters.lost, arrived(server)) == (0, 1, 0)
    codes = ("UNAVAILABLE: ",) if protocol == "grpc" else ("no connection: ", "no answer: ")
    assert counters.last_error.startswith(codes)
    assert cause in counters.last_error


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_to_tls_and_tls_to_plain_are_refused(pki: Certificates, protocol: str) -> None:
    with listening(protocol, pki.server) as server:
        counters = send(protocol, server.endpoint.replace("https", "http"), None)
        assert (counters.lost, arrived(server)) == (1, 0)
        assert "want TLS" in counters.last_error or "wants TLS" in counters.last_error
    with listening(protocol) as server:
        endpoint = server.endpoint.replace("http", "https")
        counters = send(protocol, endpoint, pki.path("ca.pem"))
        assert (counters.lost, arrived(server)) == (1, 0)
        assert "does not speak TLS" in counters.last_error


def test_grpc_over_tls_to_a_server_without_http2_is_refused(pki: Certificates) -> None:
    """It would have to be agreed on in the handshake (ALPN)."""
    with HttpCollector(tls=pki.server) as server:
        counters = send("grpc", server.endpoint, pki.path("ca.pem"))
        assert (counters.lost, arrived(server)) == (1, 0)
    assert "this is not a gRPC port" in counters.last_error


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_failed_handshake_prints_nothing(pki: Certificates, protocol: str) -> None:
    code = (
        "import sys\n"
        "from renacer_otel.exporters.senders import make_sender\n"
        "from renacer_otel.exporters.otlp_settings import OtlpFlags, resolve\n"
        "endpoint, certificate, protocol = sys.argv[1:]\n"
        "flags = OtlpFlags(endpoint=endpoint, certificate=certificate, protocol=protocol)\n"
        "sender = make_sender(resolve(flags, {}).settings, {})\n"
        "sender.submit(b'', 1)\n"
        "print(sender.close(0.3).lost)\n"
    )
    with listening(protocol, pki.server) as server:
        done = subprocess.run(
            [sys.executable, "-c", code, server.endpoint, pki.path("other-ca.pem"), protocol],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env=child_environ(),
        )
    assert (done.stdout, done.stderr) == ("1\n", "")
