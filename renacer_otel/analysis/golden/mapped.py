# SPDX-License-Identifier: MIT
"""What memory that is shared with a file leaves in it: no call tells, so the tracer looks."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from renacer_otel.analysis.golden.model import Range, Stream
from renacer_otel.spans import grouping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from renacer_otel.analysis.golden.shapes import Shapes
    from renacer_otel.spans.replay import Replay

#: The direction of such a Stream.
MAPPED = "map"


class Left(NamedTuple):
    """`streams`: by role; `unseen`: files of which it is not known what was left in them."""

    streams: dict[int, list[Stream]]
    unseen: list[str]


def of_run(
    run: Replay, shapes: Shapes, names: Sequence[str], codes: NDArray[Any], role: NDArray[np.int64]
) -> Left:
    """What is left in the files that a run has mapped."""
    rows = _mappings(run, names, codes)
    rows = rows[role[rows] >= 0]
    if not len(rows):
        return Left({}, [])
    assert run.details is not None
    by_name: dict[str, set[int]] = {}
    for row in rows[grouping.grouped(run.details.rows["path"][rows], role[rows])[0]].tolist():
        path = os.fsdecode(run.details.text(int(run.details.rows["path"][row])))
        by_name.setdefault(os.path.basename(path), set()).add(int(role[row]))
    if not run.metadata.get("states") or not run.end:
        return Left({}, sorted(name for name in by_name if name))
    streams: dict[int, list[Stream]] = {}
    unseen = []
    first = {min(min(roles) for roles in by_name.values())}  # if it is called otherwise by now
    for path, size, content in _files(run.end):
        name = shapes.words(path)
        if not content:
            unseen.append(name)
            continue
        for number in sorted(by_name.get(os.path.basename(path), first)):
            one = Stream(MAPPED, name, Range(size, size), content)
            streams.setdefault(number, []).append(one)
    return Left(streams, unseen)


def _mappings(run: Replay, names: Sequence[str], codes: NDArray[Any]) -> NDArray[np.int64]:
    """Calls that mapped a file so that memory writes it."""
    details = run.details
    table = np.array([name in ("mmap", "mmap2") for name in names], bool)
    if details is None or details.shown is None or not table.any():
        return np.zeros(0, np.int64)
    rows = np.flatnonzero(table[codes] & (run.calls["result"] != 0))
    texts, index = grouping.indexed(details.shown["text"][rows])
    writes = np.array([_writes(details.text(int(text))) for text in texts], bool)
    rows = rows[writes[index]] if len(texts) else rows
    named: NDArray[np.int64] = rows[details.rows["path"][rows] != 0]
    return named


def _writes(text: bytes) -> bool:
    return b"PROT_WRITE" in text and b"MAP_SHARED" in text and b"MAP_ANONYMOUS" not in text


def _files(end: dict[str, Any]) -> list[tuple[str, int, str]]:
    """Of each regular file that was mapped: path, size and hash; "": it is not known."""
    found = []
    try:
        for path, _, after, *mapped in end["files"]:
            if not mapped or after is None:
                continue
            mode, size, lanes = int(after[0]), int(after[4]), after[9]
            if mode == -1 or stat.S_ISREG(mode):
                known = "".join(f"{int(lane):016x}" for lane in lanes or ())
                found.append((str(path), size, known))
    except (LookupError, TypeError, ValueError, OverflowError):
        return []
    return sorted(found)
