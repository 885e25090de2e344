# SPDX-License-Identifier: MIT
"""`renacer-otel attach`: trace processes that run already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel.cli import options, run
from renacer_otel.cli.terminal import complain
from renacer_otel.engine import attach
from renacer_otel.errors import TracingForbidden, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_TOLD = 20  # processes, by name


def main(arguments: Sequence[str]) -> int:
    """Parses, attaches, tells; 0, or 128 + the signal that ended the tracing."""
    given, words, names = options.RunParser("attach").parse(arguments)
    given.words = words
    for name in names:
        given.pids += attach.parse_pids(name, "attach")
    if not (given.pids or given.names or given.cgroups):
        raise UsageError("no process to attach to; give its id, --name PATTERN or --cgroup PATH")
    return run.trace(given, [])


def chosen(given: argparse.Namespace) -> list[int]:
    """The processes that the options name, each once. Raises UsageError, TracingForbidden.

    Of those that we never attach to, such as our own parent, a warning, if others are left.
    """
    pids = list(given.pids)
    for pattern in given.names:
        pids += attach.by_name(pattern)
    for path in given.cgroups:
        pids += attach.in_cgroup(path)
    pids = attach.unique(pids)
    refused = {pid: reason for pid in pids if (reason := attach.refusal(pid))}
    return _left(pids, refused)


def tell(results: Sequence[tuple[int, int]], *, quiet: bool) -> None:
    """Says to whom we are attached. `results`: pid and errno. Raises TracingForbidden."""
    pids = [pid for pid, _ in results]
    failed = {pid: attach.why(pid, number) for pid, number in results if number}
    there = _left(pids, failed)
    if not quiet:
        shown = ", ".join(map(attach.named, there[:_TOLD]))
        more = f" and {len(there) - _TOLD} others" if len(there) > _TOLD else ""
        complain(f"attached to {shown}{more}; Ctrl-C detaches")


def _left(pids: Sequence[int], failed: dict[int, str]) -> list[int]:
    """Those that did not fail; a line for each that did. Raises TracingForbidden if all did."""
    left = [pid for pid in pids if pid not in failed]
    *first, last = [*failed.values()] or [""]
    for reason in first:
        complain(reason)
    if failed and not left:
        raise TracingForbidden(last)
    if failed:
        complain(f"warning: {last}")
    return left
