# SPDX-License-Identifier: MIT
"""renacer-otel: traces the system calls of a command and exports them as OpenTelemetry spans.

usage: renacer-otel [run] [OPTION...] [--] COMMAND [ARGUMENT...]
       renacer-otel attach [OPTION...] PID...
       renacer-otel report | explain | query TRACE [OPTION...]
       renacer-otel check [OPTION...] (TRACE | -- COMMAND [ARGUMENT...])
       renacer-otel compare [OPTION...] (A B | --run 'COMMAND' --run 'COMMAND')
       renacer-otel golden capture | check | show | diff [OPTION...]
       renacer-otel sidecar [OPTION...]
       renacer-otel spool list | send DIR [OPTION...]
       renacer-otel demo | doctor [OPTION...]

  run      trace a command (the default; renacer-otel run --help lists its options)
  attach   trace processes that run already
  report   what a TRACE file tells of causes: their graph, the critical path
  explain  whether one span of it was before another, and why
  query    ask it in SQL
  check    whether the assertions of renacer.toml hold for a TRACE file or a command
  compare  whether two TRACE files, or two commands, left the same behind
  golden   capture what a command does, and check that it still does it
  sidecar  make and send the spans of what many tracers record
  spool    what waits in a spool for the collector; send it
  demo     trace a small pipeline into an embedded receiver and show what arrived
  doctor   what this machine allows, and how to get what it lacks

  -V, --version   print the version      -h, --help   print this text
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Protocol, cast

from renacer_otel.cli import terminal
from renacer_otel.errors import (
    EXIT_OWN_FAILURE,
    CommandNotFound,
    OutputError,
    RenacerError,
    Stopped,
    UsageError,
    one_line,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (
    "run", "attach", "sidecar", "report", "explain", "query", "check", "compare", "golden",
    "spool", "demo", "doctor"
)  # fmt: skip
_DEBUG = "RENACER_DEBUG"


class Command(Protocol):
    """What every sub-command's module offers."""

    def main(self, arguments: Sequence[str]) -> int:
        """Runs it; returns the exit code. RenacerErrors are told by the caller."""
        ...


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point. Returns the exit code (or ends as the traced command did)."""
    terminal.hold_closed_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(words)
    except RenacerError as error:
        if isinstance(error, OutputError):
            terminal.give_up_stdout()
        terminal.complain(error.message)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our standard output is gone, and content with what it got.
        terminal.give_up_stdout()
        return EXIT_OWN_FAILURE
    except KeyboardInterrupt as stop:
        return 128 + (stop.number if isinstance(stop, Stopped) else signal.SIGINT)
    except Exception as error:
        # Not left to Python, whose exit code 1 would be taken for the command's.
        if os.environ.get(_DEBUG):
            raise
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            terminal.complain(f"{error.strerror}; raise the limit on open files (ulimit -n)")
            return EXIT_OWN_FAILURE
        what = one_line(f"{type(error).__name__}: {error}")
        terminal.complain(f"internal error: {what}; please report it ({_DEBUG}=1 shows where)")
        return EXIT_OWN_FAILURE


def _dispatch(words: list[str]) -> int:
    if not words:
        raise UsageError("no command to trace; see renacer-otel --help")
    if words[0] in ("-h", "--help"):
        terminal.show(__doc__ or "")
        return 0
    if words[0] in ("-V", "--version"):
        terminal.show_version()
        return 0
    first = words[0]
    name = words.pop(0) if first in COMMANDS else "run"
    command = cast("Command", importlib.import_module(f"renacer_otel.cli.{name}"))
    try:
        return command.main(words)
    except CommandNotFound as error:
        raise CommandNotFound(error.message + _meant(error, first)) from error


def _meant(error: CommandNotFound, first: str) -> str:
    """What to add where a command that there is not may have been meant for a sub-command."""
    from difflib import get_close_matches

    name = error.message.partition(":")[0]
    if name in COMMANDS:
        return f"; the sub-command stands before all options: renacer-otel {name} …"
    close = get_close_matches(first, COMMANDS, 1, 0.8) if name == first else []
    return f"; or did you mean {close[0]}?" if close else ""
