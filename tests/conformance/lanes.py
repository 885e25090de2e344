# SPDX-License-Identifier: MIT
"""Runs a case in every lane and compares: what the program saw, and what the tracer told."""

from __future__ import annotations

import difflib
import functools
import hashlib
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conformance import view
from tests.conformance.differences import DIFFERENCES
from tests.engine.tools import END, ENTER, EXIT, START, environment, read_events

if TYPE_CHECKING:
    from collections.abc import Collection

    from tests.conformance.build import Subjects
    from tests.conformance.cases import Case

LIMIT = 60.0
PROGRAM = (sys.executable, "-m", "renacer_otel", "-q")
#: What the filtered lanes ask for; the ptrace lane's lines of these must be theirs.
CHOSEN = frozenset(
    "access faccessat faccessat2 openat write kill tgkill execve execveat fork vfork clone clone3"
    " wait4 waitid exit exit_group prctl seccomp".split()
)
_CHOICE = "trace=?" + ",?".join(sorted(CHOSEN))


@dataclass(frozen=True)
class Lane:
    """`options` go to our program; `disable` is RENACER_DISABLE."""

    name: str
    options: tuple[str, ...] = ()
    disable: str = ""
    record: bool = False
    filtered: bool = False

    def prefix(self, out: Path) -> list[str]:
        """The words before the subject's."""
        if self.name == "bare":
            return []
        if self.name == "strace":
            return ["strace", "-f", "-q", "-o", str(out)]
        return [*PROGRAM, *self.options, "-o", str(out), "--"]


LANES = (
    Lane("bare"),
    Lane("ptrace"),
    Lane("record", ("--format", "record"), record=True),
    Lane("no-get-syscall-info", disable="get_syscall_info"),
    Lane("no-process-vm-readv", disable="process_vm_readv"),
    Lane("no-co-location", ("--cpu", "free")),
    Lane("no-sealing", disable="sealing"),
    Lane("filtered", ("--seccomp-bpf", "on", "-e", _CHOICE), filtered=True),
    Lane("no-seccomp", ("-e", _CHOICE), "seccomp", filtered=True),
    Lane("python", ("--engine", "python")),
    Lane("strace"),
)
REFERENCE = "ptrace"


@functools.lru_cache
def hindrance(lane: Lane) -> str | None:
    """Why a lane cannot run here; None where it can."""
    if lane.name == "bare":
        return None
    if lane.name == "strace":
        return None if shutil.which("strace") else "needs strace"
    done = subprocess.run(
        [*lane.prefix(Path(os.devnull)), "true"],
        env=environment(RENACER_DISABLE=lane.disable),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LIMIT,
        check=False,
    )
    return None if done.returncode == 0 else f"not to be had here: {done.stderr.strip()[:100]}"


@functools.lru_cache
def strace_version() -> str:
    if not shutil.which("strace"):
        return "no strace"
    shown = subprocess.run(["strace", "-V"], capture_output=True, text=True, check=False).stdout
    return shown.partition("\n")[0].replace(" -- version", "")


@dataclass(frozen=True)
class Seen:
    """What the program saw and did; the same in every lane."""

    status: int
    output: str
    errors: str
    files: tuple[tuple[str, int, str], ...]  # path, mode, digest of the content


@dataclass
class Outcome:
    """What became of a case: what differs without an explanation, and what was not run."""

    runs: int = 0
    problems: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    used: Counter[str] = field(default_factory=Counter)


def _files(folder: Path) -> tuple[tuple[str, int, str], ...]:
    found = []
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        digest = hashlib.sha256(content).hexdigest()[:16]
        found.append((str(path.relative_to(folder)), status.st_mode, digest))
    return tuple(found)


def _words(case: Case, lane: Lane, subjects: Subjects, out: Path) -> list[str]:
    def run(name: str) -> list[str]:
        interpreter = [sys.executable, "-ISB"] if name.endswith(".py") else []
        return [*interpreter, str(subjects.path(name))]

    around = [*run(case.around[0]), *case.around[1:]] if case.around else []
    return [*around, *lane.prefix(out), *run(case.subject), *case.words]


def _run(case: Case, lane: Lane, subjects: Subjects, folder: Path) -> tuple[Seen, Path]:
    """One run in a fresh folder, the same path each time."""
    work, out = folder / "work", folder / f"{lane.name}.out"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    work.chmod(0o755)
    env = environment(RENACER_DISABLE=lane.disable) if lane.disable else environment()
    process = subprocess.Popen(
        _words(case, lane, subjects, out),
        cwd=work,
        env={**env, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="surrogateescape",
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate()
        errors += f"[killed after {LIMIT:.0f} s]"
    return Seen(process.returncode, output, errors, _files(work)), out


def _check_record(path: Path) -> tuple[list[str], Counter[tuple[str, int]]]:
    """Faults of a TRACE file by itself, and its calls with their results counted."""
    faults = []
    living: dict[int, str | None] = {}
    calls: Counter[tuple[str, int]] = Counter()
    births: Counter[int] = Counter()
    for event in read_events(path):
        if event.kind == START:
            births[event.tid] += 1
            if event.tid in living:
                faults.append(f"{event.tid} was born twice")
            living[event.tid] = None
        elif event.tid not in living:
            faults.append(f"{event.name or event.kind} of {event.tid}, which is not alive")
        elif event.kind == END:
            del living[event.tid]
        elif event.kind == ENTER:
            if living[event.tid] is not None:
                faults.append(f"{event.tid} in two calls: {living[event.tid]}, {event.name}")
            living[event.tid] = event.name
        elif event.kind == EXIT:
            # After an exec from a thread the call ends under the leader's id.
            if living[event.tid] != event.name and event.name != "execve":
                faults.append(f"{event.tid} left {event.name}, was in {living[event.tid]}")
            living[event.tid] = None
            calls[event.name, 0] += 1
    return faults, calls


def _diff(expected: list[list[str]], found: list[list[str]], name: str) -> list[str]:
    left = [line for thread in expected for line in [*thread, "-- thread"]]
    right = [line for thread in found for line in [*thread, "-- thread"]]
    told = difflib.unified_diff(left, right, REFERENCE, name, n=1, lineterm="")
    return [line[:300] for line in list(told)[:20]]


def _explained(threads: list[list[str]], lane: str, used: Counter[str]) -> list[list[str]]:
    """The lines with what the listed differences of a lane make of them."""
    rules = [
        rule for rule in DIFFERENCES if not (rule.programs or rule.errors) and rule.applies_to(lane)
    ]
    result = []
    for lines in threads:
        kept = []
        for line in lines:
            changed: str | None = line
            for rule in rules:
                if changed is not None and (after := rule.rewrite(changed)) != changed:
                    changed = after
                    used[rule.name] += 1
            if changed is not None:
                kept.append(changed)
        result.append(kept)
    return sorted(lines for lines in result if lines)


def _kept(found: view.View, case: Case, filtered: bool) -> list[list[str]]:
    """The lines that count, threads in an order of their own."""
    result = []
    for lines in found.threads.values():
        kept = []
        for line in lines:
            name = view.name_of(line)
            if name is not None and (name in case.ignored or (filtered and name not in CHOSEN)):
                continue
            kept.append(line)
        if kept:
            result.append(kept)
    return sorted(result)


def check(case: Case, subjects: Subjects, folder: Path, lanes: Collection[str] = ()) -> Outcome:
    """Runs a case in all lanes, or in some, compares, and says what is not as it must be."""
    outcome = Outcome()
    seen: dict[str, Seen] = {}
    told: dict[str, view.View] = {}
    for lane in LANES:
        if lanes and lane.name not in (*lanes, "bare", REFERENCE):
            continue
        why = case.skip.get(lane.name) or hindrance(lane)
        if why:
            outcome.skipped[lane.name] = why
            continue
        seen[lane.name], out = _run(case, lane, subjects, folder)
        outcome.runs += 1
        if lane.record:
            faults, _ = _check_record(out)
            outcome.problems += [f"{lane.name}: {fault}" for fault in faults]
        elif lane.name != "bare":
            text = out.read_text(errors="surrogateescape") if out.exists() else ""
            told[lane.name] = view.parse(text)
    _compare_programs(case, seen, outcome)
    _compare_traces(case, told, outcome)
    return outcome


def _apart(expected: Seen, saw: Seen) -> list[str]:
    def lines(seen: Seen) -> list[str]:
        told = [f"status {seen.status}", *seen.output.splitlines(), "-- errors"]
        return [*told, *seen.errors.splitlines(), *map(str, seen.files)]

    told = difflib.unified_diff(lines(expected), lines(saw), "as it must be", "seen", n=0)
    return [line[:300].rstrip("\n") for line in list(told)[:30]]


def _compare_programs(case: Case, seen: dict[str, Seen], outcome: Outcome) -> None:
    for name, found in seen.items():
        saw, expected = found, seen["bare"]
        for rule in DIFFERENCES:
            if not rule.applies_to(name):
                continue
            if rule.errors:
                saw = replace(saw, errors=re.sub(rule.errors, "", saw.errors, flags=re.MULTILINE))
                outcome.used[rule.name] += saw != found
            elif case.name in rule.programs and saw != expected:
                outcome.used[rule.name] += 1
                if rule.sees and re.fullmatch(rule.sees, saw.output):
                    expected = replace(expected, output=saw.output)
        if saw != expected:
            outcome.problems += [f"{name}: the program saw something else:", *_apart(expected, saw)]


def _compare_traces(case: Case, told: dict[str, view.View], outcome: Outcome) -> None:
    by_name = {lane.name: lane for lane in LANES}
    for name, found in told.items():
        outcome.problems += [f"{name}: {fault}" for fault in found.faults]
        if not case.told or name == REFERENCE:
            continue
        filtered = by_name[name].filtered
        expected = _explained(_kept(told[REFERENCE], case, filtered), name, Counter())
        lines = _explained(_kept(found, case, filtered), name, outcome.used)
        if lines != expected:
            outcome.problems += [f"{name} tells another story:", *_diff(expected, lines, name)]
    if case.told and not any(_kept(told[REFERENCE], case, False)):
        outcome.problems.append("nothing to compare: the trace is empty")
