# SPDX-License-Identifier: MIT
"""What is too large, and what is no text: through OTLP and the sidecar, read by the official
classes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from renacer_otel.exporters.receiver import Receiver
from tests.cli.tool import renacer
from tests.encode.model import unescape
from tests.exporters.conftest import child_environ
from tests.exporters.http_server import HttpCollector
from tests.scale import some
from tests.sidecar.serving import sidecar

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

MESSAGE = 4 << 20
LONG = 1500 * (4 if os.environ.get("RENACER_TEST_SCALE") == "full" else 1)
WAYS = some("sidecar", "grpc", "http/protobuf", of=1)

LARGE = f"""
import ctypes, os, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
path = b"/tmp/" + b"d" * 4090
assert len(path) == 4095
for name in (path, b"y" * 70_000):
    assert libc.open(name, 0) == -1
    print(ctypes.get_errno())
out = os.open("/dev/null", os.O_WRONLY)
assert os.writev(out, [b"abc"] * 1024) == 3 * 1024
print(subprocess.run(["true", *["a" * 120_000] * 16], env={{}}).returncode)  # 1.9 MB
print(subprocess.run(["true"], env={{"LARGE": "e" * 128_000, "OTHER": "x"}}).returncode)
for number in range({LONG}):
    libc.access(b"/tmp/%d/" % number + b"p" * 4000, 0)
sys.exit(7)
"""

BYTES = [
    b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"a\xf0\x9f\x98", b"\xf5\x80\x80\x80",
    b"line\nbreak\r\t", b"\x1b[2J\x07", b"back\\slash", "gr\u00fc\u00df\u4e2d\U0001f600".encode(),
]  # fmt: skip
HOSTILE = f"""
import ctypes, os
libc = ctypes.CDLL(None)
for name in {BYTES!r}:
    libc.prctl(15, name[:15], 0, 0, 0)
    libc.access(b"/nowhere/" + name, 0)
pid = os.fork()
if pid == 0:
    os.execv("/bin/true", [b"true", b"\\xff\\xed\\xb0\\x80", b""])
os.waitpid(pid, 0)
"""


def attributes(span: Span) -> dict[str, Any]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value")
        for each in span.attributes
    }


class Sent:
    """What a command's run has sent: spans, sizes of requests in bytes."""

    def __init__(self, code: str, way: str, folder: Path) -> None:
        words = ["--fold", "off", "--", sys.executable, "-ISc", code]
        server = HttpCollector() if way == "http/protobuf" else Receiver()
        with server:
            if way == "sidecar":
                with sidecar(folder, server.endpoint) as serving:
                    self.done = renacer(f"--sidecar={serving.path}", *words)
                    assert serving.end().number("lost") == 0
            else:
                endpoint = ["--otlp-endpoint", server.endpoint, "--otlp-protocol", way]
                self.done = renacer(*endpoint, *words)
                assert self.done.totals.lost == 0
            self.spans: list[Span] = [
                getattr(each, "span", each) for each in list[Any](server.spans)
            ]
            if isinstance(server, HttpCollector):
                self.sizes = [len(request.body) for request in server.requests]
            else:
                self.sizes = [call.size for call in server.calls]
        bare = subprocess.run(
            [sys.executable, "-ISc", code], capture_output=True, text=True, check=False
        )
        assert (self.done.code, self.done.out) == (bare.returncode, bare.stdout)

    def calls(self, name: str) -> list[dict[str, Any]]:
        """Attributes of the spans of this call."""
        return [attributes(span) for span in self.spans if span.name == name]


@pytest.mark.parametrize("way", WAYS)
def test_what_is_too_large(tmp_path: Path, way: str) -> None:
    sent = Sent(LARGE, way, tmp_path)
    assert sent.done.out.split() == ["36", "36", "0", "0"]  # ENAMETOOLONG
    assert max(sent.sizes) < MESSAGE
    assert len(sent.sizes) > 1
    for span in sent.spans:
        assert span.ByteSize() < 64 << 10, span.name
    opened = [each for each in sent.calls("open") + sent.calls("openat") if "file.path" in each]
    longest = [each for each in opened if each["file.path"].startswith(("/tmp/ddd", "yyy"))]
    assert len(longest) == 2
    for each in longest:
        whole = each["file.path"] == "/tmp/" + "d" * 4090
        assert whole or each.get("renacer.truncated") is True
    (vector,) = sent.calls("writev")
    assert vector["syscall.result"] == 3 * 1024
    started = [each for each in sent.calls("execve") if each.get("syscall.result") == 0]
    assert any(each.get("renacer.truncated") for each in started)
    assert len(sent.calls("access")) + len(sent.calls("faccessat")) >= LONG


PURE = """
import sys
from google.protobuf.internal import api_implementation
assert api_implementation.Type() == "python"
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
request = ExportTraceServiceRequest.FromString(sys.stdin.buffer.read())
print(sum(len(s.spans) for r in request.resource_spans for s in r.scope_spans))
"""


@pytest.mark.parametrize("way", WAYS)
def test_what_is_no_text(tmp_path: Path, way: str) -> None:
    """All strings are UTF-8 that each parser takes, and lead back to the bytes."""
    sent = Sent(HOSTILE, way, tmp_path)
    assert sent.done.code == 0
    calls = sent.calls("access") + sent.calls("faccessat") + sent.calls("faccessat2")
    paths = [unescape(each["file.path"]) for each in calls if "file.path" in each]
    for name in BYTES:
        assert b"/nowhere/" + name in paths
    for span in sent.spans:
        for value in attributes(span).values():
            if isinstance(value, str):
                assert value.isprintable(), value
    # The other implementation of the official classes, which checks UTF-8 in Python.
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.extend(sent.spans)
    checked = subprocess.run(
        [sys.executable, "-c", PURE],
        input=request.SerializeToString(),
        env={**child_environ(), "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"},
        capture_output=True,
        check=False,
    )
    assert checked.stdout.split() == [str(len(sent.spans)).encode()], checked.stderr
