# SPDX-License-Identifier: MIT
"""OTLP/JSON lines: the same spans as over gRPC, in a form that the collector reads."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.live.backend import FileReader, running
from tests.live.jaeger_api import read_trace, spans_of
from tests.live.traced import trace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.backend import Jaeger
    from tests.live.jaeger_api import ReadSpan

pytestmark = pytest.mark.live

COMMAND = ["sh", "-c", "ls / | sort; cat /nonexistent /; exit 3"]
SECONDS = 30.0


def _spans_of_file(path: Path) -> dict[str, ReadSpan]:
    spans: dict[str, ReadSpan] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        for span in spans_of(json.loads(line)):
            assert span.span_id not in spans
            spans[span.span_id] = span
    return spans


def _by_id(read: list[ReadSpan]) -> dict[str, ReadSpan]:
    spans = {span.span_id: span for span in read}
    assert len(spans) == len(read), "a span arrived twice"
    return spans


def test_the_file_says_what_was_sent(jaeger: Jaeger, tmp_path: Path) -> None:
    run = trace(tmp_path, COMMAND, port=jaeger.otlp_port, output_format="otlp-json")
    assert run.status == 3, run.errors
    written = _spans_of_file(run.file)
    (trace_id,) = {span.trace_id for span in written.values()}
    stored = _by_id(read_trace(jaeger.query_port, trace_id))
    assert len(stored) > 100
    assert written == stored
    assert len({str(span.resource) for span in [*written.values(), *stored.values()]}) == 1


def test_the_collector_reads_the_file(backends: Path, jaeger: Jaeger, tmp_path: Path) -> None:
    run = trace(tmp_path, COMMAND, output_format="otlp-json")
    assert run.status == 3, run.errors
    written = _spans_of_file(run.file)
    (trace_id,) = {span.trace_id for span in written.values()}
    log = tmp_path / "collector.log"
    with running(
        lambda: FileReader(backends / "otelcol", log, jaeger.otlp_port, run.file)
    ) as reader:
        # It never ends by itself: wait for the last span, with an eye on the reader.
        deadline = time.monotonic() + SECONDS
        stored: dict[str, ReadSpan] = {}
        while len(stored) < len(written):
            assert time.monotonic() < deadline, reader.log_text()
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = reader.process.wait(timeout=0.1)
                pytest.fail(f"the collector ended with {status}: {reader.log_text()}")
            stored = _by_id(read_trace(jaeger.query_port, trace_id))
    assert stored == written
