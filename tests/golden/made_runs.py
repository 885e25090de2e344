# SPDX-License-Identifier: MIT
"""Runs made up: what threads do, and in which order it was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from renacer_otel.spans import replay
from renacer_otel.spans.replay import Details, Process, Replay

if TYPE_CHECKING:
    from collections.abc import Sequence

X86_64 = 1


class Call(NamedTuple):
    """A call that a thread makes; `text` as rn_replay_shown has it."""

    name: str
    text: str = ""
    path: str = ""
    result: int = 0
    thing: int = 0  # its object
    kind: int = 0


class Thread(NamedTuple):
    """A thread, by the number of its process; the first one of each is its leader."""

    process: int
    calls: Sequence[Call]


def made(threads: Sequence[Thread], turns: Sequence[int], base: int, addresses: int) -> Replay:
    """A run in which threads take turns. `base`: the first pid; `addresses`: what pointers are."""
    texts: dict[str, int] = {"": 0}

    def text(words: str) -> int:
        return texts.setdefault(words, len(texts))

    pids: dict[int, int] = {}
    rows = np.zeros(len(threads), replay.THREAD)
    for number, thread in enumerate(threads):
        tid = base + number
        pid = pids.setdefault(thread.process, tid)
        maker = replay.NO_THREAD if not number else 0
        rows[number] = (thread.process + 1, tid, pid, maker, 0)
    left = [list(thread.calls) for thread in threads]
    order: list[tuple[int, Call]] = []
    for turn in turns:
        able = [number for number, calls in enumerate(left) if calls]
        if not able:
            break
        number = able[turn % len(able)]
        order.append((number, left[number].pop(0)))
    order += [(number, call) for number, calls in enumerate(left) for call in calls]
    calls = np.zeros(len(order), replay.CALL)
    details = np.zeros(len(order), replay.DETAIL)
    details["fd"] = -1
    shown = np.zeros(len(order), replay.SHOWN)
    for at, (number, call) in enumerate(order):
        calls[at]["seq"], calls[at]["end"] = 2 * at + 1, 2 * at + 2
        calls[at]["t0"], calls[at]["t1"] = 100 * at, 100 * at + 50
        calls[at]["result"], calls[at]["thread"] = call.result, number
        calls[at]["flags"] = replay.FAILED if call.result < 0 else 0
        calls[at]["abi"], calls[at]["nr"] = X86_64, replay.call_number(X86_64, call.name)
        details[at]["path"] = shown[at]["path"] = text(call.path)
        details[at]["object"] = call.thing and call.thing + addresses % 1000
        shown[at]["text"] = text(call.text.replace("ADDRESS", f"{addresses:#x}"))
        shown[at]["kind"], shown[at]["other_fd"] = call.kind, -1
    table = np.zeros(len(texts), replay.TEXT)
    data = b""
    for words, at in texts.items():
        table[at]["at"], table[at]["len"] = len(data), len(words.encode())
        data += words.encode()
    processes = {
        number + 1: Process(number + 1, pid, base - 1, "/bin/made", 0, number, 1000, 0, 0, 0, 0)
        for number, pid in pids.items()
    }
    return Replay(
        {}, calls, np.zeros(0, replay.EVENT), np.zeros(0, replay.EDGE), rows, processes,
        True, 0, 0, 0,
        Details(details, table, np.frombuffer(data, np.uint8), shown=shown),
    )  # fmt: skip
