# SPDX-License-Identifier: MIT
"""[metrics] of renacer.toml: as the options, below variables, checked whole."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

from renacer_otel.cli.metric_options import with_file
from tests.cli.tool import environ, renacer
from tests.exporters.metrics_collector import MetricsCollector, attributes, metrics_in

if TYPE_CHECKING:
    from pathlib import Path


def test_a_run(tmp_path: Path) -> None:
    """The same as with --metrics --metrics-pid; check takes it, too."""
    settings = tmp_path / "renacer.toml"
    settings.write_text(
        '[metrics]\nenabled = true\npid = true\ninterval = "30s"\n'
        '[[assertion]]\nname = "few"\ntype = "span_count"\nmax_spans = 100000\n'
    )
    command = ("--", "sh", "-c", "cat /dev/null; exit 0")
    for words in (("--config", settings, "-o", tmp_path / "t"), ("check", "--config", settings)):
        with MetricsCollector() as collector:
            variables = environ(
                OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, OTEL_TRACES_EXPORTER="none"
            )
            done = renacer(*words, *command, env=variables)
            assert done.code == 0, done.err
        (request,) = collector.requests
        histogram = metrics_in(request)["syscall.duration"].exponential_histogram
        assert len({attributes(point)["process.pid"] for point in histogram.data_points}) == 2
        with MetricsCollector() as collector:
            variables |= {
                "OTEL_METRICS_EXPORTER": "none",
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            }
            assert renacer(*words, *command, env=variables).code == 0
        assert collector.requests == []


def merged(path: Path, text: str, environ: dict[str, str], **given: object) -> tuple[object, ...]:
    path.write_text(text)
    options = argparse.Namespace(
        config=str(path), metrics=False, metrics_interval=None, metrics_pid=False,
        metrics_listen=None,
    )  # fmt: skip
    vars(options).update(given)
    with_file(options, environ)
    return (
        options.metrics, options.metrics_interval, options.metrics_pid, options.metrics_listen
    )  # fmt: skip


def test_who_goes_over_whom(tmp_path: Path) -> None:
    path = tmp_path / "renacer.toml"
    text = '[metrics]\nenabled = true\ninterval = "1500ms"\npid = true\nlisten = ":9464"\n'
    assert merged(path, text, {}) == (True, "1500000us", True, ":9464")
    given = {"metrics_interval": "2s", "metrics_listen": "9"}
    assert merged(path, text, {}, **given) == (True, "2s", True, "9")
    assert merged(path, text, {"OTEL_METRIC_EXPORT_INTERVAL": "1000"})[1] is None
    assert merged(path, text, {"OTEL_METRICS_EXPORTER": "none"})[0] is False
    off = text.replace("enabled = true", "enabled = false").replace('listen = ":9464"', "")
    assert merged(path, off, {}) == (False, None, False, None)
    assert merged(path, off, {}, metrics=True) == (True, "1500000us", True, None)
    assert merged(path, "[redact]\ndefaults = true\n", {}) == (False, None, False, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('interval = "10ms"\nenabled = true', "2: [metrics] interval: give 100ms or more"),
        ("interval = 10", 'interval must be a time in quotes, as "10s"'),
        ('enabled = true\nlisten = "nowhere"', "3: [metrics] listen: 'nowhere' is no address"),
        ("pid = true", "2: [metrics] pid: takes no effect without enabled = true, or listen"),
        ("enable = true", "2: [metrics]: unknown key 'enable'; did you mean"),
        ('enabled = "yes"', "2: [metrics]: enabled must be"),
    ],
)
def test_what_is_wrong(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "renacer.toml").write_text(f"[metrics]\n{text}\n")
    done = renacer("--config", tmp_path / "renacer.toml", "--", "touch", tmp_path / "x")
    assert done.code == 125
    assert told in done.error
    assert not (tmp_path / "x").exists()
