# SPDX-License-Identifier: MIT
"""Golden traces of a folder, by their names."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

from renacer_otel.errors import TraceNotFound, UsageError, did_you_mean, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renacer_otel.analysis.golden.model import Golden

SUFFIX = ".golden"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MOST_TOLD = 10


def checked(name: str) -> str:
    """The name of a golden trace. Raises UsageError where it could be another file's."""
    if not _NAME.fullmatch(name) or name.endswith(("_source", SUFFIX, ".json")):
        raise UsageError(
            f"'{one_line(name, 60)}' cannot be a golden trace's name: up to 100 letters, digits,"
            " '.', '_' and '-', the first a letter or digit, without _source, .golden or .json at"
            " its end"
        )
    return name


def path_of(name: str, folder: str) -> str:
    """Where a golden trace is."""
    return os.path.join(folder, name + SUFFIX)


def read(name: str, folder: str, command: Sequence[str] = ()) -> Golden:
    """A golden trace. TraceNotFound says how to make it, and which there are.

    `command`: what it would be of. Raises TraceUnreadable, too.
    """
    from renacer_otel.analysis.golden import golden_file

    try:
        return golden_file.read(path_of(name, folder))
    except TraceNotFound as error:
        words = one_line(shlex.join(command), 80) or "COMMAND"
        near, known = there_are(name, folder)
        hint = f"; golden capture {name} -- {words} makes it"
        raise TraceNotFound(f"{error.message}{near}{hint}{known}") from error


def there_are(wanted: str, folder: str) -> tuple[str, str]:
    """What to add to an error: the name that is meant, and all that there are; "" = none."""
    try:
        known = all_of(folder)
    except TraceNotFound:
        return "", ""
    more = f" and {len(known) - _MOST_TOLD} more" if len(known) > _MOST_TOLD else ""
    return did_you_mean(wanted, known), f"; there are: {', '.join(known[:_MOST_TOLD])}{more}"


def all_of(folder: str) -> list[str]:
    """All golden traces of a folder. Raises TraceNotFound if there is none."""
    try:
        found = sorted(
            name.removesuffix(SUFFIX) for name in os.listdir(folder) if name.endswith(SUFFIX)
        )
    except OSError as error:
        raise TraceNotFound(
            f"{one_line(folder, 120)}: {error.strerror}; golden capture makes it"
        ) from error
    names = [name for name in found if _NAME.fullmatch(name)]
    if not names:
        raise TraceNotFound(f"{one_line(folder, 120)}: no golden trace in it; see golden capture")
    return names
