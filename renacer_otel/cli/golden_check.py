# SPDX-License-Identifier: MIT
"""`golden check`: runs a command again, and says whether it still does what it did."""

from __future__ import annotations

import os
import tempfile
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.analysis.golden import (
    differences,
    lasting,
    learning,
    sentences,
    timing,
    verdict,
)
from renacer_otel.analysis.golden.load import Load, machine
from renacer_otel.analysis.golden.verdict import Verdict
from renacer_otel.cli import golden_capture, golden_names, recording
from renacer_otel.cli.golden_runs import How, observe
from renacer_otel.errors import RenacerError, TraceNotFound
from renacer_otel.spans import variables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from renacer_otel.analysis.golden.model import Difference, Golden
    from renacer_otel.cli.golden_runs import Observed

_RUNS = 5  # of a golden trace that is missing


class Choice(NamedTuple):
    """How to check. `command`, `copy_of`: others than the golden trace's own."""

    folder: str
    command: Sequence[str] | None = None
    strict: bool = False
    times: bool = True
    tolerance: float = timing.DEFAULT_TOLERANCE
    update: bool = False
    copy_of: str = ""
    places: Mapping[str, str] = MappingProxyType({})


def check(name: str, choice: Choice) -> Verdict:
    """Checks one golden trace; what goes wrong with it is in the verdict."""
    since = time.monotonic()
    found = Verdict(name, command=list(choice.command or ()), strict=choice.strict)
    _do(_check, found, choice)
    if choice.update:
        _do(_update, found, choice)
        if (
            found.was and (found.differences or found.slower) and found.error
        ):  # what has changed is told first
            found.not_updated, found.error = found.error, ""
    found.seconds = time.monotonic() - since
    return found


def _do(step: Callable[[Verdict, Choice], None], found: Verdict, choice: Choice) -> None:
    """What goes wrong stands in the verdict."""
    try:
        step(found, choice)
    except RenacerError as error:
        found.error, found.exit_code = error.message, error.analysis_exit_code


def _update(found: Verdict, choice: Choice) -> None:
    """Captures again what has changed, or what is missing and has a command."""
    if found.exit_code == verdict.SAME:
        return
    is_missing = found.exit_code == TraceNotFound.exit_code
    if found.exit_code != verdict.CHANGED and not (is_missing and found.command):
        found.notes.append(f"--update left it as it is: {_why_left(found.exit_code)}")
        return
    found.was = found.status
    captured = golden_capture.capture(
        found.name,
        found.command,
        choice.folder,
        runs=found.golden_runs or _RUNS,
        how=How(found.kept, found.source, choice.copy_of or found.copy_of, places=choice.places),
    )
    found.updated, found.exit_code, found.error = True, verdict.SAME, ""
    found.golden_runs = captured.golden.runs
    found.notes += captured.notes


def _why_left(code: int) -> str:
    if code == TraceNotFound.exit_code:
        return "to make it, write its command after --"
    if code == verdict.COMMAND_FAILED:
        return "the command failed; golden capture takes that as what is wanted"
    return "golden capture replaces it"


class _Looks:
    """Runs of the command so far, and which of them differ from the golden trace."""

    def __init__(self, golden: Golden, found: Verdict, place: str, choice: Choice) -> None:
        self._golden, self._command, self._choice = golden, found.command, choice
        copy_of = choice.copy_of or found.copy_of
        self._how = How(found.kept, found.source, copy_of, choice.folder, choice.places)
        home = variables.home(f"{name}={value}" for name, value in os.environ.items())
        self._folders = {**({"home": home} if home else {}), **choice.places, "folder": ""}
        self._trace = os.path.join(place, "now.renacer")
        self._own: list[Difference] = []  # of the first run, and of no first run before
        self._before: dict[str, bool] | None = None  # None: what it leaves behind is nothing to us
        self.observed: list[Observed] = []
        self.different: list[Observed] = []
        self.alone = ""  # what the first run left behind, so that it is judged alone
        self.as_first = 0  # runs that did what the golden trace's first one did

    def look(self) -> Observed:
        """One run more."""
        observed = observe(self._command, self._trace, self._how)
        self.observed.append(observed)
        return observed

    def compare(self) -> bool:
        """One run more; whether it is different."""
        observed = self.look()
        is_different = self._is_bad(self._between([observed]))
        if is_different:
            self.different.append(observed)
        return is_different

    def first(self) -> bool:
        """The first run; whether it is different. One that differs as the first run did that the
        golden trace knows of does not count, and the next is the first."""
        shared = not self._how.copy_of and self._golden.has_first
        before = lasting.standing(self._golden, self._folders) if shared else {}
        if not self.compare():
            return False
        self._own = lasting.own(self._golden, self._between(self.different), self.different[0].form)
        if not self._is_bad(self._own):
            self.observed, self.different, self.as_first = [], [], 1
            return self.compare()
        if shared:
            self._before = before
        return True

    def judges_alone(self) -> bool:
        """Whether the first run has left something behind, so that others say nothing of it."""
        if self._before is not None:
            later = [one.form for one in self.observed[1:]]
            first = self.observed[0].form
            self.alone = lasting.why_alone(
                self._golden, self._own, first, later, self._before, self._folders
            )
        return self.alone != ""

    def found(self) -> list[Difference]:
        """What all runs that are different do otherwise; if that is nothing, what the first does:
        the others may have met what that left."""
        if self.alone:
            return self._own
        common = self._between(self.different)
        return common if self._is_bad(common) else self._between(self.different[:1])

    def _between(self, observed: Sequence[Observed]) -> list[Difference]:
        return differences.between(self._golden, [one.form for one in observed])

    def _is_bad(self, found: Sequence[Difference]) -> bool:
        return differences.changed(found, strict=self._choice.strict)


def _check(found: Verdict, choice: Choice) -> None:
    golden = golden_names.read(found.name, choice.folder, found.command)
    found.command = list(choice.command or golden.command)
    found.golden_runs = golden.runs
    found.kept, found.copy_of = golden.form.kept, golden.copy_of
    found.source = any(item.source for role in golden.form.roles for item in role.items)
    load = Load()
    with tempfile.TemporaryDirectory(prefix="renacer-otel-") as place:
        looks = _Looks(golden, found, place, choice)
        is_changed = _is_changed(looks, choice)
        if looks.different and not is_changed:
            if looks.judges_alone():
                is_changed = True
                what = sentences.word(looks.alone)
                found.notes.append(
                    f"only the first run did so: it changed {what}, which the later"
                    " ones found. Of a cache, run the command once before; or capture with"
                    " --in-copy-of FOLDER, so that each run begins in a new copy"
                )
            else:
                found.notes.append(
                    f"one of {len(looks.observed)} runs was different, which does not count without"
                    f" --strict: {looks.found()[0].sentence}"
                )
        if is_changed:
            found.differences = looks.found()
            found.exit_code = verdict.CHANGED
            _tell_failure(found, golden, looks.different[-1].ran)
        elif choice.times:
            _judge_times(found, golden, looks, choice, load)
        found.notes += _unseen(golden, looks.observed)
        if lacking := [name for name in golden.places if name not in choice.places]:
            options = " ".join(f"--place {name}=FOLDER" for name in lacking)
            found.notes.append(f"the golden trace has {options}, the check has not: give it")
        found.runs = len(looks.observed) + looks.as_first


def _unseen(golden: Golden, observed: Sequence[Observed]) -> list[str]:
    """What was not compared, as a run or the golden trace does not tell it."""
    now = dict.fromkeys(sentence for one in observed for sentence in one.form.missing)
    before = [sentence for sentence in golden.form.missing if sentence not in now]
    varied = learning.varying(golden)
    before += [varied] if varied else []
    return [*now, *(f"of the golden trace: {sentence}" for sentence in before)]


def _is_changed(looks: _Looks, choice: Choice) -> bool:
    """Whether most of three runs are different; the first is enough if it is not, or --strict."""
    if not looks.first():
        return False
    if choice.strict:
        return True
    return looks.compare() or looks.compare()


def _tell_failure(found: Verdict, golden: Golden, ran: recording.Ran) -> None:
    """Exit code 4 where the command fails and its golden trace does not."""
    roles = golden.form.roles
    if not ran.failed or (roles and ran.exit in roles[0].exits):
        return
    found.exit_code = verdict.COMMAND_FAILED
    before = " or ".join(roles[0].exits) if roles else "not known"
    found.error = (
        f"the command {recording.how_it_ended(ran)}, before: {before}"
        + golden_capture.last_words(ran.output)
    )


def _judge_times(found: Verdict, golden: Golden, looks: _Looks, choice: Choice, load: Load) -> None:
    """Whether it is slower: runs it again where one run looks so, as often as the test needs."""
    figures = golden.form.figures
    needed = timing.runs_needed(golden.runs)
    if not figures.machine:
        found.notes.append(
            f"{verdict.TIMES_LEFT_OUT}: the golden ones were taken beside other work"
        )
        return
    if figures.machine != machine():
        found.notes.append(
            f"{verdict.TIMES_LEFT_OUT}: they are of another machine, {figures.machine}"
        )
        return
    suspects = timing.suspects(figures, looks.observed[-1].sample, choice.tolerance)
    if not suspects:
        return
    if needed is None:
        found.notes.append(
            f"it looks slower, but {golden.runs} golden runs are too few to tell; capture 3 or more"
        )
        return
    innocent, unfit = 0, ""
    while len(looks.observed) < needed and innocent < 2 and not unfit:
        unfit = load.why_unfit(len(looks.observed) / needed)
        if not unfit:
            sample = looks.look().sample
            innocent += not timing.suspects(figures, sample, choice.tolerance)
    if innocent >= 2:
        return
    samples = [one.sample for one in looks.observed]
    slower = [] if unfit else timing.judge(figures, samples, choice.tolerance)
    if unfit or (slower and (unfit := load.why_unfit())):
        what = slower[0].sentence if slower else timing.plain(suspects[0])
        found.notes.append(f"it looks slower, but times were not judged, as {unfit}: {what}")
        return
    found.slower = slower
    if slower:
        found.exit_code = verdict.CHANGED
