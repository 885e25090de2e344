# SPDX-License-Identifier: MIT
"""Runs whose spans go by OTLP/HTTP: all that are made arrive, in protobuf and in JSON."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_collector import SLACK, TROUBLES, timed
from tests.cli.tool import environ, renacer
from tests.exporters.certificates import Certificates, issue
from tests.exporters.http_server import HttpCollector, Reply, names
from tests.otlp_json import with_base64_ids

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HTTP = ["http/protobuf", "http/json"]
UNAVAILABLE = Reply(503, headers=(("Retry-After", "0"),))


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return issue(tmp_path_factory.mktemp("pki"))


@pytest.mark.parametrize("protocol", HTTP)
def test_all_that_is_made_arrives(protocol: str, tmp_path: Path) -> None:
    with HttpCollector() as server:
        done = renacer(
            "--otlp-endpoint", server.endpoint, "--otlp-protocol", protocol, "--", "ls", tmp_path
        )
        spans = server.spans
    assert done.code == 0
    assert len(done.lines) == 1
    totals = done.totals
    assert totals.sent == len(spans) == totals.calls + 2
    assert (totals.rejected, totals.lost) == (0, 0)
    assert len({span.span_id for span in spans}) == len(spans)
    assert len({span.trace_id for span in spans}) == 1
    (root,) = [span for span in spans if span.name == "renacer-otel run"]
    (process,) = [span for span in spans if span.parent_span_id == root.span_id]
    assert process.name == "ls"
    assert all(span.end_time_unix_nano >= span.start_time_unix_nano > 0 for span in spans)


def test_json_and_protobuf_say_the_same() -> None:
    found = []
    for protocol in HTTP:
        with HttpCollector() as server:
            words = ("--otlp-endpoint", server.endpoint, "--otlp-protocol", protocol)
            assert renacer(*words, "true").code == 0
            found.append(server.spans)
    protobuf, from_json = found
    assert names(protobuf) == names(from_json)
    keys = [
        sorted((span.name, sorted(pair.key for pair in span.attributes)) for span in spans)
        for spans in found
    ]
    assert keys[0] == keys[1]
    assert sorted(s.kind for s in protobuf) == sorted(s.kind for s in from_json)


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """All objects in a document."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, (dict, list)):
            yield from objects(item)


def test_json_is_that_of_otlp(tmp_path: Path) -> None:
    """Ids in hex, 64-bit integers as strings, enums as integers, in lowerCamelCase; and beside a
    file of the same form, which has the same spans."""
    file = tmp_path / "spans.json"
    with HttpCollector() as server:
        words = ("--otlp-endpoint", server.endpoint, "--otlp-protocol", "http/json")
        done = renacer(*words, "-o", file, "--format", "otlp-json", "--", "sh", "-c", "ls; :")
    assert done.code == 0
    documents = [json.loads(request.body) for request in server.requests]
    assert all(request.headers["content-type"] == "application/json" for request in server.requests)
    found = list(objects(documents))
    assert all(re.fullmatch(r"[a-z][A-Za-z]*", key) for item in found for key in item)
    spans = [item for item in found if "startTimeUnixNano" in item]
    assert len(spans) == done.totals.sent
    for item in found:
        for key, value in item.items():
            if key == "traceId":
                assert re.fullmatch(r"[0-9a-f]{32}", value)
            if key in ("spanId", "parentSpanId"):
                assert re.fullmatch(r"[0-9a-f]{16}", value)
            if key in ("intValue", "startTimeUnixNano", "endTimeUnixNano"):
                assert re.fullmatch(r"-?[0-9]+", value)
            if key in ("kind", "code", "flags"):
                assert isinstance(value, int)
    written = [
        item
        for line in file.read_text().splitlines()
        for item in objects(json.loads(line))
        if "startTimeUnixNano" in item
    ]
    assert sorted(item["spanId"] for item in written) == sorted(item["spanId"] for item in spans)
    assert with_base64_ids(spans[0]) != spans[0]


@pytest.mark.parametrize(
    "name", ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"]
)
def test_variables_in_place_of_flags(name: str, pki: Certificates) -> None:
    with HttpCollector(tls=pki.server_that_asks) as server:
        variables = {
            name: "http/protobuf",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{server.endpoint}/custom?key=secret",
            "OTEL_EXPORTER_OTLP_HEADERS": "x-key=a%20b",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": pki.path("ca.pem"),
            "OTEL_EXPORTER_OTLP_CLIENT_KEY": pki.path("client.key"),
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": pki.path("client.pem"),
        }
        done = renacer("--verbose", "true", env=environ(**variables))
    assert done.code == 0
    assert done.totals.sent == len(server.spans) > 0
    assert server.requests[0].path == "/custom?key=secret"
    assert server.requests[0].headers["x-key"] == "a b"
    assert server.requests[0].headers["content-encoding"] == "gzip"
    assert "secret" not in done.err


@pytest.mark.parametrize("trouble", ["absent", "deaf"])
def test_command_is_not_delayed(trouble: str, tmp_path: Path) -> None:
    with TROUBLES[trouble]() as endpoint:
        words = ("--otlp-endpoint", endpoint, "--otlp-protocol", "http/json",
                 "--fold", "off", "--max-trace-spans", "0")  # fmt: skip
        run = timed(tmp_path, 20_000, *words, "--flush-timeout", "100ms")
    assert run.done.code == 3
    assert run.command < SLACK
    assert run.after < 0.1 + SLACK
    totals = run.done.totals
    assert (totals.sent, totals.rejected) == (0, 0)
    assert totals.lost == totals.calls + 2
    assert len(run.done.lines) == 2


def test_a_refusal_is_one_clean_line() -> None:
    with HttpCollector([Reply(403, b"not\nyou\x1b", "text/plain")] * 50) as server:
        words = ("--otlp-endpoint", server.endpoint, "--otlp-protocol", "http/protobuf")
        done = renacer(*words, "true")
    totals = done.totals
    assert totals.rejected == totals.calls + 2
    assert (totals.sent, totals.lost) == (0, 0)
    assert len(done.lines) == 2
    assert done.lines[0].endswith(r": HTTP 403: check OTEL_EXPORTER_OTLP_HEADERS: not\nyou\x1b")


def test_collector_that_comes_late(tmp_path: Path) -> None:
    with HttpCollector([UNAVAILABLE] * 3) as server:
        words = ("--otlp-endpoint", server.endpoint, "--otlp-protocol", "http/protobuf")
        run = timed(tmp_path, 1, *words, "--flush-timeout", "30s", "--fail-on-loss")
    assert run.done.code == 3
    assert run.done.totals.sent == run.done.totals.calls + 2
    assert len(run.done.lines) == 1


def test_the_wrong_protocol_is_told() -> None:
    with HttpCollector() as server:
        words = ("--otlp-endpoint", server.endpoint, "--flush-timeout", "2s")
        done = renacer(*words, "true")
    assert done.totals.sent == 0
    assert "--otlp-protocol http/protobuf" in done.lines[0]


@pytest.mark.parametrize(
    ("protocol", "where"), [("grpc", ":4317"), ("http/protobuf", ":4318/v1/traces")]
)
def test_a_protocol_alone_means_its_default_endpoint(protocol: str, where: str) -> None:
    done = renacer("--verbose", "--otlp-protocol", protocol, "--flush-timeout", "0", "true")
    assert done.code == 0
    assert f"renacer-otel: exporting to http://localhost{where}" in done.lines


def test_doctor_sends_by_http() -> None:
    for protocol, takes in (("http/protobuf", "in protobuf"), ("http/json", "in JSON")):
        with HttpCollector() as server:
            words = ("doctor", "--otlp-endpoint", server.endpoint, "--otlp-protocol", protocol)
            done = renacer(*words)
            assert f"{server.endpoint}/v1/traces: takes OTLP/HTTP {takes}" in done.out
            assert server.spans == []
            assert len(server.requests) == 1
    with HttpCollector([Reply(404)]) as server:
        done = renacer("doctor", "--otlp-endpoint", server.endpoint, "--otlp-protocol", protocol)
    assert done.code == 125
    assert "HTTP 404: is this the collector's OTLP/HTTP endpoint?" in done.out
