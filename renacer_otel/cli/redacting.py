# SPDX-License-Identifier: MIT
"""What is secret, by the options --redact, --config and by renacer.toml's [redact]."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from renacer_otel.cli import settings_file
from renacer_otel.engine.redaction import Redaction, Redactor, WrongPattern
from renacer_otel.errors import ConfigError, UsageError, one_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from typing import Any

    from renacer_otel.analysis.assertions.config import Config

_OFF = "off"


def chosen(given: argparse.Namespace) -> Redaction | None:
    """What a run replaces; None = nothing. Raises UsageError, ConfigError."""
    section = Redaction()
    if config := settings_file.of(given):
        with settings_file.as_options():
            section = of_file(config)
    patterns = tuple(word for word in given.redact if word != _OFF)
    if _OFF in given.redact:
        if patterns:
            raise UsageError("--redact off replaces nothing: leave out the other --redact")
        return None
    if not patterns:
        return section
    made = section._replace(patterns=section.patterns + patterns)
    try:
        Redactor(made)
    except WrongPattern as error:
        raise ConfigError(f"--redact {error.message}") from error
    return made


def of_file(config: Config) -> Redaction:
    """What [redact] says, checked. Raises ConfigError with the place."""
    found: Mapping[str, Any] = config.sections.get("redact", {})
    if not found:
        return Redaction()
    made = Redaction(found["defaults"], tuple(found["patterns"]), tuple(found["keys"]))
    try:
        Redactor(made)
    except WrongPattern as error:
        key = "patterns" if error.number >= 0 else "keys"
        what = f"{config.place('redact', key)}: {error.message}"
        raise ConfigError(what, ConfigError.analysis_exit_code) from error
    return made


def shown(words: Sequence[str], redaction: Redaction | None) -> str:
    """The options as they may be kept in a trace: no header's value, and nothing that is secret."""
    plain = words if redaction is None else Redactor(redaction).words(words)
    return one_line(shlex.join(_without_headers(plain)), 1000)


def _without_headers(words: Sequence[str]) -> list[str]:
    made = []
    for before, word in zip(["", *words], words, strict=False):
        name, equals, value = word.partition("=")
        if before == "--otlp-header":
            word = word if word.startswith("@") else f"{name}=…"
        elif name == "--otlp-header" and equals:
            word = f"{name}={value.partition('=')[0]}=…"
        made.append(word)
    return made
