# SPDX-License-Identifier: MIT
"""What memory that is shared with a file leaves in it: no call tells, so the tracer looks."""

from __future__ import annotations

import os
import re
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
_NAMELESS = re.compile(r"#[0-9]+ \(deleted\)$")  # how the kernel calls what O_TMPFILE made


class Left(NamedTuple):
    """`streams`: by role; `unseen`: files of which it is not known what was left in them."""

    streams: dict[int, list[Stream]]
    unseen: list[str]


def of_run(
    run: Replay, shapes: Shapes, names: Sequence[str], codes: NDArray[Any], role: NDArray[np.int64]
) -> Left:
    """What is left in the files that a run has mapped."""
    rows, write = _mappings(run, names, codes)
    seen = role[rows] >= 0
    rows, write = rows[seen], write[seen]
    if not len(rows):
        return Left({}, [])
    assert run.details is not None
    by_name, sure = _roles(run, rows, role), _roles(run, rows[write], role)
    if not run.metadata.get("states") or not run.end:
        return Left({}, sorted(name for name in sure if name))
    streams: dict[int, list[Stream]] = {}
    unseen = []
    # Of what is called otherwise by now.
    first = {min(min(roles) for roles in (sure or by_name).values())}
    for path, size, content in _files(run.end):
        name = shapes.words.of_path(path)
        if not content:
            unseen.append(_NAMELESS.sub("a file without a name", os.path.basename(name)))
            continue
        for number in sorted(by_name.get(os.path.basename(path), first)):
            one = Stream(MAPPED, name, Range(size, size), content)
            streams.setdefault(number, []).append(one)
    return Left(streams, unseen)


def _roles(run: Replay, rows: NDArray[np.int64], role: NDArray[np.int64]) -> dict[str, set[int]]:
    """Of these mappings, by the file's name: who made them."""
    assert run.details is not None
    found: dict[str, set[int]] = {}
    paths = run.details.rows["path"]
    for row in rows[grouping.grouped(paths[rows], role[rows])[0]].tolist():
        path = os.fsdecode(run.details.text(int(paths[row])))
        found.setdefault(os.path.basename(path), set()).add(int(role[row]))
    return found


def _mappings(
    run: Replay, names: Sequence[str], codes: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Calls that mapped a file so that memory may write it; and which of them said so."""
    details = run.details
    table = np.array([name in ("mmap", "mmap2") for name in names], bool)
    if details is None or details.shown is None or not table.any():
        return np.zeros(0, np.int64), np.zeros(0, bool)
    rows = np.flatnonzero(table[codes] & (run.calls["result"] != 0))
    rows = rows[details.rows["path"][rows] != 0]
    texts, index = grouping.indexed(details.shown["text"][rows])
    told = [details.text(int(text)) for text in texts]
    shared = np.array([b"MAP_SHARED" in text and b"MAP_ANONYMOUS" not in text for text in told])
    write = np.array([b"PROT_WRITE" in text for text in told], bool)
    if not len(rows):
        return rows, np.zeros(0, bool)
    kept = shared[index]
    return rows[kept], write[index][kept]


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
