# SPDX-License-Identifier: MIT
"""Arguments in words for traces that were not loaded from records, and so have only numbers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from renacer_otel.spans import replay

if TYPE_CHECKING:
    from renacer_otel.spans.replay import Replay

#: Different calls that are worded; what is beyond them has no words.
MOST = 200_000


def worded(run: Replay) -> Replay:
    """The run with the column `shown` of its details, as a replay of records has it.

    What its form does not tell (what arguments point to, what a descriptor was inherited from) is
    not there.
    """
    details = run.details
    if details is None or details.shown is not None:
        return run
    calls, rows = run.calls, details.rows
    key = np.zeros(len(calls), [("abi", "u1"), ("nr", "<i4"), ("args", "<u8", (6,))])
    key["abi"], key["nr"], key["args"] = calls["abi"], calls["nr"], rows["args"]
    _, first, inverse = np.unique(
        key.view((np.void, key.dtype.itemsize)).reshape(-1), return_index=True, return_inverse=True
    )
    texts: dict[bytes, int] = {}
    known = len(details.texts)
    numbers = np.zeros(len(first), np.uint32)
    for at, row in enumerate(first[:MOST].tolist()):
        text = replay.words(int(calls["abi"][row]), int(calls["nr"][row]), rows["args"][row])
        if text:
            numbers[at] = known + texts.setdefault(text, len(texts))
    shown = np.zeros(len(calls), replay.SHOWN)
    shown["text"], shown["other_fd"] = numbers[inverse.reshape(-1)], -1
    shown["path"], shown["other_path"] = rows["path"], rows["other_path"]
    lengths = np.fromiter(map(len, texts), "u8", len(texts))
    more = np.zeros(len(texts), replay.TEXT)
    more["len"], more["at"] = lengths, len(details.text_bytes) + np.cumsum(lengths) - lengths
    return dataclasses.replace(
        run,
        details=dataclasses.replace(
            details,
            shown=shown,
            texts=np.concatenate([details.texts, more]),
            text_bytes=np.concatenate(
                [details.text_bytes, np.frombuffer(b"".join(texts), np.uint8)]
            ),
        ),
    )
