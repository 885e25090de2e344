# SPDX-License-Identifier: MIT
"""What a sidecar shows of itself: its metrics, whether it is ready, and the health service."""

from __future__ import annotations

import os
import signal
import socket
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from renacer_otel.exporters.receiver import Receiver, Reply
from tests.cli.test_collector import nobody
from tests.cli.tool import renacer, until
from tests.sidecar.serving import handed, sidecar, traced
from tests.sidecar.test_death import waiting

if TYPE_CHECKING:
    from pathlib import Path

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
FULL = "i=0; while [ $i -lt 3000 ]; do echo >/dev/null; i=$((i+1)); done"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def asked(port: int, path: str) -> tuple[int, str]:
    """Status and text of a page."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def numbers(port: int) -> dict[str, float]:
    """Each sample of /metrics by its name, with error.type or a reason behind it."""
    status, text = asked(port, "/metrics")
    assert status == 200, text
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            more = sample.labels.get("error_type") or sample.labels.get("renacer_lost_reason")
            found[f"{sample.name}/{more}" if more else sample.name] = sample.value
    return found


def balanced(found: dict[str, float]) -> bool:
    """started (and what was found in the spool) is all somewhere."""
    names = (
        "otel_sdk_span_live", "otel_sdk_processor_span_queue_size", "renacer_spool_spans",
        "otel_sdk_exporter_span_inflight",
    )  # fmt: skip
    there = sum(found.get(name, 0) for name in names)
    for name, value in found.items():
        there += value if name.startswith("otel_sdk_exporter_span_exported_total") else 0
        there += value if name.startswith("otel_sdk_processor_span_processed_total/") else 0
    return found["otel_sdk_span_started_total"] + found.get("renacer_spool_inherited_total", 0) == (
        there
    )


def test_all_runs_in_one_view(tmp_path: Path) -> None:
    port = free_port()
    words = ("--metrics-listen", f"127.0.0.1:{port}")
    with Receiver() as receiver, sidecar(tmp_path, receiver.endpoint, *words) as serving:
        assert asked(port, "/readyz") == (200, "ready\n")
        runs = [handed(traced(serving.path, "true")) for _ in range(3)]
        with waiting(serving.path):
            until(lambda: numbers(port)["renacer_sidecar_runs_live"] == 1)
            assert numbers(port)["otel_sdk_span_live"] == 1
        stranger = serving.connect()
        stranger.sendall(b"\0\0\0\0")
        until(lambda: numbers(port)["renacer_sidecar_refused_total"] == 1)
        stranger.close()
        until(lambda: numbers(port)["renacer_sidecar_runs_live"] == 0)
        until(lambda: numbers(port)["otel_sdk_exporter_span_exported_total"] == receiver.count)
        found = numbers(port)
        assert found["renacer_sidecar_runs_total"] == 4
        assert found["renacer_calls_total"] > sum(calls for calls, _ in runs)
        assert found["otel_sdk_exporter_span_exported_total"] > sum(spans for _, spans in runs)
        assert found["renacer_lost_calls_total/ring_full"] == 0
        until(lambda: balanced(numbers(port)))
        assert 'otel_component_type="otlp_grpc_span_exporter"' in asked(port, "/metrics")[1]
        assert asked(port, "/other")[0] == 404
        assert serving.end().code == 0
    with pytest.raises(urllib.error.URLError):
        asked(port, "/readyz")


def test_losses_by_reason_and_a_full_spool(tmp_path: Path) -> None:
    port = free_port()
    words = ("--metrics-listen", f":{port}", "--spool", str(tmp_path / "spool"))
    with nobody() as endpoint, sidecar(
        tmp_path, endpoint, *words, "--spool-max", "1MiB"
    ) as serving:  # fmt: skip
        assert renacer(f"--sidecar={serving.path}", "--max-trace-spans", "0", "--fold", "off",
                       "--", "sh", "-c", FULL).code == 0  # fmt: skip
        until(lambda: numbers(port)["renacer_sidecar_runs_live"] == 0)
        found = numbers(port)
        assert found["otel_sdk_processor_span_processed_total/spool_full"] > 1000
        assert found["renacer_spool_capacity_bytes"] == 1 << 20
        # For the spans that end a run there is a sixteenth more.
        assert 0 < found["renacer_spool_size_bytes"] <= (1 << 20) * 17 // 16
        until(lambda: balanced(numbers(port)))
        assert asked(port, "/readyz") == (503, "not ready: the spool is full\n")
        serving.kill()
    refuses = Reply("INVALID_ARGUMENT", "never")
    with Receiver(script=[refuses] * 99) as receiver, sidecar(
        tmp_path, receiver.endpoint, *words
    ) as serving:  # fmt: skip
        until(lambda: numbers(port)["renacer_spool_spans"] == 0)
        again = numbers(port)
        assert again["renacer_spool_inherited_total"] == found["renacer_spool_spans"]
        assert (
            again["otel_sdk_exporter_span_exported_total/INVALID_ARGUMENT"]
            == found["renacer_spool_spans"]
        )
        until(lambda: balanced(numbers(port)))
        assert asked(port, "/readyz")[0] == 200


def health(target: str) -> int:
    with grpc.insecure_channel(target) as channel:
        request = health_pb2.HealthCheckRequest(service="renacer_otel.sidecar")
        return int(health_pb2_grpc.HealthStub(channel).Check(request, timeout=20).status)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_not_ready_while_it_drains(tmp_path: Path, kind: str) -> None:
    """Both say so, as long as it takes; then nobody answers."""
    port, other = free_port(), free_port()
    address = f"127.0.0.1:{other}" if kind == "tcp" else f"unix:{tmp_path}/health"
    config = tmp_path / "renacer.toml"
    config.write_text(
        f'[sidecar]\nmetrics_listen = "127.0.0.1:{port}"\nhealth_listen = "{address}"\n'
    )
    path = tmp_path / "renacer-otel" / "sidecar.sock"
    with Receiver() as receiver, sidecar(
        tmp_path, receiver.endpoint, "--config", str(config)
    ) as serving:  # fmt: skip
        assert health(address) == SERVING
        with waiting(path):
            os.kill(serving.pid, signal.SIGTERM)
            until(lambda: asked(port, "/readyz") == (503, "not ready: the sidecar is ending\n"))
            until(lambda: health(address) == NOT_SERVING)
        assert serving.end().code == 0
        with pytest.raises(grpc.RpcError):
            health(address)


def test_what_cannot_be(tmp_path: Path) -> None:
    def told(*words: str) -> str:
        done = renacer("sidecar", "--listen", tmp_path / "s" / "s", "--otlp-endpoint",
                       "http://127.0.0.1:1", *words)  # fmt: skip
        assert done.code == 125
        return done.error

    assert "--metrics-listen: 'nowhere' is no address" in told("--metrics-listen", "nowhere")
    assert "--health-listen: 'nowhere' is no address" in told("--health-listen", "nowhere")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert "choose another port" in told("--metrics-listen", address)
        assert "is the address taken?" in told("--health-listen", address)


def test_metrics_while_runs_come_and_go(tmp_path: Path) -> None:
    """A page is made while runs are freed: every one is of a moment."""
    port = free_port()
    with Receiver("count") as receiver, sidecar(
        tmp_path, receiver.endpoint, "--metrics-listen", str(port)
    ) as serving:  # fmt: skip
        before = 0.0
        for at in range(4):
            assert traced(serving.path, "true").code == 0
            until(lambda at=at: numbers(port)["renacer_sidecar_runs_total"] == at + 1)  # type: ignore[misc]
            found = numbers(port)
            assert found["otel_sdk_span_started_total"] >= before
            before = found["otel_sdk_span_started_total"]
        assert serving.end().code == 0
