# SPDX-License-Identifier: MIT
"""What options about the text mean that have several spellings: -y, -q."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel.cli.options import choose
from renacer_otel.engine.launch import DESCRIBED_FDS
from renacer_otel.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

# As strace has it. Of the others than attach and exit there are no messages here.
_MESSAGES = ("attach", "exit", "path-resolution", "personality", "thread-execve", "superseded")
_HEX_SHIFT = 16  # RN_TEXT_HEX_SHIFT


def choose_set(name: str, value: str, known: Sequence[str]) -> frozenset[str]:
    """The names of a list as strace takes it: `all`, `none`, `!LIST`. Raises UsageError."""
    negated = value.startswith("!")
    chosen: set[str] = set()
    for word in value.removeprefix("!").split(","):
        choose(name, word, (*known, "all", "none"))
        chosen |= set(known) if word == "all" else {word} - {"none"}
    return frozenset(set(known) - chosen if negated else chosen)


def described_fds(given: argparse.Namespace) -> frozenset[str]:
    """What is told of descriptors: of -y paths, of -yy all; or what --decode-fds names.

    Raises UsageError.
    """
    if given.decode_fds is None:
        return frozenset(DESCRIBED_FDS[: (0, 1, len(DESCRIBED_FDS))[min(given.decode_paths, 2)]])
    if given.decode_paths:
        raise UsageError("-y and --decode-fds ask for the same; drop one of them")
    return choose_set("--decode-fds", given.decode_fds, DESCRIBED_FDS)


def hex_strings(given: argparse.Namespace) -> int:
    """Which strings are shown in hex, as flags of the text. Raises UsageError."""
    names = ("none", "non-ascii-chars", "non-ascii", "all")  # in the order of enum rn_hex
    chosen = names[(0, 2, 3)[min(given.hex_strings, 2)]]
    if given.strings_in_hex is not None:
        if given.hex_strings:
            raise UsageError("-x and --strings-in-hex ask for the same; drop one of them")
        chosen = choose("--strings-in-hex", given.strings_in_hex, names)
    return names.index(chosen) << _HEX_SHIFT


def silenced(given: argparse.Namespace) -> frozenset[str]:
    """The messages that -q or --quiet leaves out: of _MESSAGES. Raises UsageError."""
    if given.quiet_set is None:
        return frozenset(_MESSAGES[: min(given.quiet, 2)])
    if given.quiet:
        raise UsageError("-q and --quiet ask for the same; drop one of them")
    return choose_set("--quiet", given.quiet_set, _MESSAGES)
