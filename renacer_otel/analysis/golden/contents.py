# SPDX-License-Identifier: MIT
"""What a stream had written to it, as one hash, however it was cut into writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from renacer_otel.spans import content, replay

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
    lanes = zip(details["hash"][order, 0].tolist(), details["hash"][order, 1].tolist(), strict=True)
    return content.of_parts(details["hashed"][order].tolist(), lanes).hex
