# SPDX-License-Identifier: MIT
"""`./dev golden`: real commands captured, and checked again and again beside a CPU load.

Nothing about them has changed, so each difference that a check reports is a false alarm. Prints a
row for each command, and what alarms said; exits 1 if there was one. What only the first run of a
check did, and its second run did not, is no alarm, but is counted and told.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.given_signals import take_signals
from tests.golden.real.commands import COMMANDS, chosen
from tests.golden.real.session import CaptureFailedError, session
from tests.load import USUAL, beside
from tests.required import REQUIRED
from tests.scale import FULL

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.golden.real.commands import Command
    from tests.golden.real.session import Checked, Session

CHECKS = 200 if FULL else 10
RUNS = 5
_MOST_TOLD = 20


@dataclass
class Tally:
    """What became of the checks of one command."""

    name: str
    checks: int = 0
    runs: int = 0
    alarms: list[str] = field(default_factory=list)
    unconfirmed: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, checked: Checked) -> None:
        """One check more."""
        self.checks += 1
        report = checked.report
        self.runs += int(report.get("runs", 0))
        if checked.code:
            self.alarms.append(_told(checked))
        for note in report.get("notes", ()):
            if note.startswith("one of "):
                self.unconfirmed[note.partition(": ")[2]] += 1

    @property
    def row(self) -> tuple[str, ...]:
        """Its line of the table."""
        return (
            self.name, str(self.checks), str(self.runs), str(len(self.alarms)),
            str(self.unconfirmed.total()), f"{self.seconds:.0f}",
        )  # fmt: skip


def _told(checked: Checked) -> str:
    report = checked.report
    sentences = [one["sentence"] for part in ("differences", "slower")
                 for one in report.get(part, ())]  # fmt: skip
    said = sentences or [str(report.get("error") or ""), checked.err.strip()]
    return f"exit {checked.code}: " + "; ".join(filter(None, said))[:2000]


def tallied(name: str, check: Callable[[], Checked], checks: int) -> Tally:
    """So many checks, of which each makes a report in JSON."""
    tally = Tally(name)
    since = time.monotonic()
    for _ in range(checks):
        tally.add(check())
    tally.seconds = time.monotonic() - since
    return tally


def _print_row(words: tuple[str, ...]) -> None:
    name, *figures = words
    print(f"| {name:<18} |" + "".join(f" {word:>11} |" for word in figures), flush=True)


def _captured(
    commands: list[Command], base: Path, stack: ExitStack
) -> tuple[list[Session], list[str]]:
    """Sessions of those that can be captured here, and what failed."""
    sessions, failures = [], []
    for command in commands:
        if missing := command.missing:
            told = f"{command.name}: left out: needs {', '.join(missing)}"
            print(told)
            if not REQUIRED.isdisjoint(missing):
                failures.append(told)
            continue
        made = stack.enter_context(session(command, base))
        try:
            made.capture(RUNS)
        except CaptureFailedError as error:
            print(error)
            failures.append(str(error))
        else:
            sessions.append(made)
    return sessions, failures


def _run(made: Session, checks: int) -> Tally:
    tally = tallied(made.command.name, partial(made.check, "--format", "json"), checks)
    _print_row(tally.row)
    return tally


def _tell(tally: Tally) -> None:
    for said in tally.alarms[:_MOST_TOLD]:
        print(f"ALARM {tally.name}: {said}")
    for sentence, times in tally.unconfirmed.most_common(_MOST_TOLD):
        print(f"not confirmed, {times} times, {tally.name}: {sentence}")


def main(words: list[str] | None = None) -> int:
    """Parses, runs, tells."""
    parser = argparse.ArgumentParser(prog="dev golden", description=__doc__)
    parser.add_argument("--checks", type=int, default=CHECKS, metavar="N", help="of each command")
    parser.add_argument("--load", type=int, default=USUAL, metavar="N", help="busy loops")
    parser.add_argument("names", nargs="*", metavar="NAME",
        help=", ".join(command.name for command in COMMANDS))  # fmt: skip
    given = parser.parse_args(words)
    take_signals()
    try:
        commands = chosen(given.names)
    except ValueError as error:
        parser.error(str(error))
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="renacer-golden-")))
        sessions, failures = _captured(commands, base, stack)
        _print_row(("command", "checks", "runs", "alarms", "unconfirmed", "seconds"))
        print(f"|{'-' * 20}|" + f"{'-' * 12}:|" * 5, flush=True)
        stack.enter_context(beside(given.load))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            tallies = list(pool.map(lambda made: _run(made, given.checks), sessions))
    for tally in tallies:
        _tell(tally)
    alarms = sum(len(tally.alarms) for tally in tallies)
    checks = sum(tally.checks for tally in tallies)
    unconfirmed = sum(tally.unconfirmed.total() for tally in tallies)
    print(
        f"golden traces: {len(tallies)} commands, {checks} checks beside {given.load} busy loops,"
        f" {alarms} alarms, {unconfirmed} differences of a first run alone,"
        f" {len(failures)} failures"
    )
    return 1 if alarms or failures or not checks else 0


if __name__ == "__main__":
    sys.exit(main())
