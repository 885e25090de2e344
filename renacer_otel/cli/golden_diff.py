# SPDX-License-Identifier: MIT
"""`golden diff`: what is different between two traces or golden traces."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from renacer_otel._version import __version__
from renacer_otel.analysis import loading
from renacer_otel.analysis.golden import (
    canonical,
    differences,
    golden_file,
    learning,
    verdict,
    worded,
)
from renacer_otel.analysis.golden.verdict import Verdict
from renacer_otel.errors import one_line

if TYPE_CHECKING:
    from renacer_otel.analysis.golden.model import Golden

_SUFFIX = ".golden"


def compare(before: str, after: str, folder: str, *, strict: bool) -> Verdict:
    """How `after` differs from `before`: files, or names of golden traces of the folder.

    Raises TraceNotFound, TraceUnreadable.
    """
    since = time.monotonic()
    notes: list[str] = []
    first, second = (_golden(word, folder, notes) for word in (before, after))
    name = f"{one_line(before, 100)} -> {one_line(after, 100)}"
    found = Verdict(name, second.command, notes=notes, is_diff=True)
    found.differences = differences.between(first, [second.form])
    found.golden_runs, found.runs = first.runs, second.runs
    for word, side in ((before, first), (after, second)):
        found.notes += [f"{one_line(word, 100)}: {sentence}" for sentence in side.form.missing]
    found.notes = list(dict.fromkeys(found.notes))
    if differences.changed(found.differences, strict=strict):
        found.exit_code = verdict.CHANGED
    found.seconds = time.monotonic() - since
    return found


def _golden(word: str, folder: str, notes: list[str]) -> Golden:
    """A golden trace, or a trace as one that was learned from a single run; notes of the latter."""
    if not os.path.exists(word) and os.path.exists(os.path.join(folder, word + _SUFFIX)):
        word = os.path.join(folder, word + _SUFFIX)
    if word.endswith(_SUFFIX):
        return golden_file.read(word)
    run = worded.worded(loading.load(word, shown=True))
    if run.lacks:
        notes.append(f"{one_line(word, 100)}: {run.form} does not tell {'; '.join(run.lacks)}")
    command = run.metadata.get("command")
    words = [str(each) for each in command] if isinstance(command, list) else []
    form = canonical.of_replay(run)
    return learning.learn([form], os.path.basename(word), words, tool_version=__version__)
