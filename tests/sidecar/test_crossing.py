# SPDX-License-Identifier: MIT
"""What says which spans there are, and what stands in them, is as without a sidecar."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from renacer_otel.exporters.receiver import Receiver
from renacer_otel.sidecar.sidecar_pb2 import Frame
from tests.cli.tool import environ, renacer
from tests.sidecar.serving import sidecar, traced

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

SCRIPT = "i=0; while [ $i -lt 40 ]; do echo >/dev/null; i=$((i+1)); done; cd /nonexistent; true"
# What differs from one run to the next.
TIMED = {"renacer.fold.sum_ns", "renacer.fold.min_ns", "renacer.fold.max_ns"}


def shape(spans: list[Span]) -> Counter[object]:
    """Of each span its name, the names of its attributes, and how much was left out of it."""
    traces = {span.trace_id for span in spans}
    found: Counter[object] = Counter(
        (span.name, tuple(sorted({each.key for each in span.attributes} - TIMED)),
         span.dropped_attributes_count, len(span.links), len(span.events))
        for span in spans if span.name != "renacer-otel run"
    )  # fmt: skip
    found["traces"] = len(traces)
    return found


def both(
    folder: Path, words: tuple[str, ...], variables: Mapping[str, str]
) -> tuple[Counter[object], Counter[object]]:
    """Shapes of a run without a sidecar and of one with it."""
    env = environ(**variables)
    command = ("--fold", "off", *words, "--", "sh", "-c", SCRIPT)
    with Receiver() as receiver:
        assert renacer("--otlp-endpoint", receiver.endpoint, *command, env=env).code == 0
        alone = shape([each.span for each in receiver.spans])
    with Receiver() as receiver, sidecar(folder, receiver.endpoint) as serving:
        done = renacer(f"--sidecar={serving.path}", *command, env=env)
        assert done.code == 0, done.err
        assert serving.end().number("lost") == 0
        return alone, shape([each.span for each in receiver.spans])


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        ((), {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "3"}),
        ((), {"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "4", "OTEL_SPAN_LINK_COUNT_LIMIT": "0"}),
        (("--fold", "always"), {}),
        (("--max-trace-spans", "50"), {}),
        (("--spans", "process", "--keep", "errors"), {}),
        (("--export-min-duration", "1h", "--keep", "openat"), {}),
        (("--export-errors-only",), {}),
        (("--redact", "x=nonexistent", "--capture-payload"), {}),
    ],
    ids=lambda value: " ".join(value) or "-",
)
def test_as_without(tmp_path: Path, words: tuple[str, ...], variables: dict[str, str]) -> None:
    alone, handed = both(tmp_path, words, variables)
    assert handed == alone
    assert sum(alone.values()) > 1


def test_limits_are_limits(tmp_path: Path) -> None:
    """Those of the sidecar hold where the tracer says none."""
    env = environ(OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="2")
    with Receiver() as receiver, sidecar(tmp_path, receiver.endpoint, env=env) as serving:
        traced(serving.path, "true")
        serving.end()
        assert {len(each.span.attributes) for each in receiver.spans} <= {0, 1, 2}
        assert any(each.span.dropped_attributes_count for each in receiver.spans)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--metrics",), "leave out --metrics"),
        (("--metrics-pid",), "--metrics-pid: the sidecar measures no calls"),
        (("--metrics-interval", "1s"), "--metrics-interval: the sidecar measures no calls"),
        (("--exporter", "otlp"), "leave out --exporter"),
        (("--spool", "s"), "the sidecar sends"),
    ],
)
def test_what_does_not_cross_is_refused(
    tmp_path: Path, words: tuple[str, ...], told: str
) -> None:  # fmt: skip
    done = renacer("--sidecar=/nonexistent/s", *words, "--", "touch", tmp_path / "x")
    assert done.code == 125
    assert told in done.error
    assert not (tmp_path / "x").exists()


def test_metrics_by_variable_are_warned_of(tmp_path: Path) -> None:
    with Receiver() as receiver, sidecar(tmp_path, receiver.endpoint) as serving:
        done = traced(serving.path, "true", OTEL_METRICS_EXPORTER="otlp")
        assert done.code == 0
        assert "warning: OTEL_METRICS_EXPORTER: the sidecar measures no calls" in done.lines[0]
        assert len(traced(serving.path, "true", OTEL_METRICS_EXPORTER="none").lines) == 1


@pytest.mark.parametrize("limits", [[1], [1] * 7, [1 << 32] * 6, [1, 2, 3, 4, 5, (1 << 64) - 1]])
def test_limits_of_a_stranger(limits: list[int]) -> None:
    from renacer_otel.sidecar.taken import RefusedRun, _limits

    frame = Frame()
    frame.register.limits.extend(limits)
    with pytest.raises(RefusedRun, match="limits: "):
        _limits(frame.register.limits)
