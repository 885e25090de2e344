# SPDX-License-Identifier: MIT
"""Sends metrics by the senders of spans: the same rules for retries, limits and counting.

What these count as spans are data points here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from renacer_otel.exporters.metric_settings import METRICS_PATH
from renacer_otel.exporters.otlp_endpoint import TRACES_PATH
from renacer_otel.exporters.otlp_grpc import METRICS_METHOD, OtlpGrpcSender
from renacer_otel.exporters.otlp_http import OtlpHttpSender
from renacer_otel.exporters.otlp_metrics import NoEnvelope
from renacer_otel.exporters.otlp_sender import Failure

if TYPE_CHECKING:
    from renacer_otel.exporters.otlp_retry import PartialSuccess
    from renacer_otel.exporters.otlp_sender import Job, OtlpSender
    from renacer_otel.exporters.otlp_settings import OtlpSettings


class GrpcMetricsSender(OtlpGrpcSender):
    """By gRPC."""

    method = METRICS_METHOD

    def _split(self, part: Job) -> list[Job]:  # noqa: ARG002
        return []  # data points are few, and halves are made of spans


class HttpMetricsSender(OtlpHttpSender):
    """By HTTP."""

    def _split(self, part: Job) -> list[Job]:  # noqa: ARG002
        return []

    def _attempt(self, job: Job, timeout: float | None) -> Failure | PartialSuccess:
        result = super()._attempt(job, timeout)
        if isinstance(result, Failure):
            return replace(result, told=result.told.replace(TRACES_PATH, METRICS_PATH))
        return result


def make_metrics_sender(settings: OtlpSettings) -> OtlpSender:
    """Takes whole requests, in the encoding of the settings' protocol."""
    kind = GrpcMetricsSender if settings.protocol == "grpc" else HttpMetricsSender
    return kind(settings, NoEnvelope())
