# SPDX-License-Identifier: MIT
"""`./dev golden changes [--time] [--all | NAME...]`: are changes found, and named?

Of each command a golden trace is captured; then it is checked in a new folder, changed in one
thing. Each change is found if the check says so by its exit code and names it in its first line.
A seeded third of all (RENACER_TEST_SCALE=full, or --all: all; with words: those of a command or
a change of that name). --time: the changes of times, on a machine that is quiet. Exit 1: a change
was missed, or a time could not be judged.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.analysis.golden.load import Load
from tests.golden.real import commands
from tests.golden.real.change_list import CHANGES, Change, in_words
from tests.golden.real.change_times import TIMES, WAITS
from tests.golden.real.commands import SERVER, Command
from tests.golden.real.session import CaptureFailedError, Checked, Session, session
from tests.required import REQUIRED
from tests.scale import FULL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SEED = 6
FOUND, MISSED, UNJUDGED, LEFT_OUT = "found", "MISSED", "NOT JUDGED", "left out"
_UNFIT = re.compile(r"  note: (.*times were not .*)")
_TRIES = 3  # of a time that could not be judged
_PATIENCE = 300.0  # seconds that the machine has to become quiet


class Row(NamedTuple):
    """A change, and what became of it."""

    command: str
    name: str
    verdict: str
    first_line: str
    seconds: float = 0.0


@dataclass(frozen=True)
class _Surrounded(Command):
    """A command whose environment has more; {folder} is its folder."""

    more: dict[str, str] = field(default_factory=dict)

    def environment(self, folder: Path) -> dict[str, str]:
        """With it."""
        more = {name: value.replace("{folder}", str(folder)) for name, value in self.more.items()}
        return {**super().environment(folder), **more}


def _known() -> dict[str, Command]:
    return {command.name: command for command in (*commands.COMMANDS, WAITS)}


def chosen(names: Sequence[str], *, times: bool, everything: bool) -> list[Change]:
    """The changes that are looked for. ValueError: nothing has such a name."""
    known = TIMES if times else CHANGES
    for name in names:
        if not any(name in (change.command, change.name) for change in known):
            raise ValueError(f"no command or change is called {name}")
    if names:
        return [change for change in known if {change.command, change.name} & set(names)]
    if everything or times:
        return list(known)
    third = random.Random(SEED).sample(range(len(known)), -(-len(known) // 3))
    return [known[at] for at in sorted(third)]


def _apply(change: Change, made: Session) -> Session:
    """Changes the folder; the command as it is run then."""
    for name, was, now in change.edits:
        path = made.folder / name
        text = path.read_text()
        if text.count(was) != 1:
            raise ValueError(f"{change.name}: {name} has {was!r} {text.count(was)} times")
        path.write_text(text.replace(was, now))
    command = _Surrounded(**vars(made.command), more=dict(change.environment))
    if change.script:
        subprocess.run(
            ["sh", "-ec", change.script], cwd=made.folder,
            env=made.command.environment(made.folder), check=True,
        )  # fmt: skip
    address = next(
        (
            here.removeprefix(before).removesuffix(after)
            for word, here in zip(made.command.words, made.words, strict=True)
            for before, server, after in [word.partition(SERVER)]
            if server
        ),
        "",
    )
    words = (word.replace(SERVER, address) for word in in_words(made.command.words, change))
    return replace(made, command=command, words=tuple(words))


def _look(golden: Session, change: Change, base: Path, *, times: bool) -> Row:
    """One change, in a folder of its own."""
    since = time.monotonic()
    with session(golden.command, base) as made:
        # As the golden trace's own folder was left by the run before.
        subprocess.run(
            made.words, cwd=made.folder, env=made.command.environment(made.folder), check=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        changed = replace(_apply(change, made), goldens=golden.goldens)
        options = () if times else ("--ignore-timing",)
        for _ in range(_TRIES if times else 1):
            if times and (why := _unquiet()):
                verdict, line = UNJUDGED, why
                break
            verdict, line = judged(change, changed.check(*options, words=changed.words))
            if verdict != UNJUDGED:
                break
    shutil.rmtree(base)
    return Row(change.command, change.name, verdict, line, time.monotonic() - since)


def judged(change: Change, checked: Checked) -> tuple[str, str]:
    """The verdict of a check of a change, and the line that tells of it."""
    line = checked.first_line or checked.err.strip()
    if checked.code == change.code and re.search(change.first, line):
        return FOUND, line
    unfit = _UNFIT.search(checked.out)
    if checked.code == 0 and unfit:
        return UNJUDGED, unfit[1]
    return MISSED, f"exit code {checked.code}: {line}"


def _unquiet() -> str:
    """Waits until no other program takes CPUs; why that is not so after all."""
    begun = time.monotonic()
    while True:
        load = Load()
        time.sleep(1)
        why = load.why_unfit()
        if not why or time.monotonic() - begun > _PATIENCE:
            return why


def _of_command(
    command: Command, changes: Sequence[Change], base: Path, *, times: bool
) -> list[Row]:
    """All changes of a command, against one golden trace of it."""
    if command.missing:
        verdict = MISSED if REQUIRED & set(command.missing) else LEFT_OUT
        why = f"needs {', '.join(command.missing)}"
        return [Row(command.name, one.name, verdict, why) for one in changes]
    with session(command, base / command.name / "000") as golden:
        if times and (why := _unquiet()):
            return [Row(command.name, one.name, UNJUDGED, why) for one in changes]
        try:
            golden.capture()
        except CaptureFailedError as error:
            return [Row(command.name, one.name, MISSED, str(error)) for one in changes]
        return [
            # Paths of one length: they pass through pipes, too.
            _look(golden, change, base / command.name / f"{number:03}", times=times)
            for number, change in enumerate(changes, 1)
        ]


def looked_for(changes: Sequence[Change], base: Path, *, times: bool) -> Iterator[Row]:
    """What became of changes; times one after the other, others two at a time."""
    known = _known()
    groups = {
        name: [change for change in changes if change.command == name]
        for name in dict.fromkeys(change.command for change in changes)
    }
    with ThreadPoolExecutor(1 if times else 2) as pool:
        jobs = [
            pool.submit(_of_command, known[name], group, base, times=times)
            for name, group in groups.items()
        ]
        for job in jobs:
            yield from job.result()


def main(words: list[str]) -> int:
    """The table; the exit code."""
    names = [word for word in words if not word.startswith("--")]
    if unknown := set(words) - {*names, "--time", "--all"}:
        print(f"no such option: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 125
    times = "--time" in words
    since = time.monotonic()
    counts: dict[str, int] = {}
    try:
        changes = chosen(names, times=times, everything=FULL or "--all" in words)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 125
    with tempfile.TemporaryDirectory(prefix="renacer-changes-") as folder:
        print("| command | change | found | first line |\n|---|---|---|---|")
        for row in looked_for(changes, Path(folder), times=times):
            counts[row.verdict] = counts.get(row.verdict, 0) + 1
            line = row.first_line.replace("|", "\\|").replace(folder, "")[:240]
            print(f"| {row.command} | {row.name} | {row.verdict} | {line} |", flush=True)
    told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    print(f"{len(changes)} changes: {told}; {time.monotonic() - since:.0f} s")
    return 1 if counts.get(FOUND, 0) + counts.get(LEFT_OUT, 0) < len(changes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
