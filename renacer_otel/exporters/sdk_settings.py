# SPDX-License-Identifier: MIT
"""The variables of OpenTelemetry's SDKs: which exporter, how spans are batched, their limits.

Source: opentelemetry-specification, configuration/sdk-environment-variables.md. Where a variable
of batching is not set, what is here by default stays (docs/decisions/0135).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from renacer_otel.exporters.variables import Variables

EXPORTERS = "opentelemetry_traces_exporter"  # the group of entry points


class Batching(NamedTuple):
    """How spans go out. 0 = as it is by default; times in ms."""

    age_ms: int = 1000  # of spans that wait for others to go with
    export_timeout_ms: int = 0
    queue_spans: int = 0
    batch_spans: int = 0


class Limits(NamedTuple):
    """How much of a span goes out; None = no limit. In the order of rn_span_limits."""

    attributes: int | None = 128
    value_length: int | None = None  # characters
    events: int | None = 128
    links: int | None = 128
    event_attributes: int | None = 128
    link_attributes: int | None = 128


def batching(variables: Variables) -> Batching:
    """OTEL_BSP_*."""

    def number(name: str, default: int | None, what: str, least: int = 0) -> int:
        return variables.number([name], default, what, least) or 0

    age = number("OTEL_BSP_SCHEDULE_DELAY", Batching().age_ms, "milliseconds")
    timeout = number("OTEL_BSP_EXPORT_TIMEOUT", None, "milliseconds")
    queue = number("OTEL_BSP_MAX_QUEUE_SIZE", None, "spans", 1)
    batch = number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", None, "spans", 1)
    if queue and batch > queue:
        variables.warn(
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
            str(batch),
            "is more than OTEL_BSP_MAX_QUEUE_SIZE",
            str(queue),
        )
    if queue:
        batch = min(batch or queue, queue)  # a greater one would not fit in
    return Batching(age, timeout, queue, batch)


def limits(variables: Variables) -> Limits:
    """OTEL_SPAN_*_LIMIT, OTEL_ATTRIBUTE_*_LIMIT and those of events and links."""
    default = Limits()

    def number(*names: str, default: int | None, what: str) -> int | None:
        return variables.number(names, default, what)

    return Limits(
        attributes=number(
            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
            "OTEL_ATTRIBUTE_COUNT_LIMIT",
            default=default.attributes,
            what="attributes",
        ),
        value_length=number(
            "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            default=None,
            what="characters",
        ),
        events=number("OTEL_SPAN_EVENT_COUNT_LIMIT", default=default.events, what="events"),
        links=number("OTEL_SPAN_LINK_COUNT_LIMIT", default=default.links, what="links"),
        event_attributes=number(
            "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", default=default.event_attributes, what="attributes"
        ),
        link_attributes=number(
            "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", default=default.link_attributes, what="attributes"
        ),
    )


def installed_exporters() -> list[str]:
    """Names by which exporters of spans can be asked for, of what is installed."""
    from importlib.metadata import entry_points

    return sorted({found.name for found in entry_points(group=EXPORTERS)})


def traces_exporter(variables: Variables) -> str:
    """What OTEL_TRACES_EXPORTER asks for: "otlp", "none", or an installed exporter; "" = nothing.

    Of several one is used, the first but for "otlp", which goes first.
    """
    name = "OTEL_TRACES_EXPORTER"
    text = variables.text(name)
    words = [word for word in dict.fromkeys(map(str.strip, text.lower().split(","))) if word]
    if not words:
        return ""
    wanted = [word for word in words if word != "none"]
    if not wanted:
        return "none"
    installed = ["otlp"] if wanted == ["otlp"] else ["otlp", *installed_exporters()]
    unknown = [word for word in wanted if word not in installed]
    known = sorted((word for word in wanted if word in installed), key=lambda word: word != "otlp")
    used = known[0] if known else "the default, otlp,"
    if unknown:
        told = f"is unknown, or not installed (known: none, {', '.join(installed)})"
        variables.warn(name, ",".join(unknown), told, used)
    elif len(words) > 1:
        variables.warn(name, text, "names more than one", used)
    return known[0] if known else ""
