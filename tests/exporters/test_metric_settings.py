# SPDX-License-Identifier: MIT
"""Where metrics go and how: by the specification's variables."""

from __future__ import annotations

import pytest

from renacer_otel.errors import ConfigError
from renacer_otel.exporters.metric_settings import MetricSettings, resolve_metrics
from renacer_otel.exporters.otlp_settings import OtlpFlags

START = "OTEL_EXPORTER_OTLP_"


def resolved(
    variables: dict[str, str] | None = None, *, asked: bool = True, endpoint: str | None = None
) -> MetricSettings:
    """Settled without a word of warning."""
    choice = resolve_metrics(OtlpFlags(endpoint=endpoint), variables or {}, asked=asked)
    assert choice.warnings == ()
    assert choice.settings is not None
    return choice.settings


def test_only_where_they_are_asked_for() -> None:
    environ = {f"{START}ENDPOINT": "http://h:4317", f"{START}METRICS_ENDPOINT": "http://h:1"}
    assert resolve_metrics(OtlpFlags(), environ).settings is None
    assert resolve_metrics(OtlpFlags(endpoint="http://h:1"), {}).settings is None
    assert resolved({"OTEL_METRICS_EXPORTER": "otlp"}, asked=False) == resolved()
    assert resolved({"OTEL_METRICS_EXPORTER": " none , OTLP "}, asked=False) == resolved()
    assert resolve_metrics(OtlpFlags(), {"OTEL_METRICS_EXPORTER": "none"}).settings is None


def test_without_an_endpoint_the_default_is_meant() -> None:
    assert resolved().otlp.endpoint == "http://localhost:4317"
    settings = resolved({f"{START}PROTOCOL": "http/protobuf"})
    assert settings.otlp.endpoint == "http://localhost:4318/v1/metrics"
    assert settings.otlp.path == "/v1/metrics"
    assert (settings.interval_s, settings.timeout_s) == (60.0, 30.0)
    assert not settings.delta
    assert settings.exemplars


def test_variables_of_metrics_go_over_the_general_ones() -> None:
    settings = resolved(
        {
            f"{START}ENDPOINT": "http://general:4318",
            f"{START}METRICS_ENDPOINT": "http://own:9/x/y?z=1",
            f"{START}TRACES_ENDPOINT": "http://traces:9",
            f"{START}PROTOCOL": "grpc",
            f"{START}METRICS_PROTOCOL": "http/json",
            f"{START}HEADERS": "a=1",
            f"{START}METRICS_HEADERS": "a=2,b=3",
            f"{START}TRACES_HEADERS": "a=4",
            f"{START}METRICS_COMPRESSION": "gzip",
            f"{START}METRICS_TIMEOUT": "1234",
        }
    )
    assert (settings.otlp.target, settings.otlp.path) == ("own:9", "/x/y?z=1")  # taken as it is
    assert settings.otlp.protocol == "http/json"
    assert settings.otlp.headers == (("a", "2"), ("b", "3"))
    assert settings.otlp.gzip
    assert settings.otlp.timeout_ms == 1234


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("http://h:4318", "/v1/metrics"),
        ("http://h:4318/base/", "/base/v1/metrics"),
        ("http://h:4318/v1/traces", "/v1/metrics"),
        ("unix:///run/s", "/v1/metrics"),
    ],
)
def test_a_flags_endpoint_is_of_all_signals(endpoint: str, path: str) -> None:
    settings = resolved({f"{START}PROTOCOL": "http/protobuf"}, endpoint=endpoint)
    assert settings.otlp.path == path
    assert "traces" not in settings.otlp.endpoint


def test_an_empty_value_is_none() -> None:
    settings = resolved({f"{START}ENDPOINT": "http://general:1", f"{START}METRICS_ENDPOINT": " "})
    assert settings.otlp.target == "general:1"


@pytest.mark.parametrize(
    ("value", "delta"),
    [("cumulative", False), ("Delta", True), ("lowmemory", True), ("", False)],
)
def test_temporality(value: str, delta: bool) -> None:
    name = f"{START}METRICS_TEMPORALITY_PREFERENCE"
    assert resolved({name: value}).delta is delta


def test_times_and_exemplars() -> None:
    settings = resolved(
        {
            "OTEL_METRIC_EXPORT_INTERVAL": "250",
            "OTEL_METRIC_EXPORT_TIMEOUT": "99",
            "OTEL_METRICS_EXEMPLAR_FILTER": "always_off",
        }
    )
    assert (settings.interval_s, settings.timeout_s) == (0.25, 0.099)
    assert not settings.exemplars
    choice = resolve_metrics(
        OtlpFlags(), {"OTEL_METRIC_EXPORT_INTERVAL": "250"}, asked=True, interval_s=7.0
    )
    assert choice.settings
    assert choice.settings.interval_s == 7.0  # a flag goes over it


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_METRIC_EXPORT_INTERVAL", "10s"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "-1"),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "some"),
        ("OTEL_METRICS_EXPORTER", "prometheus"),
        (f"{START}METRICS_TEMPORALITY_PREFERENCE", "both"),
        (f"{START}METRICS_COMPRESSION", "brotli"),
    ],
)
def test_a_bad_value_is_told_and_ignored(name: str, value: str) -> None:
    choice = resolve_metrics(OtlpFlags(), {name: value}, asked=True)
    (warning,) = choice.warnings
    assert warning.startswith(name)
    assert value in warning
    assert choice.settings
    assert choice.settings.otlp.endpoint == "http://localhost:4317"


def test_switched_off() -> None:
    choice = resolve_metrics(OtlpFlags(), {"OTEL_SDK_DISABLED": "true"}, asked=True)
    assert choice.settings is None
    # That traces are not exported says nothing of metrics.
    assert resolved({"OTEL_TRACES_EXPORTER": "none"}) == resolved()


def test_errors_name_the_variable_of_metrics() -> None:
    with pytest.raises(ConfigError, match=f"^{START}METRICS_ENDPOINT: write it as"):
        resolve_metrics(OtlpFlags(), {f"{START}METRICS_ENDPOINT": "ftp://h"}, asked=True)
