# SPDX-License-Identifier: MIT
"""Runs the installed command, and reads what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

RENACER = str(Path(sys.executable).parent / "renacer-otel")
DENY = str(Path(__file__).parent / "deny.py")

# Long enough for a loaded machine; nothing waits for it where all is well.
PATIENCE = 60.0

_LAST_LINE = re.compile(
    r"renacer-otel: (?P<calls>[\d,]+) calls?, (?:[\d,]+ filtered out, )?"
    r"(?:(?P<sent>[\d,]+) spans? sent, (?P<rejected>[\d,]+) rejected, )?(?P<lost>[\d,]+) lost"
    r"(?:, (?P<spooled>[\d,]+) spooled)?"
    r"(?:, (?P<unwritten>[\d,]+) (?:line|record|span|row)s? not written)?"
    r"; tracer \d+ % of (?P<wall>\d+\.\d{3}) s"
    r", about (?P<added>\d+\.\d{3}) s of it added by tracing"
)


class Done(NamedTuple):
    """A run that has ended. `code` is negative where a signal ended it."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What it told, line by line."""
        return self.err.splitlines()

    @property
    def error(self) -> str:
        """The one line of a run that failed; fails the test if it is not just that."""
        return the_error(self.err)

    @property
    def totals(self) -> Totals:
        """The numbers of the last line."""
        return read_totals(self.lines[-1])


class Totals(NamedTuple):
    """The numbers of a run's last line; sent and rejected are None without an exporter.

    `wall` and `added` are seconds: of the run, and those that tracing added to it.
    """

    calls: int
    sent: int | None
    rejected: int | None
    lost: int
    unwritten: int
    wall: float
    added: float
    spooled: int = 0


def the_error(text: str) -> str:
    """The one line that stderr holds, without our name."""
    assert text.endswith("\n"), text
    line = text[:-1]
    assert line.startswith("renacer-otel: "), text
    assert line.isprintable(), repr(text)  # one line, and nothing that a terminal obeys
    assert len(line) < 500, text
    return line.removeprefix("renacer-otel: ")


def read_totals(line: str) -> Totals:
    """Reads a last line."""
    match = _LAST_LINE.fullmatch(line)
    assert match, line

    def number(name: str) -> int | None:
        return None if match[name] is None else int(match[name].replace(",", ""))

    return Totals(
        number("calls") or 0,
        number("sent"),
        number("rejected"),
        number("lost") or 0,
        number("unwritten") or 0,
        float(match["wall"]),
        float(match["added"]),
        number("spooled") or 0,
    )


def environ(**more: str) -> dict[str, str]:
    """The environment of a run: this one's, and `more`."""
    return {**os.environ, **more}


def run_program(
    words: Sequence[str | bytes | Path], env: Mapping[str, str] | None = None, **how: Any
) -> Done:
    """Runs a program to its end. Bytes that are no UTF-8 come back as escapes."""
    how.setdefault("stdin", subprocess.DEVNULL)
    how.setdefault("stdout", subprocess.PIPE)
    how.setdefault("stderr", subprocess.PIPE)
    done = subprocess.run(
        words, env=env, check=False, timeout=PATIENCE, **how, errors="backslashreplace"
    )
    return Done(done.returncode, done.stdout or "", done.stderr or "")


def renacer(*words: str | bytes | Path, env: Mapping[str, str] | None = None, **how: Any) -> Done:
    """Runs `renacer-otel WORDS…` to its end."""
    return run_program([RENACER, *words], env, **how)


def denied(rules: Sequence[str], *words: str | Path, **how: Any) -> Done:
    """Runs `renacer-otel WORDS…` under a seccomp filter; `rules` as deny.py takes them."""
    return run_program([sys.executable, DENY, *rules, "--", RENACER, *words], **how)


@contextmanager
def started(*words: str | Path, **how: Any) -> Iterator[subprocess.Popen[str]]:
    """`renacer-otel WORDS…` while it runs; killed if the test leaves it running."""
    how.setdefault("stdout", subprocess.PIPE)
    how.setdefault("stderr", subprocess.PIPE)
    with subprocess.Popen([RENACER, *words], stdin=subprocess.DEVNULL, text=True, **how) as process:
        try:
            yield process
        finally:
            process.kill()


def until(condition: Callable[[], bool]) -> None:
    """Returns as soon as `condition` holds; fails after PATIENCE."""
    import time

    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    """The processes that the threads of `pid` have made and that are there still."""
    found = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # of a thread that has just ended
            found += [int(word) for word in listing.read_text().split()]
    return found


def call_lines(text: str) -> list[str]:
    """The lines of a text trace that begin a call: one for each call that was recorded."""
    return [line for line in text.splitlines() if re.match(r"(\d+ +)?[a-z_0-9]+\(", line)]


def call_names(text: str) -> list[str]:
    """The names of the calls in a text trace, in order."""
    names = (re.match(r"(?:\d+ +)?([a-z_0-9]+)\(", line) for line in call_lines(text))
    return [name[1] for name in names if name]
