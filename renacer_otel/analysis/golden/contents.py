# SPDX-License-Identifier: MIT
"""What a stream had written to it, as one hash, however it was cut into writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from renacer_otel.spans import content, grouping, replay

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from renacer_otel.spans.content import Content
    from renacer_otel.spans.replay import Replay

_ODD = 0x9E3779B97F4A7C15


def of_rows(run: Replay, rows: NDArray[np.int64], *, alone: bool, multiplexed: bool) -> str:
    """The hash of what these calls wrote; "": not captured, or what came when is chance.

    `alone`: they are of one thread that has its process for itself. Else the order is chance, and
    each write counts as a whole: "~" and a sum. `multiplexed`: it waits for several objects at
    once, and so may write a part: each object counts as a whole, "=" and a sum of several.
    """
    assert run.details is not None
    details = run.details.rows[rows]
    if (details["content"] != replay.CONTENT_HASHED).any():
        return ""
    if multiplexed:
        return _of_objects(run, rows)
    if alone:
        return _whole(run, rows).hex
    return "~" + _sum(details["hash"], details["hashed"])


def lengths(run: Replay, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many bytes calls moved; the folder of the run counts as RN_FOLDER of event.h in them."""
    assert run.details is not None
    details = run.details.rows
    moved = np.where(
        details["content"][rows] == replay.CONTENT_HASHED,
        details["hashed"][rows].astype(np.int64),
        run.calls["result"][rows],
    )
    found: NDArray[np.int64] = np.clip(moved, 0, 1 << 40)
    return found


def _of_objects(run: Replay, rows: NDArray[np.int64]) -> str:
    """Of each object what was written to it; "": several threads wrote to one."""
    assert run.details is not None
    _, objects = grouping.indexed(run.details.rows["object"][rows])
    order = np.argsort(objects, kind="stable")
    bounds = np.searchsorted(objects[order], np.arange(objects.max() + 2))
    parts = [
        rows[order[low:high]]
        for low, high in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    ]
    threads = run.calls["thread"]
    if any((threads[part] != threads[part[0]]).any() for part in parts):
        return ""
    wholes = [_whole(run, part) for part in parts]
    if len(wholes) == 1:
        return wholes[0].hex
    lanes = np.array([whole.lanes for whole in wholes], np.uint64)
    return "=" + _sum(lanes, np.array([whole.length for whole in wholes], np.uint64))


def _whole(run: Replay, rows: NDArray[np.int64]) -> Content:
    """What was written one after the other."""
    assert run.details is not None
    details = run.details.rows[rows[np.argsort(run.calls["seq"][rows], kind="stable")]]
    lanes = zip(details["hash"][:, 0].tolist(), details["hash"][:, 1].tolist(), strict=True)
    return content.of_parts(details["hashed"].tolist(), lanes)


def _sum(lanes: NDArray[np.uint64], lengths: NDArray[Any]) -> str:
    """Of contents in any order."""
    with np.errstate(over="ignore"):
        mixed = lanes[:, 0] * np.uint64(_ODD) ^ lanes[:, 1]
        mixed = (mixed ^ mixed >> np.uint64(29)) * np.uint64(_ODD) + lengths.astype(np.uint64)
    return f"{int(mixed.sum(dtype=np.uint64)):016x}"
