# SPDX-License-Identifier: MIT
"""OTEL_* variables, read as their specification wants it.

Source: opentelemetry-specification, configuration/sdk-environment-variables.md, "Configuration
types". An empty value counts as unset. What makes no sense is told once, by the variable's name
and with what is used instead, and ignored.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from renacer_otel.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GENERAL = "OTEL_EXPORTER_OTLP_"
TRACES = "OTEL_EXPORTER_OTLP_TRACES_"
MAX_NUMBER = 2**31 - 1  # the specification's range


class Variables:
    """What the environment says, and what is to be told of it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.warnings: list[str] = []

    def text(self, name: str) -> str:
        """The value; "" = unset. White space around it is not part of it."""
        return self._environ.get(name, "").strip()

    def warn(self, name: str, value: str, problem: str, used: str) -> None:
        """Tells that the value of a variable is not used, and what is."""
        self.warnings.append(f"{name}: '{one_line(value, 40)}' {problem}; {used} is used")

    def option(self, option: str) -> tuple[str, str] | None:
        """(name of the variable, value) of OTEL_EXPORTER_OTLP_TRACES_`option`, else of the general
        one; None = neither is set."""
        for name in (TRACES + option, GENERAL + option):
            if value := self.text(name):
                return name, value
        return None

    def boolean(self, name: str, value: str) -> bool:
        """Only "true" in any case is true; all but "false" is told."""
        if value.lower() not in ("true", "false"):
            self.warn(name, value, "is neither true nor false", "false")
        return value.lower() == "true"

    def word(self, names: Sequence[str], known: Sequence[str], default: str) -> str:
        """The first of the variables that says a known word, in lower case; else `default`."""
        for at, name in enumerate(names):
            value = self.text(name).lower()
            if value in known:
                return value
            if value:
                used = self._next(names[at + 1 :], default)
                self.warn(name, value, f"is unknown (known: {', '.join(known)})", used)
        return default

    def number(
        self, names: Sequence[str], default: int | None, what: str, least: int = 0
    ) -> int | None:
        """The first of the variables that says a number of `what` from `least` on; else
        `default` (None = no limit)."""
        for at, name in enumerate(names):
            value = self.text(name)
            if re.fullmatch(r"\+?[0-9]{1,10}", value) and least <= int(value) <= MAX_NUMBER:
                return int(value)
            if value:
                shown = "no limit" if default is None else str(default)
                used = self._next(names[at + 1 :], shown)
                bounds = f"{least} to {MAX_NUMBER}"
                self.warn(name, value, f"is not a number of {what} ({bounds})", used)
        return default

    def _next(self, names: Sequence[str], default: str) -> str:
        """What is looked at next, for people."""
        return next((name for name in names if self.text(name)), default)


def both(option: str) -> tuple[str, str]:
    """The two variables of an option of OTLP, the one that goes first first."""
    return TRACES + option, GENERAL + option
