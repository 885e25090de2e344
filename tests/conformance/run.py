# SPDX-License-Identifier: MIT
"""`./dev conformance [--runs N] [--load] [--lane LANE]… [NAME…]`: the cases, and how many agree.

Prints each run's line and what differs without an explanation; exits 1 if anything does.
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
from pathlib import Path

from tests.conformance.build import Subjects
from tests.conformance.cases import CASES, Case
from tests.conformance.differences import DIFFERENCES
from tests.conformance.lanes import LANES, Outcome, check, hindrance, strace_version
from tests.given_signals import take_signals
from tests.load import beside


def _once(cases: list[Case], subjects: Subjects, jobs: int, lanes: list[str]) -> dict[str, Outcome]:
    def one(case: Case) -> Outcome:
        with tempfile.TemporaryDirectory(prefix="renacer-conformance-") as folder:
            outcome = check(case, subjects, Path(folder), lanes)
        if outcome.problems:
            print(f"{case.name}:", *outcome.problems, sep="\n    ", flush=True)
        return outcome

    with ThreadPoolExecutor(jobs) as pool:
        return dict(zip((case.name for case in cases), pool.map(one, cases), strict=True))


def main() -> int:
    """Parses, runs, tells."""
    parser = argparse.ArgumentParser(prog="dev conformance", description=__doc__)
    parser.add_argument("--runs", type=int, default=1, metavar="N")
    parser.add_argument("--load", action="store_true", help="beside processes that compute")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N")
    parser.add_argument(
        "--lane",
        action="append",
        default=[],
        choices=[lane.name for lane in LANES],
        help="only this beside bare and ptrace; may be repeated",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only cases with that in the name")
    given = parser.parse_args()
    take_signals()
    chosen = [
        case for case in CASES if not given.names or any(name in case.name for name in given.names)
    ]
    cases = [case for case in chosen if case.hindrance() is None]
    print(f"{strace_version()}; Linux {os.uname().release}; {len(DIFFERENCES)} differences listed")
    for case in chosen:
        if why := case.hindrance():
            print(f"case {case.name}: skipped: {why}")
    for lane in LANES:
        if why := hindrance(lane):
            print(f"lane {lane.name}: skipped: {why}")
    used: Counter[str] = Counter()
    unexplained = runs = 0
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="renacer-subjects-"))
        if given.load:
            stack.enter_context(beside(os.cpu_count() or 1))
        for turn in range(1, given.runs + 1):
            begun = time.monotonic()
            outcomes = _once(cases, Subjects(Path(folder)), given.jobs, given.lane)
            bad = [outcome for outcome in outcomes.values() if outcome.problems]
            unexplained += len(bad)
            runs += sum(outcome.runs for outcome in outcomes.values())
            used.update(name for outcome in outcomes.values() for name in +outcome.used)
            print(
                f"run {turn} of {given.runs}: {len(cases)} cases, {len(bad)} unexplained,"
                f" {time.monotonic() - begun:.0f} s",
                flush=True,
            )
    for difference in DIFFERENCES:
        print(f"difference {difference.name}: in {used[difference.name]} cases")
    print(
        f"conformance: {len(cases)} cases, {given.runs} runs{' beside a load' * given.load},"
        f" {runs} programs run, {unexplained} unexplained"
    )
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
