# SPDX-License-Identifier: MIT
"""Commands of ours in this process: what they may end with, and what they may say."""

from __future__ import annotations

import os
import re
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from renacer_otel.errors import RenacerError

# design.md's table, as far as it is of commands that read traces.
_CODES = frozenset({0, 1, 2, 3, 4, 5, 125})
_CONFIG = '[[assertion]]\nname = "few"\ntype = "span_count"\nmax_spans = 1000\n'


class BrokenPromise(Exception):  # noqa: N818
    """What was done with an input is not what may be done with one."""


def check_error(error: RenacerError) -> None:
    """One line, short, printable; a code of the table."""
    if error.analysis_exit_code not in _CODES:
        raise BrokenPromise(f"exit code {error.analysis_exit_code}") from error
    if not error.message.isprintable() or len(error.message) > 500:
        raise BrokenPromise(f"not one short line: {error.message!r}") from error


class Commands:
    """Those that read a trace, on the file at `path`."""

    def __init__(self, folder: Path, path: Path) -> None:
        config = folder / "renacer.toml"
        config.write_text(_CONFIG)
        trace = str(path)
        self._words = [
            ["report", trace],
            ["explain", trace, "1", "2"],
            ["check", "--config", str(config), trace],
            ["golden", "diff", trace, trace],
            ["compare", trace, trace],
        ]
        # An exception that nobody foresaw is raised, not told in a line.
        os.environ["RENACER_DEBUG"] = "1"

    def run(self, turn: int) -> None:
        """The turn's command. Raises BrokenPromise, and what the command should not have."""
        from renacer_otel.cli.main import main

        words = self._words[turn % len(self._words)]
        with tempfile.TemporaryFile() as out:
            saved = [os.dup(1), os.dup(2)]
            try:
                for number in (1, 2):
                    os.dup2(out.fileno(), number)
                code = main(words)
            finally:
                for number, descriptor in enumerate(saved, 1):
                    os.dup2(descriptor, number)
                    os.close(descriptor)
            out.seek(0)
            said = out.read(1 << 20).decode("utf-8", "backslashreplace")
        if code not in _CODES:
            raise BrokenPromise(f"{words[0]} ended with {code}")
        if re.search(r"Traceback|internal error", said):
            raise BrokenPromise(f"{words[0]} said {said[-2000:]}")
        if code in (2, 3) and not said.startswith("renacer-otel: "):
            raise BrokenPromise(f"{words[0]} ended with {code} and said {said[:500]!r}")
