# SPDX-License-Identifier: MIT
"""What --spool and its companions ask for, and what is told of a spool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from renacer_otel import config as values
from renacer_otel.errors import ConfigError, UsageError, one_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

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
    limit = values.parse_size(given.spool_max, "--spool-max")
    on_full = _checked(limit, given.spool_full)
    return _spooling(given.spool, limit, on_full) if is_exported else None


def of_sidecar(given: argparse.Namespace, section: Mapping[str, Any]) -> Spooling | None:
    """As of_options(), for the sidecar, whose options are None where they are not given: then
    those of the section of the configuration hold."""
    path = section.get("spool") if given.spool is None else given.spool
    limit, on_full = section.get("spool_max"), section.get("spool_full")
    if path is None:
        if any(each is not None for each in (given.spool_max, given.spool_full, limit, on_full)):
            raise UsageError(
                "--spool-max and --spool-full (spool_max, spool_full) have no use alone; add"
                " --spool DIR"
            )
        return None
    if given.spool_max is not None:
        limit = values.parse_size(given.spool_max, "--spool-max")
    on_full = on_full if given.spool_full is None else given.spool_full
    from renacer_otel.exporters.spool import DEFAULT_LIMIT, ON_FULL

    limit = DEFAULT_LIMIT if limit is None else limit
    return _spooling(path, limit, _checked(limit, on_full or ON_FULL[0]))


def _checked(limit: int, on_full: str) -> str:
    """The policy. Raises UsageError, ConfigError."""
    from renacer_otel.cli.options import choose
    from renacer_otel.exporters.spool import MIN_LIMIT, ON_FULL

    chosen = choose("--spool-full", on_full, ON_FULL)
    if limit < MIN_LIMIT:
        raise ConfigError("--spool-max: give 1MiB or more")
    return chosen


def _spooling(path: str, limit: int, on_full: str) -> Spooling:
    from renacer_otel.sidecar.delivery import Spooling

    return Spooling(opened(path), limit, on_full)


def opened(path: str) -> SpoolFolder:
    """The folder, locked. Raises SpoolError."""
    from renacer_otel.exporters.spool_folder import SpoolFolder

    return SpoolFolder(path)


def kept(spans: int, folder: str, reason: str, who: str = "run") -> str:
    """What is told where spans stay in the spool, until `who` sends them."""
    shown = one_line(folder, 120)
    why = f" ({reason})" if reason else ""
    are = "span is" if spans == 1 else "spans are"
    return (
        f"{spans:,} {are} kept in {shown}{why}: the next {who} with this --spool sends them, or"
        f" renacer-otel spool send {shown}"
    )
