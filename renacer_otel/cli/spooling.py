# SPDX-License-Identifier: MIT
"""What --spool and its companions ask for, and what is told of a spool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel import config as values
from renacer_otel.errors import ConfigError, UsageError, one_line

if TYPE_CHECKING:
    import argparse

    from renacer_otel.exporters.spool_folder import SpoolFolder
    from renacer_otel.sidecar.delivery import Spooling


def of_options(given: argparse.Namespace, *, is_exported: bool) -> Spooling | None:
    """The spool, its folder opened and locked; None = there is none, or nothing to be kept in it.

    Raises UsageError, ConfigError, SpoolError.
    """
    if given.spool is None:
        if given.spool_max != "1GiB" or given.spool_full != "drop-newest":
            raise UsageError("--spool-max and --spool-full have no use alone; add --spool DIR")
        return None
    from renacer_otel.cli.options import choose
    from renacer_otel.exporters.spool import MIN_LIMIT, ON_FULL
    from renacer_otel.sidecar.delivery import Spooling

    on_full = choose("--spool-full", given.spool_full, ON_FULL)
    limit = values.parse_size(given.spool_max, "--spool-max")
    if limit < MIN_LIMIT:
        raise ConfigError("--spool-max: give 1MiB or more")
    return Spooling(opened(given.spool), limit, on_full) if is_exported else None


def opened(path: str) -> SpoolFolder:
    """The folder, locked. Raises SpoolError."""
    from renacer_otel.exporters.spool_folder import SpoolFolder

    return SpoolFolder(path)


def kept(spans: int, folder: str, reason: str) -> str:
    """What is told where spans stay in the spool."""
    shown = one_line(folder, 120)
    why = f" ({reason})" if reason else ""
    are = "span is" if spans == 1 else "spans are"
    return (
        f"{spans:,} {are} kept in {shown}{why}: the next run with this --spool sends them, or"
        f" renacer-otel spool send {shown}"
    )
