# SPDX-License-Identifier: MIT
"""Whether a run's spans are exported: OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG.

Sources: opentelemetry-specification, configuration/sdk-environment-variables.md, trace/sdk.md
("Built-in samplers") and, for the algorithm, trace/tracestate-probability-sampling.md.

A run is sampled as a whole, by its trace's id. One that is not: the command runs, nothing is
exported, and the command is told so by the flag in TRACEPARENT.

The threshold by which a run was kept (`th`) goes into the member `ot` of its tracestate: each span
has it, and so has the command. From it follows for how many a span stands: 2^56 / (2^56 - th).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.errors import one_line
from renacer_otel.spans.context import FLAG_SAMPLED, parse_tracestate, with_member

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renacer_otel.spans.context import TraceContext

DEFAULT = "parentbased_always_on"
SAMPLERS = (
    "always_on",
    "always_off",
    "traceidratio",
    DEFAULT,
    "parentbased_always_off",
    "parentbased_traceidratio",
)
_PARENT = "parentbased_"
_RANDOM_BITS = 56
_ALL = 1 << _RANDOM_BITS
_RV = r"(?:[^;]*;)*rv:([0-9a-f]{14})(?:;.*)?"
_TH = r"[0-9a-fA-F]{1,14}"
_MEMBER = "ot"
_LONGEST_MEMBER = 256


class Decision(NamedTuple):
    """The context with its flag set, and in words why nothing is exported ("" = it is)."""

    context: TraceContext
    because: str
    warnings: list[str]


def decide(context: TraceContext, environ: Mapping[str, str]) -> Decision:
    """What the environment's sampler makes of a trace."""
    warnings: list[str] = []
    name = _sampler(environ, warnings)
    if name.startswith(_PARENT) and context.is_remote:
        sampled, because = context.sampled, "the inbound trace is not sampled"
        if not _is_consistent(context):
            context = _with_threshold(context, None, warnings)
    else:
        root = name.removeprefix(_PARENT)
        ratio = 1.0
        if root == "traceidratio":
            ratio = _ratio(environ, warnings)
            because = f"the trace is not sampled (OTEL_TRACES_SAMPLER={name}, {ratio:g})"
        else:
            because = f"the trace is not sampled (OTEL_TRACES_SAMPLER={name})"
        sampled = root != "always_off" and is_kept(randomness(context), ratio)
        if root == "traceidratio" or name == "always_on":  # not by default: all runs are kept so
            context = _with_threshold(context, threshold(ratio) if sampled else None, warnings)
        elif not sampled:
            context = _with_threshold(context, None, warnings)
    flags = context.flags | FLAG_SAMPLED if sampled else context.flags & ~FLAG_SAMPLED
    return Decision(context._replace(flags=flags), "" if sampled else because, warnings)


def _sampler(environ: Mapping[str, str], warnings: list[str]) -> str:
    text = environ.get("OTEL_TRACES_SAMPLER", "").strip()
    if not text or text.lower() in SAMPLERS:
        return text.lower() or DEFAULT
    warnings.append(
        f"OTEL_TRACES_SAMPLER: '{one_line(text, 40)}' is unknown here (known:"
        f" {', '.join(SAMPLERS)}); {DEFAULT} is used"
    )
    return DEFAULT


def _ratio(environ: Mapping[str, str], warnings: list[str]) -> float:
    text = environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    if re.fullmatch(r"[0-9.]{1,40}(?:[eE]-?[0-9]{1,3})?", text):
        try:
            ratio = float(text)
        except ValueError:
            ratio = -1.0
        if 0.0 <= ratio <= 1.0:
            return ratio
    if text:
        warnings.append(
            f"OTEL_TRACES_SAMPLER_ARG: '{one_line(text, 40)}' is not a number from 0 to 1;"
            " 1 is used"
        )
    return 1.0


def _member(context: TraceContext) -> str:
    """What OpenTelemetry says of the trace: keys and values with semicolons; "" = nothing."""
    return dict(parse_tracestate(context.tracestate) or ()).get(_MEMBER, "")


def randomness(context: TraceContext) -> int:
    """56 random bits of a trace: rv in the member ot of its tracestate, else its id's last ones."""
    if match := re.fullmatch(_RV, _member(context)):
        return int(match.group(1), 16)
    return int.from_bytes(context.trace_id, "big") % _ALL


def threshold(ratio: float) -> int:
    """Of so many of 2^56 randomnesses the trace is not kept."""
    return _ALL - round(ratio * _ALL)


def _is_consistent(context: TraceContext) -> bool:
    """Whether the flag is what th, if there is one, makes of the trace's randomness."""
    given = [part[3:] for part in _member(context).split(";") if part.startswith("th:")]
    if not given:
        return True
    if len(given) > 1 or not re.fullmatch(_TH, given[0]):
        return False
    return context.sampled == (randomness(context) >= int(given[0].ljust(14, "0"), 16))


def _with_threshold(context: TraceContext, value: int | None, warnings: list[str]) -> TraceContext:
    """The context with this th, None = with none; all else in the member ot stays as it is."""
    before = _member(context)
    parts = [part for part in before.split(";") if part and not part.startswith("th:")]
    if value is not None:
        made = ";".join([f"th:{f'{value:014x}'.rstrip('0') or '0'}", *parts])
        if len(made) <= _LONGEST_MEMBER:
            return context._replace(tracestate=with_member(context.tracestate, _MEMBER, made))
        warnings.append(
            "TRACESTATE: its member ot has no room for the sampling threshold (256 characters)"
        )
    without = ";".join(parts)
    if without == before:
        return context
    return context._replace(tracestate=with_member(context.tracestate, _MEMBER, without))


def is_kept(random: int, ratio: float) -> bool:
    """Whether a trace of that randomness is in the share: a larger one has all of these, too."""
    return random >= threshold(ratio)
