# SPDX-License-Identifier: MIT
"""The other side of recording.py: records for a program, whose streams stay the command's.

    recorder.main([STATUS, ENVIRON, WORDS...])

STATUS: descriptor to which one JSON object a line is written: {"message": …} for what `run` would
tell on standard error, {"attached": [[pid, errno], …]}, at last {"wait_status": …} or {"error": …,
"text": …}. ENVIRON: descriptor from which the command's environment is read, "-" for ours.
WORDS: as those of `run`; with processes to attach to, and no command, it ends by SIGTERM.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from renacer_otel.cli import terminal
from renacer_otel.errors import EXIT_OWN_FAILURE, RenacerError, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Records; 0, or 125 where it could not."""
    status, environ, *words = arguments
    teller = _Teller(int(status))
    terminal.divert(lambda line: teller.tell(message=line.removeprefix("renacer-otel: ")))
    try:
        teller.tell(wait_status=_record(words, environ, teller))
    except RenacerError as error:
        teller.tell(error=type(error).__name__, text=error.message)
    except Exception as error:
        if os.environ.get("RENACER_DEBUG"):
            raise
        teller.tell(error="", text=one_line(f"{type(error).__name__}: {error}"))
    else:
        return 0
    return EXIT_OWN_FAILURE


class _Teller:
    def __init__(self, status: int) -> None:
        os.set_inheritable(status, False)  # the command shall not have it
        self._status = status

    def tell(self, **what: Any) -> None:
        """One line, at once."""
        os.write(self._status, json.dumps(what).encode() + b"\n")


def _record(words: list[str], environ: str, teller: _Teller) -> int:
    from renacer_otel.cli import attach, run

    def tell_attached(results: Sequence[tuple[int, int]]) -> None:
        attach.tell(results, quiet=True)  # raises why it cannot be
        teller.tell(attached=list(results))

    return run.recorded(
        words,
        run.Caller(
            environ=run.without_telemetry(),
            own_environ=None if environ == "-" else _read(int(environ)),
            on_attached=tell_attached,
        ),
    )


def _read(descriptor: int) -> list[str]:
    with open(descriptor, "rb") as file:
        return [os.fsdecode(entry) for entry in file.read().split(b"\0")[:-1]]
