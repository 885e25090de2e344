# SPDX-License-Identifier: MIT
"""What a stream had written to it, as one hash, however it was cut into writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from renacer_otel.spans import content, replay

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from renacer_otel.spans.replay import Replay

_ODD = 0x9E3779B97F4A7C15


def of_rows(run: Replay, rows: NDArray[np.int64], *, alone: bool, multiplexed: bool) -> str:
    """The hash of what these calls wrote; "": not captured, or what came when is chance.

    `alone`: they are of one thread that has its process for itself. Else the order is chance, and
    each write counts as a whole: "~" and a sum. `multiplexed`: it waits for several objects at
    once, and so may write a part.
    """
    assert run.details is not None
    details = run.details.rows[rows]
    if (details["content"] != replay.CONTENT_HASHED).any():
        return ""
    if multiplexed and (not alone or (details["object"] != details["object"][0]).any()):
        return ""
    if not alone:
        with np.errstate(over="ignore"):
            mixed = details["hash"][:, 0] * np.uint64(_ODD) ^ details["hash"][:, 1]
            mixed = (mixed ^ mixed >> np.uint64(29)) * np.uint64(_ODD) + details["hashed"]
        return f"~{int(mixed.sum(dtype=np.uint64)):016x}"
    order = np.argsort(run.calls["seq"][rows], kind="stable")
    lanes = zip(details["hash"][order, 0].tolist(), details["hash"][order, 1].tolist(), strict=True)
    return content.of_parts(details["hashed"][order].tolist(), lanes).hex
