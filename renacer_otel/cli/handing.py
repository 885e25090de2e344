# SPDX-License-Identifier: MIT
"""Whether a run is handed over to a sidecar: --sidecar, or RENACER_SIDECAR."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from renacer_otel.errors import ConfigError, UsageError, one_line
from renacer_otel.sidecar.place import VARIABLE, default_path
from renacer_otel.sidecar.session_config import Sidecar

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

# What a run that is handed over has not: another output, or what exports by itself.
_OTHERS = {
    "exporter": "--exporter",
    "otlp_endpoint": "--otlp-endpoint",
    "otlp_protocol": "--otlp-protocol",
    "otlp_header": "--otlp-header",
    "otlp_insecure": "--otlp-insecure",
    "otlp_certificate": "--otlp-certificate",
    "otlp_client_key": "--otlp-client-key",
    "otlp_client_certificate": "--otlp-client-certificate",
    "otlp_compression": "--otlp-compression",
    "otlp_timeout": "--otlp-timeout",
    "output": "-o",
    "format": "--format",
    "metrics_listen": "--metrics-listen",
    "flight_recorder": "--flight-recorder",  # what the sidecar has goes out
}
_COUNTED = {"summary_only": "-c", "summary": "-C", "capture": "--capture", "metrics": "--metrics"}


def sidecar_of(given: argparse.Namespace, environ: Mapping[str, str]) -> Sidecar | None:
    """Who gets the records; None: nobody else. A flag goes over the variable, and so does any
    flag that asks for another output. Raises UsageError, ConfigError.
    """
    if given.sidecar is not None:
        if other := _other(given):
            raise UsageError(f"--sidecar: the sidecar alone has the records; leave out {other}")
        return Sidecar(given.sidecar or default_path(environ), required=True)
    named = environ.get(VARIABLE, "").strip()
    if not named or _other(given):
        return None
    if named == "1":
        return Sidecar(default_path(environ), required=False)
    if "/" not in named or "\0" in named:
        raise ConfigError(
            f"{VARIABLE}: '{one_line(named, 40)}' is no path; write /path/to/socket, or 1 for"
            f" {one_line(default_path(environ), 80)}"
        )
    return Sidecar(os.path.abspath(named), required=False)


def says_limits(environ: Mapping[str, str]) -> bool:
    """Whether a variable may limit what of a span goes out: the sidecar is to be told."""
    return any(
        name.startswith("OTEL_") and name.endswith(("_COUNT_LIMIT", "_LENGTH_LIMIT"))
        for name in environ
    )


def _other(given: argparse.Namespace) -> str:
    """The option that asks for another output; "" = none."""
    for name, option in _OTHERS.items():
        if getattr(given, name) not in (None, []):
            return option
    for name, option in _COUNTED.items():
        if getattr(given, name):
            return option
    return "--engine python" if given.engine == "python" or not given.core else ""
