# SPDX-License-Identifier: MIT
"""Tokens in headers: the collector gets them, nobody else does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renacer_otel.exporters.receiver import Receiver
from renacer_otel.exporters.receiver import Reply as GrpcReply
from renacer_otel.ring import trace_file
from tests.cli.tool import renacer
from tests.exporters.http_server import HttpCollector
from tests.exporters.http_server import Reply as HttpReply

if TYPE_CHECKING:
    from tests.cli.tool import Done

TOKEN = "t0p-s3cr3t-t0k3n"
HEADER = f"authorization=Bearer%20{TOKEN}"
# All that a program can see of itself, and the command line of who traces it.
SPY = "cat /proc/self/environ /proc/self/cmdline; env; tr '\\0' ' ' </proc/$PPID/cmdline"


def check_nowhere(done: Done, folder: Path) -> None:
    assert done.code == 0
    assert TOKEN not in done.out
    assert TOKEN not in done.err
    for file in folder.iterdir():
        if file.suffix == ".renacer":
            trace = trace_file.read(file)
            pieces = (trace.pieces(row) for row in range(len(trace.events)))
            data = b"".join(bytes(piece.data) for row in pieces for piece in row)
            assert TOKEN.encode() not in data + repr(trace.metadata).encode()
        elif file.suffix != ".headers":
            assert TOKEN.encode() not in file.read_bytes()


@pytest.mark.parametrize("refused", [False, True])
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_token_reaches_the_collector_and_nobody_else(
    tmp_path: Path, protocol: str, refused: bool
) -> None:
    """Also where the collector says it again in an error."""
    headers = tmp_path / "of.headers"
    headers.write_text(f"{HEADER}\nx-other=1\n\n")
    headers.chmod(0o600)
    said = f"no such token: {TOKEN}"
    server: Receiver | HttpCollector
    if protocol == "grpc":
        server = Receiver(script=[GrpcReply("UNAUTHENTICATED", said)] * 9 * refused)
    else:
        server = HttpCollector([HttpReply(401, said.encode(), "text/plain")] * 9 * refused)
    with server:
        words = ("--verbose", "--otlp-endpoint", server.endpoint, "--otlp-protocol", protocol)
        file = ("--format", "otlp-json", "-o", tmp_path / "spans.json")
        done = renacer(*words, "--otlp-header", f"@{headers}", *file, "--", "sh", "-c", SPY)
        if isinstance(server, Receiver):
            got = [dict(call.metadata)["authorization"] for call in server.calls]
            spans = repr(server.spans)
        else:
            got = [request.headers["authorization"] for request in server.requests]
            spans = repr(server.spans)
        assert f"@{headers}" in done.out  # the spy has seen our command line
    assert set(got) == {f"Bearer {TOKEN}"}
    assert TOKEN not in spans
    check_nowhere(done, tmp_path)


def test_a_token_on_our_command_line_is_not_kept(tmp_path: Path) -> None:
    """Whoever looks at our command line sees it; what we write and the command do not have it."""
    with Receiver() as server:
        words = ("--otlp-endpoint", server.endpoint, "--verbose", f"--otlp-header={HEADER}")
        file = ("--format", "record", "-o", tmp_path / "run.renacer", "-s", "1000")
        done = renacer(*words, *file, "--", "sh", "-c", "cat /proc/self/environ; env")
        spans = repr(server.spans)
    assert "--otlp-header" in spans
    assert TOKEN not in spans
    check_nowhere(done, tmp_path)


@pytest.mark.parametrize(
    ("mode", "text", "words"),
    [
        (0o644, HEADER, "is open to others; chmod 600 it"),
        (0o600, TOKEN, "header 1 is not key=value"),
        (0o600, f"{HEADER}%0d%0aX: y", "characters that a header cannot carry"),
        (0o600, "k=v\n" * 20_000, "has more than 65536 bytes"),
        (None, "", "No such file"),
    ],
)
def test_bad_files_of_headers_are_one_line(
    tmp_path: Path, mode: int | None, text: str, words: str
) -> None:
    file = tmp_path / "of.headers"
    if mode is not None:
        file.write_text(text)
        os.chmod(file, mode)
    done = renacer("--otlp-endpoint", "http://h:1", "--otlp-header", f"@{file}", "true")
    assert done.code == 125
    assert words in done.error
    assert TOKEN not in done.err
