# SPDX-License-Identifier: MIT
"""Metrics of real runs: to real servers, as they must add up."""

from __future__ import annotations

import re
import signal
import socket
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from renacer_otel.exporters.receiver import Receiver
from renacer_otel.ring import trace_file
from renacer_otel.spans import counts
from tests.cli.tool import PATIENCE, Done, environ, renacer, started, until
from tests.exporters.http_server import HttpCollector
from tests.exporters.metrics_collector import (
    MetricsCollector,
    all_of_http,
    attributes,
    metrics_in,
    numbers,
)

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )

COMMAND = ("sh", "-c", "ls / /nonexistent | sort >/dev/null; cat /etc/passwd >/dev/null; exit 3")


def durations(request: ExportMetricsServiceRequest) -> dict[str, int]:
    """Name of a call -> how many are in its histograms."""
    found: dict[str, int] = {}
    histogram = metrics_in(request)["syscall.duration"].exponential_histogram
    for point in histogram.data_points:
        told = attributes(point)
        assert set(told) == {"syscall.name", "process.executable.name"}
        assert point.count == point.zero_count + sum(point.positive.bucket_counts)
        assert len(point.positive.bucket_counts) <= 160
        name = str(told["syscall.name"])
        found[name] = found.get(name, 0) + point.count
    return found


def total(request: ExportMetricsServiceRequest, name: str) -> int:
    """All points of a sum together."""
    metric = metrics_in(request).get(name)
    return int(sum(numbers(metric).values())) if metric is not None else 0


def all_calls(request: ExportMetricsServiceRequest) -> int:
    """Calls that returned and calls that did not."""
    return sum(durations(request).values()) + total(request, "syscall.unfinished")


def measured(*words: str | Path, **variables: str) -> tuple[Done, ExportMetricsServiceRequest]:
    """A run with --metrics to a server of its own, and the one request that came."""
    with MetricsCollector() as collector:
        env = environ(OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=collector.endpoint, **variables)
        done = renacer("--metrics", *words, "--", *COMMAND, env=env)
    assert done.code == 3, done.err
    (request,) = collector.requests
    return done, request


def test_all_calls_are_in_it(tmp_path: Path) -> None:
    done, request = measured("--format", "record", "-o", tmp_path / "t")
    assert done.totals.lost == 0
    assert all_calls(request) == done.totals.calls
    with trace_file.open_trace(tmp_path / "t") as reader:
        chunks = [bytes(frame.records) for frame in reader]
    rows = counts.of_records(chunks, "all", wall=True).rows
    assert durations(request) == {row.name: row.calls for row in rows if row.calls}
    assert total(request, "syscall.unfinished") == sum(row.unfinished for row in rows)
    assert total(request, "syscall.errors") == sum(row.errors for row in rows)
    (resource,) = request.resource_metrics
    told = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
    assert told["service.name"] == "sh"
    errors = numbers(metrics_in(request)["syscall.errors"])
    assert any(
        ("error.type", "ENOENT") in key and ("process.executable.name", "ls") in key
        for key in errors
    )


@pytest.mark.parametrize("selection", [("-z",), ("-Z",), ("-P", "/etc/passwd")])
def test_a_selection_of_what_is_shown_leaves_metrics_alone(
    selection: tuple[str, ...], tmp_path: Path
) -> None:
    done, request = measured(*selection, "-o", tmp_path / "text")
    assert ", 0 lost" in done.lines[-1]
    assert "filtered out" in done.lines[-1]
    assert all_calls(request) == done.totals.calls > 300


def test_calls_that_are_not_recorded_are_not_measured(tmp_path: Path) -> None:
    _, request = measured("-e", "trace=openat,read", "-o", tmp_path / "text")
    assert set(durations(request)) == {"openat", "read"}


def test_bytes_both_ways(tmp_path: Path) -> None:
    size = 200_000
    (tmp_path / "in").write_bytes(b"x" * size)
    with MetricsCollector() as collector:
        script = f"cat < {tmp_path}/in | cat > {tmp_path}/out"
        renacer("--metrics", "--otlp-endpoint", collector.endpoint, "-o", tmp_path / "text",
                "--", "sh", "-c", script, env=environ(OTEL_TRACES_EXPORTER="none"))  # fmt: skip
    io = numbers(metrics_in(collector.requests[-1])["syscall.io"])
    moved = {"read": 0.0, "write": 0.0}
    for key, value in io.items():
        told = dict(key)
        if told["process.executable.name"] == "cat" and told["syscall.name"] in (
            "read", "write", "splice", "copy_file_range", "sendfile",
        ):  # fmt: skip
            moved[str(told["syscall.io.direction"])] += value
    # Both read all and write all; a loader reads some more.
    assert moved["write"] == 2 * size
    assert 2 * size <= moved["read"] < 2 * size + 20_000


def test_each_process_apart(tmp_path: Path) -> None:
    with MetricsCollector() as collector:
        done = renacer("--metrics", "--metrics-pid", "-o", tmp_path / "text", "--", *COMMAND,
                       env=environ(OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
                                   OTEL_TRACES_EXPORTER="none"))  # fmt: skip
    (request,) = collector.requests
    histogram = metrics_in(request)["syscall.duration"].exponential_histogram
    pids = {attributes(point)["process.pid"] for point in histogram.data_points}
    assert len(pids) == 4
    unfinished = total(request, "syscall.unfinished")
    assert sum(point.count for point in histogram.data_points) + unfinished == done.totals.calls


@pytest.mark.parametrize(
    "thinned",
    [
        ("--fold", "always"),
        ("--spans", "process"),
        ("--export-min-duration", "100us"),
        ("--export-errors-only",),
        ("--max-trace-spans", "100"),
    ],
)
def test_whatever_becomes_of_spans(thinned: tuple[str, ...]) -> None:
    """All calls are measured, an exemplar is a span that was sent, and every span is told of."""
    with HttpCollector() as collector:
        done = renacer("--metrics", "--otlp-endpoint", collector.endpoint, "--otlp-protocol",
                       "http/protobuf", *thinned, "--", *COMMAND)  # fmt: skip
    assert done.code == 3, done.err
    (request,) = all_of_http(collector)
    assert all_calls(request) == done.totals.calls
    there = {
        (span.trace_id, span.span_id)
        for each in collector.requests
        if each.path == "/v1/traces"
        for span in each.spans()
    }
    found = metrics_in(request)
    for point in found["syscall.duration"].exponential_histogram.data_points:
        for exemplar in point.exemplars:
            assert (exemplar.trace_id, exemplar.span_id) in there
            assert exemplar.as_double <= point.max
    assert total(request, "otel.sdk.span.started") == len(there) == done.totals.sent


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf", "http/json"])
def test_beside_spans_by_the_same_endpoint(protocol: str) -> None:
    """Examples are spans that were sent, and our own counts are those of the last line."""
    if protocol == "grpc":
        with MetricsCollector() as metrics, Receiver() as spans:
            env = environ(OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=metrics.endpoint)
            done = renacer("--metrics", "--otlp-endpoint", spans.endpoint, *COMMAND, env=env)
            there = {(each.span.trace_id, each.span.span_id): each.span for each in spans.spans}
            # A flag goes over the variable: metrics went where spans went.
            assert not metrics.requests
            env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = spans.endpoint
            done = renacer("--metrics", "--fold", "off", *COMMAND, env=env)
            there = {(each.span.trace_id, each.span.span_id): each.span for each in spans.spans}
            requests = metrics.requests
    else:
        with HttpCollector() as collector:
            done = renacer("--metrics", "--otlp-endpoint", collector.endpoint,
                           "--otlp-protocol", protocol, "--fold", "off", *COMMAND)  # fmt: skip
            requests = all_of_http(collector)
            there = {
                (span.trace_id, span.span_id): span
                for each in collector.requests
                if each.path == "/v1/traces"
                for span in each.spans()
            }
    assert done.code == 3, done.err
    (request,) = requests
    assert all_calls(request) == done.totals.calls
    for point in metrics_in(request)["syscall.duration"].exponential_histogram.data_points:
        (exemplar,) = point.exemplars
        span = there[exemplar.trace_id, exemplar.span_id]
        assert span.name == attributes(point)["syscall.name"]
        took = span.end_time_unix_nano - span.start_time_unix_nano
        assert exemplar.as_double == point.max == took / 1e9  # the slowest
        assert exemplar.time_unix_nano == span.end_time_unix_nano
    found = metrics_in(request)
    sent = done.totals.sent
    exported = numbers(found["otel.sdk.exporter.span.exported"])
    assert list(exported.values()) == [sent]
    assert total(request, "otel.sdk.span.started") == sent
    for name in ("span.live", "processor.span.queue.size", "exporter.span.inflight"):
        assert total(request, f"otel.sdk.{name}") == 0, name
    assert total(request, "renacer.calls") == done.totals.calls
    assert total(request, "renacer.lost.calls") == 0
    (key,) = exported
    kind = {"grpc": "otlp_grpc", "http/protobuf": "otlp_http", "http/json": "otlp_http_json"}
    assert ("otel.component.type", f"{kind[protocol]}_span_exporter") in key


STEPS = (
    "import os, sys\n"
    "for line in sys.stdin:\n"
    "    for _ in range(100): os.getppid()\n"
    "    print(line, end='', flush=True)\n"
)


@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
def test_now_and_then(temporality: str, tmp_path: Path) -> None:
    """While the command runs; cumulative ones say all, deltas add up to all."""
    import subprocess

    from tests.cli.tool import RENACER

    with MetricsCollector() as collector:
        env = environ(
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
            OTEL_TRACES_EXPORTER="none",
            OTEL_METRIC_EXPORT_INTERVAL="100",
            OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=temporality,
        )
        words = [RENACER, "--metrics", "-o", str(tmp_path / "t"), "--", sys.executable, "-S", "-c",
                 STEPS]  # fmt: skip
        with subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=env,
        ) as run:  # fmt: skip
            assert run.stdin
            assert run.stdout
            for _ in range(3):
                run.stdin.write("x\n")
                run.stdin.flush()
                assert run.stdout.readline() == "x\n"
                assert collector.wait_for(len(collector.requests) + 2)
            _, err = run.communicate(timeout=PATIENCE)
    calls = int(re.search(r"renacer-otel: ([\d,]+) calls", err).group(1).replace(",", ""))  # type: ignore[union-attr]
    requests = collector.requests
    assert len(requests) >= 7
    getppids = [durations(request).get("getppid", 0) if "syscall.duration" in metrics_in(request)
                else 0 for request in requests]  # fmt: skip
    ends = [times(request) for request in requests]
    if temporality == "cumulative":
        assert getppids == sorted(getppids)
        assert getppids[-1] == 300
        assert len({start for start, _ in ends}) == 1
        assert all_calls(requests[-1]) == calls
        assert total(requests[-1], "renacer.calls") == calls
    else:
        assert sum(getppids) == 300
        assert max(getppids) <= 100
        assert [start for start, _ in ends[1:]] == [end for _, end in ends[:-1]]
        finished = [each for each in requests if "syscall.duration" in metrics_in(each)]
        unfinished = sum(total(each, "syscall.unfinished") for each in requests)
        assert sum(sum(durations(each).values()) for each in finished) + unfinished == calls
        assert sum(total(each, "renacer.calls") for each in requests) == calls


def times(request: ExportMetricsServiceRequest) -> tuple[int, int]:
    """Start and end that all points have."""
    metrics = metrics_in(request).values()
    found = {
        (point.start_time_unix_nano, point.time_unix_nano)
        for metric in metrics
        for point in metric.sum.data_points
    } | {
        (point.start_time_unix_nano, point.time_unix_nano)
        for metric in metrics
        for point in metric.exponential_histogram.data_points
    }
    (both,) = found
    return both


def test_a_collector_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{probe.getsockname()[1]}"
    words = ("--metrics", "--flush-timeout", "3s", "-o", tmp_path / "text")
    env = environ(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_TRACES_EXPORTER="none")
    done = renacer(*words, "--", *COMMAND, env=env)
    assert done.code == 3
    (told,) = [line for line in done.lines if "metrics" in line]
    assert re.search(r"metrics: \d+ data points lost, 0 rejected: UNAVAILABLE: ", told), told
    assert renacer(*words, "--fail-on-loss", "--", *COMMAND, env=env).code == 125


def test_what_the_collector_refuses(tmp_path: Path) -> None:
    with MetricsCollector(["INVALID_ARGUMENT"]) as collector:
        env = environ(OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=collector.endpoint)
        done = renacer("--metrics", "-o", tmp_path / "text", "--", *COMMAND, env=env)
    assert done.code == 3
    (told,) = [line for line in done.lines if "metrics" in line]
    assert re.search(r"0 data points lost, \d+ rejected: INVALID_ARGUMENT", told), told


def test_nothing_is_sent_that_nobody_asked_for(tmp_path: Path) -> None:
    with MetricsCollector() as collector:
        for exporter in ("", "none"):
            env = environ(
                OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=collector.endpoint,
                OTEL_METRICS_EXPORTER=exporter,
            )
            assert renacer("-o", tmp_path / "t", "true", env=env).code == 0
        assert not collector.requests
        env = environ(
            OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=collector.endpoint, OTEL_METRICS_EXPORTER="otlp"
        )
        done = renacer("-o", tmp_path / "t", "true", env=env)
        assert done.code == 0
        assert len(collector.requests) == 1


def page(port: int, path: str = "/metrics") -> str:
    """What is shown there."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return str(answer.read().decode())


def test_shown_while_the_command_runs(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with started("--metrics-listen", f"127.0.0.1:{port}", "-o", tmp_path / "t", "--", "sh", "-c",
                 "ls / >/dev/null; echo; exec sleep 1000") as run:  # fmt: skip
        assert run.stdout
        run.stdout.readline()

        def is_there() -> bool:
            try:
                return "ready" in page(port, "/readyz")
            except OSError:
                return False

        until(is_there)
        families: dict[str, object] = {}

        def has_all() -> bool:
            found = {each.name: each for each in text_string_to_metric_families(page(port))}
            families.update(found)
            names = {
                sample.labels.get("syscall_name")
                for sample in found["syscall_duration_seconds"].samples
                if sample.labels.get("process_executable_name") == "ls"
            } if "syscall_duration_seconds" in found else set()  # fmt: skip
            return "getdents64" in names

        until(has_all)
        info = families["target_info"].samples[0].labels  # type: ignore[attr-defined]
        assert info["service_name"] == "sh"
        assert "renacer_calls" in families
        assert not [name for name in families if name.startswith("otel_sdk_span")]  # none is sent
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=PATIENCE)
    with pytest.raises(urllib.error.URLError):
        page(port)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--metrics-interval", "1s"), "--metrics-interval is of metrics: add --metrics"),
        (("--metrics-pid",), "--metrics-pid is of metrics: add --metrics"),
        (("--metrics", "--metrics-interval", "1"), "--metrics-interval: the unit is missing"),
        (("--metrics", "--metrics-interval", "1ms"), "--metrics-interval: give 100ms or more"),
        (("--metrics-listen", "nowhere"), "--metrics-listen: 'nowhere' is no address"),
        (("--metrics", "--otlp-endpoint", "ftp://x"), "--otlp-endpoint: write it as"),
    ],
)
def test_what_cannot_be(words: tuple[str, ...], told: str) -> None:
    done = renacer(*words, "--", "touch", "/nonexistent/x")
    assert done.code == 125
    assert told in done.error


def test_an_address_that_is_taken(tmp_path: Path) -> None:
    """Told before the command is started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = renacer("--metrics-listen", f"127.0.0.1:{port}", "--", "touch", tmp_path / "x")
    assert done.code == 125
    assert "choose another port" in done.error
    assert not (tmp_path / "x").exists()
