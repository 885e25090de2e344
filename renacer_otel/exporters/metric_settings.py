# SPDX-License-Identifier: MIT
"""Whether, where to, how and how often metrics are sent: flags over environment over defaults.

Where and how is settled by the rules for spans (otlp_settings), by the variables' names for
metrics: OTEL_EXPORTER_OTLP_METRICS_* over OTEL_EXPORTER_OTLP_*. What is of metrics alone:
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ ("Periodic
exporting MetricReader", "Exemplars") and protocol/exporter, metrics/sdk_exporters/otlp
(temporality).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from renacer_otel.errors import ConfigError, one_line
from renacer_otel.exporters.otlp_endpoint import DEFAULT_HTTP_PORT, DEFAULT_PORT, TRACES_PATH
from renacer_otel.exporters.otlp_settings import OtlpFlags, OtlpSettings, resolve
from renacer_otel.exporters.variables import GENERAL, MAX_NUMBER, TRACES

if TYPE_CHECKING:
    from collections.abc import Mapping

METRICS_PATH = "/v1/metrics"
TEMPORALITIES = ("cumulative", "delta", "lowmemory")
EXEMPLAR_FILTERS = ("always_on", "always_off", "trace_based")
DEFAULT_INTERVAL_S = 60.0
DEFAULT_TIMEOUT_S = 30.0

EXPORTER = "OTEL_METRICS_EXPORTER"
INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"
TIMEOUT = "OTEL_METRIC_EXPORT_TIMEOUT"
_TEMPORALITY = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
_EXEMPLARS = "OTEL_METRICS_EXEMPLAR_FILTER"
_OF_METRICS = "OTEL_EXPORTER_OTLP_METRICS_"


@dataclass(frozen=True)
class MetricSettings:
    """A checked way to a collector for metrics. `delta`: what is sent is of the time since the last
    export, else of all the run."""

    otlp: OtlpSettings
    interval_s: float = DEFAULT_INTERVAL_S
    timeout_s: float = DEFAULT_TIMEOUT_S  # of one export, its retries included
    delta: bool = False
    exemplars: bool = True


@dataclass(frozen=True)
class MetricChoice:
    """`settings` is None where no metrics are to be sent; `warnings` are for the user."""

    settings: MetricSettings | None
    warnings: tuple[str, ...] = ()


def resolve_metrics(
    flags: OtlpFlags,
    environ: Mapping[str, str],
    *,
    asked: bool = False,
    interval_s: float | None = None,
) -> MetricChoice:
    """Settles it all. Metrics are sent if they are asked for, by flag (`asked`) or because
    OTEL_METRICS_EXPORTER names otlp; never just because an endpoint is there (decision 0145).

    Without any endpoint the specification's default is meant. Raises ConfigError.
    """
    exporters = _words(environ.get(EXPORTER, ""))
    others = [word for word in exporters if word not in ("otlp", "none")]
    warnings = []
    if others:
        warnings.append(
            f"{EXPORTER}: '{one_line(','.join(others), 40)}' is not supported; use otlp or none"
        )
    if not asked and "otlp" not in exporters:
        return MetricChoice(None, tuple(warnings) if exporters else ())
    choice = _resolve_otlp(flags, environ)
    warnings += choice[1]
    if choice[0] is None:
        return MetricChoice(None, tuple(warnings))
    delta = _word(environ, _TEMPORALITY, TEMPORALITIES, "cumulative", warnings) != "cumulative"
    filtered = _word(environ, _EXEMPLARS, EXEMPLAR_FILTERS, "trace_based", warnings)
    every = _milliseconds(environ, INTERVAL, DEFAULT_INTERVAL_S, warnings)
    settings = MetricSettings(
        otlp=choice[0],
        interval_s=every if interval_s is None else interval_s,
        timeout_s=_milliseconds(environ, TIMEOUT, DEFAULT_TIMEOUT_S, warnings),
        delta=delta,
        exemplars=filtered != "always_off",
    )
    return MetricChoice(settings, tuple(warnings))


def _words(text: str) -> list[str]:
    return [word.strip().lower() for word in text.split(",") if word.strip()]


def _word(
    environ: Mapping[str, str],
    name: str,
    known: tuple[str, ...],
    default: str,
    warnings: list[str],
) -> str:
    value = environ.get(name, "").strip().lower()
    if value in known:
        return value
    if value:
        warnings.append(
            f"{name}: '{one_line(value, 40)}' is unknown and ignored; known are {', '.join(known)}"
        )
    return default


def _milliseconds(
    environ: Mapping[str, str], name: str, default_s: float, warnings: list[str]
) -> float:
    value = environ.get(name, "").strip()
    if re.fullmatch(r"[0-9]{1,10}", value) and 0 < int(value) <= MAX_NUMBER:
        return int(value) / 1000
    if value:
        warnings.append(f"{name}: '{one_line(value, 40)}' is not a number of milliseconds; ignored")
    return default_s


def _resolve_otlp(
    flags: OtlpFlags, environ: Mapping[str, str]
) -> tuple[OtlpSettings | None, list[str]]:
    """By the rules for spans, with the variables of metrics in the place of those of traces."""
    own = {
        name.replace(_OF_METRICS, TRACES, 1): value
        for name, value in environ.items()
        if name.startswith(_OF_METRICS) and value.strip()
    }
    others = {
        name: value
        for name, value in environ.items()
        if not name.startswith((_OF_METRICS, TRACES)) and name != "OTEL_TRACES_EXPORTER"
    }
    seen = {**others, **own}
    names_endpoint = any(seen.get(f"{start}ENDPOINT", "").strip() for start in (TRACES, GENERAL))
    if flags.endpoint is None and not names_endpoint:
        protocol = flags.protocol or _protocol(seen)
        port = DEFAULT_PORT if protocol == "grpc" else DEFAULT_HTTP_PORT
        seen[f"{GENERAL}ENDPOINT"] = f"http://localhost:{port}"
    try:
        choice = resolve(replace(flags, exporter=None), seen)  # which is of spans
    except ConfigError as error:
        raise ConfigError(_told(str(error))) from None
    settings = choice.settings
    if settings is not None:
        is_whole = flags.endpoint is None and f"{TRACES}ENDPOINT" in own
        settings = settings if is_whole else _with_path(settings)
    return settings, [_told(warning) for warning in choice.warnings]


def _protocol(environ: Mapping[str, str]) -> str:
    for start in (TRACES, GENERAL):
        if value := environ.get(f"{start}PROTOCOL", "").strip().lower():
            return value
    return "grpc"


def _with_path(settings: OtlpSettings) -> OtlpSettings:
    """The same with the path for metrics, where it has that for traces."""
    if not settings.path.endswith(TRACES_PATH):
        return settings
    return replace(
        settings,
        path=settings.path.removesuffix(TRACES_PATH) + METRICS_PATH,
        endpoint=settings.endpoint.removesuffix(TRACES_PATH)
        + (METRICS_PATH if settings.endpoint.endswith(TRACES_PATH) else ""),
    )


def _told(text: str) -> str:
    """A message about traces in the words of metrics."""
    for there, here in (
        (TRACES, _OF_METRICS),
        (TRACES_PATH[1:], METRICS_PATH[1:]),
        ("spans go to", "metrics go to"),
    ):
        text = text.replace(there, here)
    return text
