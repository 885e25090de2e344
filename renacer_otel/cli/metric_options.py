# SPDX-License-Identifier: MIT
"""The options of `run` and `attach` about metrics; what they, the environment and renacer.toml's
[metrics] ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel import config as values
from renacer_otel.cli import otlp_flags, settings_file
from renacer_otel.errors import ConfigError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from renacer_otel.sidecar.metering import MeteringConfig

_EXPORTER = "OTEL_METRICS_EXPORTER"
_INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"
_SHORTEST_NS = 100_000_000


def add_to(add: Callable[..., None]) -> None:
    """Adds the options."""
    add("--metrics", action="store_true",
        help="send metrics of all calls, and our own, to the endpoint, every minute and at the end"
        " (as OTEL_METRICS_EXPORTER=otlp does)")  # fmt: skip
    add("--metrics-interval", metavar="TIME", help="send metrics so often (60s)")
    add("--metrics-pid", action="store_true",
        help="measure each process apart: more series, at most 2000 of each metric")  # fmt: skip
    add("--metrics-listen", metavar="HOST:PORT",
        help="show metrics there, at /metrics, for Prometheus; and /readyz")  # fmt: skip


def refused(
    given: argparse.Namespace, environ: Mapping[str, str]
) -> tuple[MeteringConfig | None, list[str]]:
    """As chosen(), where a sidecar has the run, which measures no calls. Raises UsageError."""
    for name in ("metrics_interval", "metrics_pid"):
        if getattr(given, name):
            raise UsageError(
                f"--{name.replace('_', '-')}: the sidecar measures no calls; leave it out, or the"
                " sidecar"
            )
    if environ.get(_EXPORTER, "").strip().lower() in ("", "none"):
        return None, []
    return None, [f"{_EXPORTER}: the sidecar measures no calls: no metrics of them are sent"]


def with_file(given: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Sets the options that are not given to what [metrics] of the file of --config says.

    Variables go over the file. Raises ConfigError with the place of what is wrong there.
    """
    config = settings_file.of(given)
    section = config.sections.get("metrics") if config else None
    if not config or not section:
        return

    def wrong(key: str, what: str) -> ConfigError:
        return ConfigError(f"{config.place('metrics', key)}: {what}")

    interval, listen = section.get("interval"), section.get("listen")
    if interval is not None and interval * 1e9 < _SHORTEST_NS:
        raise wrong("interval", "give 100ms or more")
    if listen is not None:
        from renacer_otel.exporters.metrics_server import parse_address

        try:
            parse_address(listen, "it")
        except ConfigError as error:
            raise wrong("listen", error.message.removeprefix("it: ")) from error
    there = [key for name, key in config.keys if name == "metrics"]
    if there and "enabled" not in there and listen is None:
        raise wrong(there[0], "takes no effect without enabled = true, or listen")
    if given.metrics_listen is None:
        given.metrics_listen = listen
    given.metrics = given.metrics or (section["enabled"] and not environ.get(_EXPORTER, "").strip())
    if not given.metrics and given.metrics_listen is None:
        return
    given.metrics_pid = given.metrics_pid or section["pid"]
    if given.metrics_interval is None and interval and not environ.get(_INTERVAL, "").strip():
        given.metrics_interval = f"{round(interval * 1e6)}us"


def chosen(
    given: argparse.Namespace, environ: Mapping[str, str]
) -> tuple[MeteringConfig | None, list[str]]:
    """What is to become of metrics, None = nothing; and warnings.

    Raises UsageError, ConfigError.
    """
    asked = given.metrics or environ.get(_EXPORTER, "").strip()
    if not asked and given.metrics_listen is None:
        for name in ("metrics_interval", "metrics_pid"):
            if getattr(given, name):
                raise UsageError(f"--{name.replace('_', '-')} is of metrics: add --metrics")
        return None, []
    from renacer_otel.exporters.metric_settings import resolve_metrics
    from renacer_otel.exporters.metrics_server import parse_address
    from renacer_otel.sidecar.metering import MeteringConfig

    if not given.core:  # by the environment, then: the options were refused
        return None, [f"{_EXPORTER}: there are no metrics without the native core"]
    interval_s = None
    if given.metrics_interval is not None:
        interval = values.parse_duration_ns(given.metrics_interval, "--metrics-interval")
        if interval < _SHORTEST_NS:
            raise ConfigError("--metrics-interval: give 100ms or more")
        interval_s = interval / 1e9
    flags = otlp_flags.of(given)
    choice = resolve_metrics(flags, environ, asked=given.metrics, interval_s=interval_s)
    listen = None
    if given.metrics_listen is not None:
        listen = parse_address(given.metrics_listen, "--metrics-listen")
    warnings = list(choice.warnings)
    if choice.settings is None and listen is None:
        return None, warnings
    return MeteringConfig(choice.settings, listen, given.metrics_pid), warnings
