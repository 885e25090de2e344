# SPDX-License-Identifier: MIT
"""By each of OTLP's protocols, plain, compressed and over TLS, to a real collector and a real
Jaeger: what is sent is what is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.tool import read_totals
from tests.exporters.certificates import Certificates, issue
from tests.live.backend import SecureCollector, running
from tests.live.test_renacer import check_in_jaeger
from tests.live.traced import trace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.backend import Collector, Jaeger
    from tests.live.traced import Run

pytestmark = pytest.mark.live

PROTOCOLS = ["grpc", "http/protobuf", "http/json"]
COMMAND = ["sh", "-c", "ls / | sort >/dev/null"]


def endpoint(backend: Jaeger | Collector | SecureCollector, protocol: str, scheme: str) -> str:
    port = backend.otlp_port if protocol == "grpc" else backend.otlp_http_port
    return f"{scheme}://127.0.0.1:{port}"


def send(folder: Path, protocol: str, where: str, *options: str) -> Run:
    words = ("--otlp-endpoint", where, "--otlp-protocol", protocol, *options)
    return trace(folder, COMMAND, options=words)


def check(jaeger: Jaeger, run: Run) -> None:
    """All spans that were made were sent, and Jaeger has each of them, whole."""
    assert run.status == 0, run.errors
    totals = read_totals(run.errors.splitlines()[-1])
    assert (totals.rejected, totals.lost) == (0, 0), run.errors
    oracle = check_in_jaeger(jaeger, run, "sh")
    assert totals.sent == len(oracle.spans) + 1  # the run's own


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_to_jaeger(jaeger: Jaeger, tmp_path: Path, protocol: str, compression: str) -> None:
    where = endpoint(jaeger, protocol, "http")
    check(jaeger, send(tmp_path, protocol, where, "--otlp-compression", compression))


@pytest.mark.parametrize(
    ("protocol", "compression"), [("http/protobuf", "none"), ("http/json", "gzip")]
)
def test_through_the_collector(
    jaeger: Jaeger, collector: Collector, tmp_path: Path, protocol: str, compression: str
) -> None:
    where = endpoint(collector, protocol, "http")
    run = send(tmp_path, protocol, where, "--otlp-compression", compression)
    collector.stop()
    check(jaeger, run)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    made = issue(tmp_path_factory.mktemp("pki"))
    (made.folder / "server.key").write_bytes(made.server.key)
    (made.folder / "server.pem").write_bytes(made.server.certificate)
    return made


@pytest.fixture(scope="module")
def secure(
    backends: Path, jaeger: Jaeger, pki: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SecureCollector]:
    log = tmp_path_factory.mktemp("secure") / "collector.log"
    with running(
        lambda: SecureCollector(backends / "otelcol", log, jaeger.otlp_port, pki.folder)
    ) as process:
        yield process


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_over_tls_with_a_client_certificate(
    jaeger: Jaeger, secure: SecureCollector, pki: Certificates, tmp_path: Path, protocol: str
) -> None:
    files = ("--otlp-certificate", pki.path("ca.pem"), "--otlp-client-key", pki.path("client.key"))
    more = ("--otlp-client-certificate", pki.path("client.pem"), "--otlp-compression", "gzip")
    check(jaeger, send(tmp_path, protocol, endpoint(secure, protocol, "https"), *files, *more))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("scheme", "ca", "words"),
    [
        ("https", "other-ca.pem", ("is not trusted",)),
        ("https", "ca.pem", ("client certificate",)),
        ("http", None, ("TLS", "HTTPS server")),
    ],
)
def test_what_a_real_collector_refuses_is_told(
    secure: SecureCollector,
    pki: Certificates,
    tmp_path: Path,
    protocol: str,
    scheme: str,
    ca: str | None,
    words: tuple[str, ...],
) -> None:
    options = ("--otlp-certificate", pki.path(ca)) if ca else ()
    where = endpoint(secure, protocol, scheme)
    run = send(tmp_path, protocol, where, *options, "--flush-timeout", "1s")
    assert run.status == 0
    totals = read_totals(run.errors.splitlines()[-1])
    assert totals.sent == 0
    (told,) = [line for line in run.errors.splitlines() if " lost, " in line and where in line]
    assert any(each in told for each in words), told
