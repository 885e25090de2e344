# SPDX-License-Identifier: MIT
"""Where the trace goes by -o, -A and -ff, and how its lines look."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from renacer_otel.cli import planted, terminal, text_options
from renacer_otel.engine import native
from renacer_otel.errors import OutputError, UsageError, one_line
from renacer_otel.sidecar.opened import Opened

if TYPE_CHECKING:
    import argparse


def check(given: argparse.Namespace, chosen: str | None) -> None:
    """Raises UsageError where -o, -A, -ff and --format do not go together."""
    path = given.output
    if path == "":
        raise UsageError("-o: the name is empty; name a file")
    if given.away and path is not None and _is_command(path):
        raise UsageError(
            "-D: -o '|command' would be a child of the command; give -o FILE or a FIFO"
        )
    if given.follow_forks > 1 and path is not None:
        if _is_command(path):
            raise UsageError("-ff writes a file for each thread: give -o FILE, not a command")
        if given.summary_only or given.summary:
            raise UsageError("-ff is for text; leave it out with -c and -C")
        if chosen not in (None, "text"):
            raise UsageError(f"-ff is for text; leave it out with --format {chosen}")
    if given.output_append_mode:
        if path is None or _is_command(path):
            raise UsageError("-A appends to a file: add -o FILE")
        if chosen not in (None, "text", "otlp-json"):
            raise UsageError(f"-A cannot append to --format {chosen}: one such file, one run")


def text_flags(given: argparse.Namespace) -> int:
    """RN_TEXT_* that the options ask for."""
    lib = native.lib
    flags = 0
    if given.output is None:
        flags |= lib.RN_TEXT_PID_BRACKET
    elif given.follow_forks < 2:
        flags |= lib.RN_TEXT_PID_ALWAYS
    if given.no_abbrev:
        flags |= lib.RN_TEXT_VERBOSE
    if given.syscall_times:
        flags |= lib.RN_TEXT_DURATION
    if given.absolute_timestamps:
        times = (lib.RN_TEXT_TIME, lib.RN_TEXT_TIME_US, lib.RN_TEXT_TIME_UNIX)
        flags |= times[min(given.absolute_timestamps, 3) - 1]
    if given.relative_timestamps:
        flags |= lib.RN_TEXT_RELATIVE
    if "exit" in text_options.silenced(given):
        flags |= lib.RN_TEXT_NO_EXITS
    flags |= text_options.hex_strings(given)
    return int(flags)


def open_output(given: argparse.Namespace) -> Opened:
    """What -o names, opened; standard error where there is no -o. Raises OutputError."""
    path: str | None = given.output
    if path is None:
        return Opened(standard_error())
    if _is_command(path):
        return _to_command(path)
    if given.follow_forks > 1:
        _check_prefix(path)
        return Opened(prefix=path, append=given.output_append_mode)
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
    flags |= os.O_APPEND if given.output_append_mode else os.O_TRUNC
    try:
        return Opened(planted.opened(path, flags))
    except (OSError, ValueError) as error:
        raise _cannot_write(path, error) from error


def standard_error() -> int:
    """A descriptor of its own for standard error. Raises OutputError."""
    if terminal.is_closed(2):
        raise OutputError("standard error is closed; use -o FILE")
    return os.dup(2)


def _is_command(path: str) -> bool:
    return path.startswith(("|", "!"))


def _to_command(path: str) -> Opened:
    import subprocess

    command = path[1:]
    if not command.strip() or "\0" in command:
        raise UsageError("-o '|': the command is missing; write -o '|gzip > trace.gz'")
    try:
        reader = subprocess.Popen(["/bin/sh", "-c", command], stdin=subprocess.PIPE)
    except OSError as error:
        raise OutputError(f"-o {one_line(path, 60)}: {error.strerror}") from error
    assert reader.stdin is not None
    return Opened(reader.stdin.fileno(), reader=reader, command=command)


def _check_prefix(path: str) -> None:
    """That files can be made there. Each is opened when its thread is first heard of."""
    folder = os.path.dirname(path) or "."
    try:
        if not stat.S_ISDIR(os.stat(folder).st_mode):
            raise NotADirectoryError(20, "Not a directory")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except (OSError, ValueError) as error:
        raise _cannot_write(path, error) from error
    if len(os.fsencode(path)) > 4000:
        raise OutputError(f"-o {one_line(path, 60)}: File name too long; name a shorter one")


def _cannot_write(path: str, error: Exception) -> OutputError:
    reason = getattr(error, "strerror", None) or "not a path"
    return OutputError(f"-o {one_line(path, 120)}: {reason}; name a file that can be written")
