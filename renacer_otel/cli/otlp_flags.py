# SPDX-License-Identifier: MIT
"""What the options --otlp-* and --exporter say, of whichever command has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel import config as values

if TYPE_CHECKING:
    import argparse

    from renacer_otel.exporters.otlp_settings import OtlpFlags


def of(given: argparse.Namespace) -> OtlpFlags:
    """As they were given. Raises ConfigError for a --otlp-timeout that is none."""
    from renacer_otel.exporters.otlp_settings import OtlpFlags

    timeout = given.otlp_timeout
    return OtlpFlags(
        endpoint=given.otlp_endpoint,
        headers=given.otlp_header,
        insecure=given.otlp_insecure,
        certificate=given.otlp_certificate,
        client_key=given.otlp_client_key,
        client_certificate=given.otlp_client_certificate,
        compression=given.otlp_compression,
        timeout_ms=None
        if timeout is None
        else values.parse_duration_ns(timeout, "--otlp-timeout") // 1_000_000,
        protocol=given.otlp_protocol,
        exporter=getattr(given, "exporter", None),
    )
