# SPDX-License-Identifier: MIT
"""What a stream had written to it, as one hash, however it was cut into writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from renacer_otel.engine.python_content import PRIMES
from renacer_otel.spans import replay

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from renacer_otel.spans.replay import Replay


def of_rows(run: Replay, rows: NDArray[np.int64], multiplexed: bool) -> str:
    """The hash of what these calls wrote, in order; "": not captured, or the order is chance.

    That is so where several threads wrote, or one that waits for several objects at once.
    """
    assert run.details is not None
    details = run.details.rows[rows]
    if (details["content"] != replay.CONTENT_HASHED).any():
        return ""
    calls = run.calls[rows]
    if (calls["thread"] != calls["thread"][0]).any():
        return ""
    if multiplexed and (details["object"] != details["object"][0]).any():
        return ""
    order = np.argsort(calls["seq"], kind="stable")
    first, second = PRIMES
    lanes = [0, 0]
    shifts: dict[int, tuple[int, int]] = {}
    for length, one, two in zip(
        details["hashed"][order].tolist(),
        details["hash"][order, 0].tolist(),
        details["hash"][order, 1].tolist(),
        strict=True,
    ):
        if length not in shifts:
            shifts[length] = (pow(256, -length, first), pow(256, -length, second))
        shift = shifts[length]
        lanes[0] = (lanes[0] * shift[0] + one) % first
        lanes[1] = (lanes[1] * shift[1] + two) % second
    return f"{lanes[0]:016x}{lanes[1]:016x}"
