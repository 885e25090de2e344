# SPDX-License-Identifier: MIT
"""Authorities and certificates for tests of TLS."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme

from renacer_otel.exporters.receiver import ServerTls

if TYPE_CHECKING:
    from pathlib import Path


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


def issue(folder: Path) -> Certificates:
    """Makes them all; keys and certificates of clients, and authorities, lie in the folder."""
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
