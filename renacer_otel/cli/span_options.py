# SPDX-License-Identifier: MIT
"""Which spans there are, and in which traces: --fold, --spans, --keep and their like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from renacer_otel import config as values
from renacer_otel.cli import options
from renacer_otel.engine.launch import ABI_COUNT, FOLD_MODES, WORDS_PER_ABI
from renacer_otel.errors import ConfigError, UsageError, one_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

# As --spans has them; "folded" is all of them, folded always. In the order of RN_TELL_*.
SPANS = ("all", "process", "none", "folded")
_FEWEST = 16  # spans in a trace: root, processes, and some calls
_MOST = 1_000_000_000


def check(given: argparse.Namespace, *, exports: bool) -> None:
    """Raises UsageError for an option that leaves spans out where none are made."""
    if exports:
        return
    for name, value in (
        ("--export-min-duration", given.export_min_duration is not None),
        ("--export-errors-only", given.export_errors_only),
        ("--spans", given.spans != "all"),
    ):
        if value:
            raise UsageError(
                f"{name} is about spans, and none are made; add --otlp-endpoint URL, or"
                " --format otlp-json -o FILE"
            )


def flight(given: argparse.Namespace, *, exports: bool, form: str | None) -> int:
    """How many calls the flight recorder keeps; 0 = there is none. `form`: of the file, as asked
    for. Raises UsageError."""
    if given.flight_recorder is None:
        return 0
    most = values.parse_count(given.flight_recorder, "--flight-recorder", 1, 10_000_000)
    if given.follow_forks > 1:
        raise UsageError("--flight-recorder keeps one text; leave out -ff")
    if not given.core:
        raise UsageError("--flight-recorder needs the native core; leave it out")
    if not exports and (form in ("record", "none") or (given.plan and given.plan.only)):
        what = f"--format {form} keeps all" if form else "-c counts only"
        raise UsageError(
            f"--flight-recorder is about spans, text, csv and json, and {what}; add"
            " --otlp-endpoint URL, or leave it out"
        )
    return most


def tuning(given: argparse.Namespace) -> dict[str, Any]:
    """Fields of engine.launch.Tuning. Raises UsageError, ConfigError."""
    fold = options.choose("--fold", given.fold, FOLD_MODES)
    spans = options.choose("--spans", given.spans, SPANS)
    if spans == "folded":
        if fold == "off":
            raise UsageError("--spans folded and --fold off contradict each other; drop one")
        fold, spans = "always", "all"
    most = values.parse_count(given.max_trace_spans, "--max-trace-spans", 0, _MOST)
    if 0 < most < _FEWEST:
        raise ConfigError(f"--max-trace-spans: give {_FEWEST} or more, or 0 for no limit")
    shortest = given.export_min_duration
    errors, slow_ns, calls = _kept(given.keep)
    return {
        "fold": fold,
        "spans": spans,
        "max_trace_spans": most,
        "min_duration_ns": 0
        if shortest is None
        else values.parse_duration_ns(shortest, "--export-min-duration"),
        "errors_only": bool(given.export_errors_only),
        "keep_errors": errors,
        "keep_slow_ns": slow_ns,
        "keep_calls": calls,
    }


def _kept(spec: str) -> tuple[bool, int, Sequence[int] | None]:
    """(whether errors are kept, how long a call is slow, bitmaps of calls) of --keep."""
    errors, slow_ns = False, 0
    names = []
    words = spec.split(",")
    if words == ["none"]:
        return False, 0, None
    for word in words:
        name, equals, value = word.partition("=")
        if word == "errors":
            errors = True
        elif name == "slow":
            slow_ns = values.parse_duration_ns(value, "--keep slow")
            if not equals or not slow_ns:
                raise ConfigError("--keep slow: give a duration: --keep slow=10ms")
        elif not word or word == "none" or word.startswith("!"):
            raise UsageError(
                f"--keep: '{one_line(word, 40)}' is not one of errors, slow=TIME, a call or class"
                " as -e has it; or none alone"
            )
        else:
            names.append(word)
    return errors, slow_ns, _bitmaps(names) if names else None


def _bitmaps(names: Sequence[str]) -> Sequence[int]:
    from renacer_otel.sidecar import filters

    try:
        wanted = filters.select([f"trace={','.join(names)}"]).wanted
    except UsageError as error:
        raise UsageError(error.message.replace("-e trace:", "--keep:")) from error
    every = (1 << 64) - 1
    return [every] * (ABI_COUNT * WORDS_PER_ABI) if wanted is None else wanted
