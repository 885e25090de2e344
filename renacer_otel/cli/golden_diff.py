# SPDX-License-Identifier: MIT
"""`golden diff`: what is different between two traces or golden traces."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from renacer_otel._version import __version__
from renacer_otel.analysis.golden import canonical, differences, golden_file, learning, verdict
from renacer_otel.analysis.golden.verdict import Verdict
from renacer_otel.errors import one_line
from renacer_otel.spans import replay

if TYPE_CHECKING:
    from renacer_otel.analysis.golden.model import Golden

_SUFFIX = ".golden"


def compare(before: str, after: str, folder: str, *, strict: bool) -> Verdict:
    """How `after` differs from `before`: files, or names of golden traces of the folder.

    Raises TraceNotFound, TraceUnreadable.
    """
    since = time.monotonic()
    first, second = _golden(before, folder), _golden(after, folder)
    found = Verdict(f"{one_line(before, 100)} -> {one_line(after, 100)}", second.command)
    found.differences = differences.between(first, [second.form])
    found.golden_runs, found.runs = first.runs, second.runs
    for name, side in ((before, first), (after, second)):
        found.notes += [f"{one_line(name, 100)}: {sentence}" for sentence in side.form.missing]
    if differences.changed(found.differences, strict=strict):
        found.exit_code = verdict.CHANGED
    found.seconds = time.monotonic() - since
    return found


def _golden(word: str, folder: str) -> Golden:
    """A golden trace, or a trace as one that was learned from a single run."""
    if not os.path.exists(word) and os.path.exists(os.path.join(folder, word + _SUFFIX)):
        word = os.path.join(folder, word + _SUFFIX)
    if word.endswith(_SUFFIX):
        return golden_file.read(word)
    run = replay.of_trace(word, shown=True)
    command = run.metadata.get("command")
    words = [str(each) for each in command] if isinstance(command, list) else []
    form = canonical.of_replay(run)
    return learning.learn([form], os.path.basename(word), words, tool_version=__version__)
