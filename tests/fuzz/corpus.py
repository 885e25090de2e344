# SPDX-License-Identifier: MIT
"""Real inputs, made when they are wanted: what the program itself writes of small commands."""

from __future__ import annotations

import ast
import fcntl
import os
import socket
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.ring import trace_file
from renacer_otel.sidecar import wire
from tests.cli.tool import PATIENCE, RENACER, environ

if TYPE_CHECKING:
    from pathlib import Path

_COMMANDS = {
    "true": ["true"],
    "pipe": ["sh", "-c", "cat /etc/hostname | wc; ls /none"],
    "many": ["sh", "-c", "for i in 1 2 3; do echo $i & done; wait; kill $$"],
}


def _traced(*words: str) -> None:
    subprocess.run(
        [RENACER, "-q", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=PATIENCE,
        env=environ(),
        check=False,
    )


def traces(folder: Path) -> list[bytes]:
    """TRACE files."""
    found = []
    for name, command in _COMMANDS.items():
        path = folder / f"{name}.renacer"
        _traced("--format", "record", "-o", str(path), "--", *command)
        found.append(path.read_bytes())
    return found


def records(folder: Path) -> bytes:
    """What stands in TRACE files: records, one behind the other."""
    traces(folder)
    made = b""
    for path in sorted(folder.glob("*.renacer")):
        with trace_file.open_trace(path) as reader:
            made += b"".join(frame.records for frame in reader)
    return made


def json_files(folder: Path) -> list[bytes]:
    """OTLP/JSON, with and without folding, and renacer-json."""
    found = []
    for words in (["otlp-json"], ["otlp-json", "--fold", "always"], ["json"]):
        path = folder / "trace.json"
        path.unlink(missing_ok=True)
        _traced("--format", words[0], *words[1:], "-o", str(path), "--", *_COMMANDS["true"])
        # One line a value, which renacer-json's is not by itself.
        found.append(path.read_bytes().replace(b"\n", b" ").strip() + b"\n"
                     if words[0] == "json" else path.read_bytes())  # fmt: skip
    return found


def spools(folder: Path) -> list[dict[str, bytes]]:
    """Folders by file: of runs whose collector was not there."""
    found = []
    for runs in (1, 3):
        path = folder / f"spool{runs}"
        for _ in range(runs):
            _traced(
                "--spool", str(path), "--flush-timeout", "0s", "--otlp-endpoint",
                "http://127.0.0.1:1", "--", *_COMMANDS["true"],
            )  # fmt: skip
        files = {each.name: each.read_bytes() for each in path.iterdir() if each.is_file()}
        assert any(name.endswith(".spool") for name in files), files
        found.append(files)
    return found


class Handed(NamedTuple):
    """What a tracer sends a sidecar: its frames, and the used part of its ring's file."""

    hello: bytes
    register: bytes
    ring: bytes
    ring_size: int


def handed(folder: Path) -> list[Handed]:
    """Of real tracers, whose ring nobody read."""
    return [_handed(folder, *_COMMANDS[name]) for name in ("true", "many")]


def _handed(folder: Path, *command: str) -> Handed:
    path = folder / "sidecar.sock"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(1)
        listener.settimeout(PATIENCE)
        with subprocess.Popen(
            [RENACER, "-q", f"--sidecar={path}", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as tracer:
            try:
                peer, _ = listener.accept()
                with peer:
                    peer.settimeout(PATIENCE)
                    return _play_sidecar(peer)
            finally:
                tracer.kill()


def _play_sidecar(peer: socket.socket) -> Handed:
    data = b""
    descriptors: list[int] = []
    try:
        while len(descriptors) < 2:
            more, fds, _, _ = socket.recv_fds(peer, 1 << 20, 4)
            assert more
            data += more
            descriptors += fds
        size = wire.HEAD + wire.length_of(data)
        while len(data) < size + wire.HEAD + wire.length_of(data[size:]):
            data += peer.recv(1 << 20)
        peer.sendall(wire.frame(wire.ACCEPTED, {1: "a fuzzer"}))
        while not peer.recv(1 << 16):  # its end: all is in the ring
            pass
        total = os.fstat(descriptors[0]).st_size
        content = os.pread(descriptors[0], total, 0).rstrip(b"\0")
        assert fcntl.fcntl(descriptors[0], fcntl.F_GET_SEALS)
        return Handed(data[:size], data[size:], content, total)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def packed(value: object) -> bytes:
    """An input that is more than bytes, as text that a person can read."""
    return repr(value).encode()


def unpacked(data: bytes) -> object:
    """The other way."""
    return ast.literal_eval(data.decode())
