# SPDX-License-Identifier: MIT
"""`golden diff`: what is different between two traces or golden traces."""

from __future__ import annotations

import functools
import os
import time
from typing import TYPE_CHECKING

from renacer_otel._version import __version__
from renacer_otel.analysis import loading
from renacer_otel.analysis.golden import (
    canonical,
    common,
    differences,
    golden_file,
    learning,
    verdict,
    worded,
)
from renacer_otel.analysis.golden.verdict import Verdict
from renacer_otel.cli import golden_names
from renacer_otel.errors import TraceFileError, TraceNotFound, UsageError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from renacer_otel.analysis.golden.model import Canonical, Golden
    from renacer_otel.spans.replay import Replay


def compare(before: str, after: str, folder: str, *, strict: bool) -> Verdict:
    """How `after` differs from `before`: files, or names of golden traces of the folder.

    Raises TraceNotFound, TraceUnreadable, UsageError.
    """
    since = time.monotonic()
    notes: list[str] = []
    first, second = _goldens((before, after), folder, notes)
    name = f"{one_line(before, 100)} -> {one_line(after, 100)}"
    found = Verdict(name, second.command, notes=notes, is_diff=True, strict=strict)
    found.differences = differences.between(first, [second.form])
    found.golden_runs, found.runs = first.runs, second.runs
    for word, side in ((before, first), (after, second)):
        found.notes += [f"{one_line(word, 100)}: {sentence}" for sentence in side.form.missing]
    found.notes = list(dict.fromkeys(found.notes))
    if differences.changed(found.differences, strict=strict):
        found.exit_code = verdict.CHANGED
    found.seconds = time.monotonic() - since
    return found


def _goldens(words: Sequence[str], folder: str, notes: list[str]) -> list[Golden]:
    """Each side as a golden trace; notes of what was not told, and so not compared."""
    found, kinds, others = [], [], []
    read = functools.cache(golden_file.read)
    kept = _kept(words, folder, read)
    for word in words:
        path, hint = _path(word, folder)
        try:
            if path.endswith(golden_names.SUFFIX):
                found.append(read(path))
                continue
            run = loading.load(path, shown=True, portable=True)
        except TraceFileError as error:
            if isinstance(error, TraceNotFound):
                known = "".join(golden_names.there_are(word, folder))
                where = f"golden trace of that name in {one_line(folder, 100)}"
                what = f"{one_line(word, 100)}: no such file, and no {where}{known}"
                raise TraceNotFound(what) from error
            raise type(error)(error.message + (f"; {hint}" if hint else "")) from error
        if hint:
            notes.append(hint)
        if run.lacks:
            notes.append(f"{one_line(word, 100)}: {run.form} does not tell {'; '.join(run.lacks)}")
        elif not run.has_hashes:
            notes.append(
                f"{one_line(word, 100)}: the contents of what it writes were not captured, and so"
                " are not compared (--capture hashes)"
            )
        kinds.append(common.kind(run))
        others += [(word, run.form)] if run.form != "record" else []
        found.append(_learned(word, run, canonical.of_replay(worded.worded(run), kept)))
        del run  # one at a time: they may be large
    if others and len(kinds) < len(words):
        word, form = others[0]
        raise UsageError(
            f"{one_line(word, 60)} is {form}, which tells less than a golden trace: compare it with"
            " the NAME.json beside that, or with a TRACE file"
        )
    if len(kinds) == len(words) and len(set(kinds)) > 1:
        runs = [loading.load(word) for word in words]
        notes.append(common.note(runs, [one_line(word, 100) for word in words]))
        found = [
            _learned(word, run, form)
            for word, run, form in zip(words, runs, common.forms(runs), strict=True)
        ]
    return found


def _kept(words: Sequence[str], folder: str, read: Callable[[str], Golden]) -> tuple[str, ...]:
    """The rules that are switched off in the golden traces among these. Raises UsageError."""
    paths = [_path(word, folder)[0] for word in words]
    found = {
        read(path).form.kept for path in paths
        if path.endswith(golden_names.SUFFIX) and os.path.exists(path)
    }  # fmt: skip
    if len(found) > 1:
        only = sorted(set.symmetric_difference(*map(set, found)))
        raise UsageError(
            f"they were captured by other rules ({', '.join(only)} are switched off in one):"
            " capture one of them again"
        )
    return found.pop() if found else ()


def _path(word: str, folder: str) -> tuple[str, str]:
    """The file that a word means; what to say where it might mean another, too."""
    path = golden_names.path_of(word, folder)
    there = os.path.lexists(path)  # whatever it is: to read it says what is wrong with it
    if not there or os.path.isdir(word) or not os.path.exists(word):
        return (path if there else word), ""
    shown = (one_line(word, 100), one_line(path, 120))
    return word, "{} is the file of that name here, not {}: name that to mean it".format(*shown)


def _learned(word: str, run: Replay, form: Canonical) -> Golden:
    """A run as a golden trace that was learned from it alone."""
    command = run.metadata.get("command")
    argv = [str(each) for each in command] if isinstance(command, list) else []
    return learning.learn([form], os.path.basename(word), argv, tool_version=__version__)
