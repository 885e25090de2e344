# SPDX-License-Identifier: MIT
"""The renacer.toml of --config, for commands that take some of its sections for options."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from renacer_otel.errors import ConfigError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from renacer_otel.analysis.assertions.config import Config


def of(given: argparse.Namespace) -> Config | None:
    """The file, checked whole, and read once; None = none was named. Raises ConfigError."""
    if given.config is None:
        return None
    found: Config | None = getattr(given, "config_file", None)
    if found is None:
        from renacer_otel.analysis.assertions import config

        with as_options():
            found = given.config_file = config.load(given.config)
    return found


@contextmanager
def as_options() -> Iterator[None]:
    """What is wrong there ends us as wrong options do: the exit code of `check` is another."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(error.message) from error
