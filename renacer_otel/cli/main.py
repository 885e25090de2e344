# SPDX-License-Identifier: MIT
"""renacer-otel: traces the system calls of a command and exports them as OpenTelemetry spans.

usage: renacer-otel [run] [OPTION...] [--] COMMAND [ARGUMENT...]
       renacer-otel demo | doctor [OPTION...]

  run      trace a command (the default; renacer-otel run --help lists its options)
  demo     trace a small pipeline into an embedded receiver and show what arrived
  doctor   what this machine allows, and how to get what it lacks

  -V, --version   print the version      -h, --help   print this text
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Protocol, cast

from renacer_otel.errors import EXIT_OWN_FAILURE, RenacerError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = ("run", "demo", "doctor")


class Command(Protocol):
    """What every sub-command's module offers."""

    def main(self, arguments: Sequence[str]) -> int:
        """Runs it; returns the exit code. RenacerErrors are told by the caller."""
        ...


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point. Returns the exit code (or ends as the traced command did)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(words)
    except RenacerError as error:
        complain(error.message)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our standard output is gone; there is nobody left to tell.
        sys.stderr.close()
        return EXIT_OWN_FAILURE
    except KeyboardInterrupt:
        return 130


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write((__doc__ or "") if words else _usage())
        return 0 if words else EXIT_OWN_FAILURE
    if words[0] in ("-V", "--version"):
        from renacer_otel._version import __version__

        print(f"renacer-otel {__version__}")
        return 0
    name = words.pop(0) if words[0] in COMMANDS else "run"
    command = cast("Command", importlib.import_module(f"renacer_otel.cli.{name}"))
    return command.main(words)


def _usage() -> str:
    return (__doc__ or "").partition("\n\n")[2]


def complain(message: str) -> None:
    """One line to standard error, whatever happens to it."""
    try:
        sys.stderr.write(f"renacer-otel: {message}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass
