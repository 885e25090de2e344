# SPDX-License-Identifier: MIT
"""TLS: what is refused, that nothing falls back to plain text, and that the cause is named."""

from __future__ import annotations

import datetime
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import trustme
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from renacer_otel.exporters.envelope import OtlpEnvelope
from renacer_otel.exporters.otlp_grpc import OtlpGrpcSender, SenderCounters
from renacer_otel.exporters.otlp_settings import OtlpFlags, resolve
from renacer_otel.exporters.receiver import Receiver, ServerTls
from tests.exporters.conftest import child_environ, until

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = ScopeSpans(spans=[Span(name="n")]).SerializeToString()


@dataclass(frozen=True)
class Certificates:
    folder: Path
    server: ServerTls
    server_that_asks: ServerTls
    expired: ServerTls
    misnamed: ServerTls

    def path(self, name: str) -> str:
        return str(self.folder / name)


def server_tls(issued: trustme.LeafCert, client_ca: bytes | None = None) -> ServerTls:
    return ServerTls(issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes(), client_ca)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("pki")
    ours, theirs = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(str(folder / "ca.pem"))
    theirs.cert_pem.write_to_path(str(folder / "other-ca.pem"))
    for authority, name in ((ours, "client"), (theirs, "stranger")):
        client = authority.issue_cert("client@example.test")
        client.private_key_pem.write_to_path(str(folder / f"{name}.key"))
        client.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
        (folder / f"{name}.key").chmod(0o600)
    past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    issued = ours.issue_cert("localhost", "127.0.0.1")
    return Certificates(
        folder,
        server_tls(issued),
        server_tls(issued, ours.cert_pem.bytes()),
        server_tls(ours.issue_cert("localhost", "127.0.0.1", not_after=past)),
        server_tls(ours.issue_cert("elsewhere.test")),
    )


def send(
    endpoint: str, ca: str | None, key: str | None = None, chain: str | None = None
) -> SenderCounters:
    flags = OtlpFlags(endpoint=endpoint, certificate=ca, client_key=key, client_certificate=chain)
    settings = resolve(flags, {}).settings
    assert settings is not None
    sender = OtlpGrpcSender(settings, OtlpEnvelope({}))
    sender.submit(BLOCK, 1)
    until(lambda: bool(sender.counters().sent or sender.counters().last_error))
    return sender.close()


def test_tls_with_the_right_authority(pki: Certificates) -> None:
    with Receiver(tls=pki.server) as receiver:
        counters = send(receiver.endpoint, pki.path("ca.pem"))
        assert (counters.sent, receiver.count) == (1, 1)


def test_a_client_certificate_that_the_server_wants(pki: Certificates) -> None:
    with Receiver(tls=pki.server_that_asks) as receiver:
        key, chain = pki.path("client.key"), pki.path("client.pem")
        counters = send(receiver.endpoint, pki.path("ca.pem"), key, chain)
        assert (counters.sent, receiver.count) == (1, 1)


@pytest.mark.parametrize(
    ("server", "ca", "client", "cause"),
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
    pki: Certificates, server: str, ca: str | None, client: str | None, cause: str
) -> None:
    with Receiver(tls=getattr(pki, server)) as receiver:
        key = pki.path(f"{client}.key") if client else None
        chain = pki.path(f"{client}.pem") if client else None
        counters = send(receiver.endpoint, pki.path(ca) if ca else None, key, chain)
        assert (counters.sent, counters.lost, receiver.count) == (0, 1, 0)
    assert counters.last_error.startswith("UNAVAILABLE: ")
    assert cause in counters.last_error


def test_plain_to_tls_and_tls_to_plain_are_refused(pki: Certificates) -> None:
    with Receiver(tls=pki.server) as receiver:
        counters = send(receiver.endpoint.replace("https", "http"), None)
        assert (counters.lost, receiver.count) == (1, 0)
        assert "may want TLS" in counters.last_error
    with Receiver() as receiver:
        endpoint = receiver.endpoint.replace("http", "https")
        counters = send(endpoint, pki.path("ca.pem"))
        assert (counters.lost, receiver.count) == (1, 0)
        assert "does not speak TLS" in counters.last_error


def test_a_failed_handshake_prints_nothing(pki: Certificates) -> None:
    code = (
        "import sys\n"
        "from renacer_otel.exporters.envelope import OtlpEnvelope\n"
        "from renacer_otel.exporters.otlp_grpc import OtlpGrpcSender\n"
        "from renacer_otel.exporters.otlp_settings import OtlpFlags, resolve\n"
        "flags = OtlpFlags(endpoint=sys.argv[1], certificate=sys.argv[2])\n"
        "sender = OtlpGrpcSender(resolve(flags, {}).settings, OtlpEnvelope({}))\n"
        "sender.submit(b'', 1)\n"
        "print(sender.close(0.3).lost)\n"
    )
    with Receiver(tls=pki.server) as receiver:
        done = subprocess.run(
            [sys.executable, "-c", code, receiver.endpoint, pki.path("other-ca.pem")],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env=child_environ(),
        )
    assert (done.stdout, done.stderr) == ("1\n", "")
