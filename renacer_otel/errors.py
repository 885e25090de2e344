# SPDX-License-Identifier: MIT
"""What can go wrong, as exceptions that know their exit code.

    RenacerError                     125
    ├── UsageError                   125   wrong options or arguments
    ├── ConfigError                  125   bad flag value, variable or file (analysis: 5)
    ├── CommandError
    │   ├── CommandNotFound          127
    │   └── CommandNotExecutable     126
    ├── EngineError                  125   the tracer cannot do its work
    │   ├── TracingForbidden         125   ptrace refused: Yama, container, privileges
    │   ├── KernelTooOld             125
    │   └── RingMemoryError          125   no memory for the ring
    ├── CoreUnavailable              125   the native core cannot be loaded
    ├── OutputError                  125   the output cannot be opened or written
    ├── SpoolError                   125   the spool's folder cannot be used
    ├── LossError                    125   something was lost and --fail-on-loss was given
    └── TraceFileError                     a TRACE or golden file cannot serve
        ├── TraceNotFound              2
        └── TraceUnreadable            3   damaged, or from a newer version

A message is one line for the user: what is wrong, and what to do about it. The codes are
those of the table in the documentation of the command line; `run` and `attach` use
`exit_code`, the analysis commands use `analysis_exit_code`.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

EXIT_OWN_FAILURE = 125
EXIT_NOT_EXECUTABLE = 126
EXIT_NOT_FOUND = 127
EXIT_NO_TRACE = 2
EXIT_UNREADABLE = 3
EXIT_BAD_CONFIGURATION = 5


def one_line(text: str, limit: int = 200) -> str:
    """Returns `text` as printable characters on one line, cut at `limit` characters.

    For words that come from tracees, peers and the environment: a terminal must not obey them.
    Control, format (bidi) and other unprintable characters become backslash escapes, bytes that
    are no UTF-8 (as os.fsdecode hands them out) octal ones; a text that was cut ends in "…".
    """
    cut = text[: limit + 1]
    shown = "".join(char if char.isprintable() else _escaped(char) for char in cut)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _escaped(char: str) -> str:
    if "\udc80" <= char <= "\udcff":
        return f"\\{ord(char) - 0xDC00:o}"
    return char.encode("unicode_escape").decode("ascii")


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """What to add to an error: the nearest of `known`, as "; did you mean x?"; "" if none is."""
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), 1, cutoff)
    return f"; did you mean {close[0]}?" if close else ""


class RenacerError(Exception):
    """Base of all errors that are told to the user as one line."""

    exit_code: int = EXIT_OWN_FAILURE
    analysis_exit_code: int = EXIT_OWN_FAILURE

    def __init__(self, message: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        if exit_code is not None:
            self.exit_code = exit_code
            self.analysis_exit_code = exit_code


class UsageError(RenacerError):
    """Options or arguments that make no sense."""


class ConfigError(RenacerError):
    """A flag's value, an environment variable or a configuration file is wrong."""

    analysis_exit_code = EXIT_BAD_CONFIGURATION


class CommandError(RenacerError):
    """The command that was to be traced cannot be started."""


class CommandNotFound(CommandError):  # noqa: N818 (the table above)
    """There is no such command."""

    exit_code = EXIT_NOT_FOUND
    analysis_exit_code = EXIT_NOT_FOUND


class CommandNotExecutable(CommandError):  # noqa: N818 (the table above)
    """The command is there and cannot be executed."""

    exit_code = EXIT_NOT_EXECUTABLE
    analysis_exit_code = EXIT_NOT_EXECUTABLE


class EngineError(RenacerError):
    """The tracing engine failed."""


class TracingForbidden(EngineError):  # noqa: N818 (the table above)
    """The kernel refuses to let us trace."""


class KernelTooOld(EngineError):  # noqa: N818 (the table above)
    """The kernel lacks what the engine needs."""


class RingMemoryError(EngineError):
    """The ring's memory cannot be had."""


class CoreUnavailable(RenacerError):  # noqa: N818 (the table above)
    """The native core is missing or does not fit this package."""


class OutputError(RenacerError):
    """An output cannot be opened or written."""


class SpoolError(RenacerError):
    """The folder of a spool cannot be used, or another process uses it."""


#: Signals that ask us to end.
END = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Stopped(KeyboardInterrupt):
    """A signal has asked us to end, and all that we ran has ended; `number`: which."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class LossError(RenacerError):
    """Something was lost, and the user asked for that to be a failure."""


class TraceFileError(RenacerError):
    """A TRACE or golden file cannot serve."""


class TraceNotFound(TraceFileError):  # noqa: N818 (the table above)
    """No file of that name."""

    exit_code = EXIT_NO_TRACE
    analysis_exit_code = EXIT_NO_TRACE


class TraceUnreadable(TraceFileError):  # noqa: N818 (the table above)
    """Damaged, or written by a newer version."""

    exit_code = EXIT_UNREADABLE
    analysis_exit_code = EXIT_UNREADABLE
