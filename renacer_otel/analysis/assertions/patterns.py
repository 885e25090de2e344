# SPDX-License-Identifier: MIT
"""The anti-patterns by name: ours, and those of other packages by entry point."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from renacer_otel.errors import EXIT_BAD_CONFIGURATION, ConfigError, one_line

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from renacer_otel.analysis.assertions.finding import Rule

#: The group of entry points: name of the pattern = a Rule of finding.py.
GROUP = "renacer_otel.antipatterns"

# Where each of ours is: the module below analysis.assertions, and its rule.
_OURS = {
    "GodProcess": "rules_time",
    "TightLoop": "rules_loops",
    "PcieBottleneck": "rules_time",
    "TinyReads": "rules_io",
    "TinyWrites": "rules_io",
    "StatStorm": "rules_io",
    "OpenStorm": "rules_io",
    "RereadFile": "rules_io",
    "FsyncStorm": "rules_io",
    "BusyPolling": "rules_loops",
    "EagainSpin": "rules_loops",
    "ConnectionStorm": "rules_counts",
    "ForkStorm": "rules_counts",
    "FdLeak": "rules_counts",
    "SleepOnCriticalPath": "rules_time",
}


@functools.cache
def _others() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP) if point.name not in _OURS}


def ours() -> tuple[str, ...]:
    """The names of our own."""
    return tuple(_OURS)


def names() -> tuple[str, ...]:
    """The names of all that there are."""
    return (*_OURS, *sorted(_others()))


def rule(name: str) -> Rule:
    """The rule of a pattern. Raises ConfigError where another package's cannot be loaded."""
    import importlib

    from renacer_otel.analysis.assertions.finding import Rule

    if name in _OURS:
        module = importlib.import_module(f"renacer_otel.analysis.assertions.{_OURS[name]}")
        found = module.RULES[name]
    else:
        try:
            found = _others()[name].load()
        except Exception as error:
            what = one_line(f"{type(error).__name__}: {error}", 120)
            raise ConfigError(
                f"pattern {name}: its package cannot be loaded: {what}", EXIT_BAD_CONFIGURATION
            ) from error
    if not isinstance(found, Rule):
        raise ConfigError(f"pattern {name}: its entry point is no Rule", EXIT_BAD_CONFIGURATION)
    return found
