# SPDX-License-Identifier: MIT
"""Whether the order of a role's effects is its program's own choice, and if not why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from renacer_otel.analysis.golden import rules
from renacer_otel.spans import replay

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from renacer_otel.analysis.golden.tree import Tree
    from renacer_otel.spans.replay import Replay

_TOLD = 3
#: FUTEX_WAIT, LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2: futex(2).
_FUTEX_WAITS = (0, 6, 9, 11, 13)
#: What passes between a thread and who made it, or waits for its end.
_OF_LIVES = ("fork", "join")


def lost(
    run: Replay,
    tree: Tree,
    threads: Sequence[int],
    effects: NDArray[np.int64],
    called: tuple[NDArray[np.int64], list[str]],
) -> dict[int, str]:
    """By role why the order of its effects is chance; those that are not in it have an order.

    `threads`: of each role beside the first ones. `effects`: rows of calls.
    """
    role = tree.of_process(run.threads["ordinal"][run.calls["thread"]])
    waits = _times(role, called, rules.MULTIPLEXING, len(tree.keys))
    handled = _times(role, called, {"rt_sigreturn", "sigreturn"}, len(tree.keys))
    found = {}
    for number, others in enumerate(threads):
        if tree.counts[number] > 1:
            found[number] = "is several processes"
        elif handled[number]:
            found[number] = "handles signals"
        elif waits[number] > 1:
            found[number] = "waits in rounds"
        elif others and not _is_of_one(run, effects[role[effects] == number], called):
            found[number] = "has several threads"
    return found


def _times(
    role: NDArray[np.int64],
    called: tuple[NDArray[np.int64], list[str]],
    wanted: Iterable[str],
    roles: int,
) -> NDArray[np.int64]:
    """Of each role how many of such calls it makes."""
    codes, names = called
    table = np.array([name in wanted for name in names], bool)
    rows = table[codes] & (role >= 0) if len(table) else np.zeros(0, bool)
    return np.bincount(role[rows], minlength=roles)


def _is_of_one(
    run: Replay, effects: NDArray[np.int64], called: tuple[NDArray[np.int64], list[str]]
) -> bool:
    """Whether one thread alone makes the effects of a process, and no other one wakes it."""
    assert run.details is not None
    made_by = np.unique(run.calls["thread"][effects])
    if len(made_by) != 1:
        return len(made_by) == 0
    threads, edges, names = run.threads, run.edges, replay.edge_names()
    tid = threads["tid"][made_by[0]]
    same = threads["ordinal"] == threads["ordinal"][made_by[0]]
    others = threads["tid"][same & (threads["tid"] != tid)]
    quiet = [at for at, name in enumerate(names) if name in _OF_LIVES]
    wakes = (edges["effect_tid"] == tid) & np.isin(edges["cause_tid"], others)
    if (wakes & ~np.isin(edges["kind"], quiet)).any():
        return False
    # Who has woken it is not always known; that it waited for more than the ends of threads is.
    codes, call_names = called
    futexes = np.array([name.startswith("futex") for name in call_names], bool)[codes]
    calls = run.calls
    slept = futexes & (calls["thread"] == made_by[0]) & (calls["result"] == 0)
    slept &= np.isin(run.details.rows["args"][:, 1] & np.uint64(0x7F), _FUTEX_WAITS)
    return int(slept.sum()) <= int((wakes & (edges["kind"] == names.index("join"))).sum())


def told(lost_by: dict[str, str]) -> str:
    """A sentence of roles, one at least, and why they have no order of effects."""
    parts = [f"{name}, which {why}" for name, why in list(lost_by.items())[:_TOLD]]
    if len(lost_by) > _TOLD:
        parts.append(f"{len(lost_by) - _TOLD} more")
    return (
        "the order of effects was compared on each path and peer only, not as a whole, in"
        f" {'; in '.join(parts)}"
    )
