# SPDX-License-Identifier: MIT
"""The resource that all spans of a run carry.

What the OpenTelemetry SDK's detectors say of host and operating system, by uname and machine-id
(importing them takes longer than all else of a short run), OTEL_RESOURCE_ATTRIBUTES, and what we
know of the run. The SDK's process detector has no like here on purpose: it would describe the
tracer. Of the SDK no more is imported than its version, when the resource is made.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel._version import __version__
from renacer_otel.errors import one_line
from renacer_otel.spans.context import new_run_id

if TYPE_CHECKING:
    from collections.abc import Mapping

AttributeValue = (
    str | bool | int | float | Sequence[str] | Sequence[bool] | Sequence[int] | Sequence[float]
)

DISTRO = "renacer-otel"

# Generous bounds: the resource is repeated in every request, next to a block of up to 3.5 MiB.
_MAX_ATTRIBUTES_TEXT = 65_536
_MAX_ATTRIBUTES = 128
_MAX_NAME = 1024
_MAX_ID = 256  # bytes of a machine's id; it has 32 digits

# host.arch has a list of values in the semantic conventions; uname has others.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "x86", "armv7l": "arm32"}

_KEY = r"[\x21-\x2b\x2d-\x3c\x3e-\x7e]{1,255}"
_BAD_PERCENT = r"%(?![0-9A-Fa-f]{2})"


class ResourceChoice(NamedTuple):
    """Attributes of the resource, and what to tell the user about the environment."""

    attributes: dict[str, AttributeValue]
    warnings: tuple[str, ...] = ()

    @property
    def service_name(self) -> str:
        """service.name of the run."""
        return str(self.attributes["service.name"])


def parse_resource_attributes(text: str) -> dict[str, str] | None:
    """Parses OTEL_RESOURCE_ATTRIBUTES (k=v,k=v, values percent-encoded).

    None = malformed; the whole value is then to be discarded (resource SDK specification,
    "Specifying resource information via an environment variable").
    """
    from urllib.parse import unquote_to_bytes

    attributes: dict[str, str] = {}
    if len(text) > _MAX_ATTRIBUTES_TEXT:
        return None
    for item in text.split(","):
        key, equals, raw = item.partition("=")
        key, raw = key.strip(), raw.strip()
        if not equals or "=" in raw or re.search(_BAD_PERCENT, key + raw):
            return None
        try:
            key = unquote_to_bytes(key).decode("utf-8")
            value = unquote_to_bytes(raw).decode("utf-8")
        except UnicodeDecodeError:
            return None
        if not re.fullmatch(_KEY, key):
            return None
        attributes[key] = value
    return attributes if len(attributes) <= _MAX_ATTRIBUTES else None


def make_resource(
    command: str,
    environ: Mapping[str, str],
    service_name: str | None = None,
    run_id: str | None = None,
) -> ResourceChoice:
    """Makes the resource of one run.

    `command`: argv[0]. `service_name`: --otlp-service-name. The service's name is that, else
    OTEL_SERVICE_NAME, else service.name of OTEL_RESOURCE_ATTRIBUTES, else the command's base
    name. `run_id`: as new_run_id(), one of its own if not given.
    """
    run_id = run_id or new_run_id()
    warnings: list[str] = []
    given: dict[str, str] = {}
    text = environ.get("OTEL_RESOURCE_ATTRIBUTES", "").strip()
    if text:
        parsed = parse_resource_attributes(text)
        if parsed is None:
            warnings.append(
                "OTEL_RESOURCE_ATTRIBUTES is malformed and ignored;"
                " write key=value,key=value with ',' '=' and '%' in values percent-encoded"
            )
        given = parsed or {}
    attributes: dict[str, AttributeValue] = {
        "service.name": default_service_name(command),
        "service.instance.id": run_id,
        **_detected(),
        **given,
        **_sdk(),
        "renacer.run.id": run_id,
    }
    name = service_name or environ.get("OTEL_SERVICE_NAME", "").strip()
    if name:
        attributes["service.name"] = name[:_MAX_NAME]
    if not attributes["service.name"]:
        attributes["service.name"] = default_service_name(command)
    return ResourceChoice(attributes, tuple(warnings))


def default_service_name(command: str) -> str:
    """The command's base name, on one line of printable characters."""
    return one_line(command.rstrip("/").rpartition("/")[2]) or "unknown_service"


def _sdk() -> dict[str, AttributeValue]:
    from opentelemetry.sdk.version import __version__ as sdk_version

    return {
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": sdk_version,
        "telemetry.distro.name": DISTRO,
        "telemetry.distro.version": __version__,
    }


def _detected() -> dict[str, AttributeValue]:
    """As OsResourceDetector and the host detector of the SDK have them."""
    system, host, release, _, machine = os.uname()
    found: dict[str, AttributeValue] = {
        "host.name": host,
        "host.arch": _ARCHITECTURES.get(machine, machine),
        "os.type": system.lower(),
        "os.version": release,
    }
    if identity := _machine_id():
        found["host.id"] = identity
    return found


def _machine_id() -> str:
    """Of machine-id(5); "" = there is none. Source: the semantic conventions of host.id."""
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        with suppress(OSError), open(path, "rb") as file:
            if found := file.read(_MAX_ID).decode("utf-8", "replace").strip():
                return found
    return ""
