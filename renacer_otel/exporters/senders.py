# SPDX-License-Identifier: MIT
"""The sender for a protocol. Only what that protocol needs is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renacer_otel.exporters.otlp_sender import OtlpSender
    from renacer_otel.exporters.otlp_settings import OtlpSettings
    from renacer_otel.spans.resource import AttributeValue


def make_sender(settings: OtlpSettings, attributes: Mapping[str, AttributeValue]) -> OtlpSender:
    """Takes blocks of protobuf, or, for http/json, of JSON. `attributes` are the resource's."""
    from renacer_otel.exporters import envelope

    if settings.exporter:
        from renacer_otel.exporters.sdk_exporter import SdkSender

        return SdkSender(settings, envelope.OtlpEnvelope(attributes))
    if settings.protocol == "grpc":
        from renacer_otel.exporters.otlp_grpc import OtlpGrpcSender

        return OtlpGrpcSender(settings, envelope.OtlpEnvelope(attributes))
    from renacer_otel.exporters.otlp_http import OtlpHttpSender

    if settings.protocol == "http/json":
        return OtlpHttpSender(settings, envelope.JsonEnvelope(attributes))
    return OtlpHttpSender(settings, envelope.OtlpEnvelope(attributes))
