# SPDX-License-Identifier: MIT
"""What the OTEL_* variables of an SDK say of a run: whether it is asked for, in what portions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renacer_otel.engine.launch import Tuning
    from renacer_otel.exporters.otlp_settings import OtlpSettings


def by_variable(environ: Mapping[str, str]) -> bool:
    """Whether the environment, which has OTEL_TRACES_EXPORTER, asks for an export."""
    from renacer_otel.exporters.sdk_settings import traces_exporter
    from renacer_otel.exporters.variables import Variables

    variables = Variables(environ)
    if traces_exporter(variables) not in ("", "none"):
        return True
    return variables.option("ENDPOINT") is not None


def as_variables_say(
    tuning: Tuning, otlp: OtlpSettings | None, environ: Mapping[str, str]
) -> tuple[Tuning, OtlpSettings | None, list[str]]:
    """Both with what is said of batches and limits, and warnings."""
    from renacer_otel.exporters import sdk_settings
    from renacer_otel.exporters.variables import Variables

    variables = Variables(environ)
    tuning = tuning._replace(limits=sdk_settings.limits(variables))
    if otlp is None:
        return tuning, None, variables.warnings
    from dataclasses import replace

    batching = sdk_settings.batching(variables)
    tuning = tuning._replace(
        batch_spans=batching.batch_spans,
        queue_spans=batching.queue_spans,
        batch_age_ns=max(batching.age_ms * 1_000_000, 1),
    )
    otlp = replace(otlp, export_timeout_ms=batching.export_timeout_ms)
    return tuning, otlp, variables.warnings
