# SPDX-License-Identifier: MIT
"""The sender for a protocol. Only what that protocol needs is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from renacer_otel.exporters.ledger import Ledger
    from renacer_otel.exporters.otlp_sender import Envelope, OtlpSender
    from renacer_otel.exporters.otlp_settings import OtlpSettings
    from renacer_otel.exporters.spool_folder import SpoolFolder
    from renacer_otel.exporters.spool_sender import SpooledSender
    from renacer_otel.spans.resource import AttributeValue


def make_sender(settings: OtlpSettings, attributes: Mapping[str, AttributeValue]) -> OtlpSender:
    """Takes blocks of protobuf, or, for http/json, of JSON. `attributes` are the resource's."""
    from renacer_otel.exporters import envelope

    if settings.exporter:
        from renacer_otel.exporters.sdk_exporter import SdkSender

        return SdkSender(settings, envelope.OtlpEnvelope(attributes))
    is_json = settings.protocol == "http/json"
    make = envelope.JsonEnvelope if is_json else envelope.OtlpEnvelope
    return sender_for(settings, make(attributes))


def make_shared_sender(settings: OtlpSettings) -> OtlpSender:
    """Takes whole requests, of whatever resources, in the form of the protocol."""
    return sender_for(settings, Whole())


class Whole:
    """The envelope of what has one."""

    def wrap(self, block: bytes | memoryview) -> bytes:
        """The request itself."""
        return bytes(block)


def sender_for(settings: OtlpSettings, envelope: Envelope) -> OtlpSender:
    """The sender for the protocol, with this envelope around each block."""
    if settings.protocol == "grpc":
        from renacer_otel.exporters.otlp_grpc import OtlpGrpcSender

        return OtlpGrpcSender(settings, envelope)
    from renacer_otel.exporters.otlp_http import OtlpHttpSender

    return OtlpHttpSender(settings, envelope)


def make_spooled(
    sender: OtlpSender,
    settings: OtlpSettings,
    ledger: Ledger,
    folder: SpoolFolder,
    limit: int,
    on_full: str,
    tell: Callable[[str], None] | None = None,
) -> SpooledSender:
    """`sender`, behind a spool of `limit` bytes in a locked folder; see Spool."""
    from renacer_otel.exporters.otlp_convert import encoding_of
    from renacer_otel.exporters.spool import Spool
    from renacer_otel.exporters.spool_sender import SpooledSender

    spool = Spool(folder, ledger, limit, on_full, tell)
    return SpooledSender(sender, spool, encoding_of(settings.protocol))
