# SPDX-License-Identifier: MIT
"""Two traces of different forms: what both tell of their runs, so that this much can be compared.

Calls, in which process and order, their paths as the program gave them, their plain arguments, how
they ended, how many bytes they moved in all, and the exit status of the command.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from renacer_otel.analysis.golden import canonical
from renacer_otel.analysis.golden.model import Argument, Canonical, Figures, Item, Range, Role
from renacer_otel.analysis.golden.worded import worded
from renacer_otel.analysis.loading import names
from renacer_otel.spans import replay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renacer_otel.spans.replay import Replay

#: Of replay.UNKNOWN what makes two traces of one form alike, or not.
_DECIDES = frozenset({"processes", "arguments", "paths"})
_ANYTHING = "<any object>"
_MAPS = ("mmap", "mmap2")


def kind(run: Replay) -> tuple[str, frozenset[str]]:
    """What a trace tells: two of which this is the same can be compared as they are."""
    return run.form, run.unknown & _DECIDES


def forms(runs: Sequence[Replay]) -> list[Canonical]:
    """The canonical form of each, without what one of them does not tell."""
    unknown = frozenset().union(*(run.unknown for run in runs))
    known = {
        key: next((run.metadata[key] for run in runs if run.metadata.get(key)), "")
        for key in ("cwd", "home")
    }
    return [_form(_reduced(run, unknown, known), unknown) for run in runs]


def note(runs: Sequence[Replay], shown: Sequence[str]) -> str:
    """What was not compared, in a sentence."""
    unknown = frozenset().union(*(run.unknown for run in runs))
    left = ["what descriptors lead to", "what was written", "peers", "signals", "memory",
            "which process was made by which"]  # fmt: skip
    left += ["arguments but paths"] if "arguments" in unknown else []
    left += ["order, and which process did what"] if "processes" in unknown else []
    which = ", ".join(f"{word} is {run.form}" for word, run in zip(shown, runs, strict=True))
    return f"{which}: not compared are {', '.join(left)}"


def _reduced(run: Replay, unknown: frozenset[str], known: dict[str, str]) -> Replay:
    """The run as a trace has it that tells no more than all of them."""
    details = run.details
    assert details is not None
    calls, rows, threads = run.calls, details.rows.copy(), run.threads.copy()
    codes, words = replay.call_names(calls)
    _, first = np.unique(codes, return_index=True)
    for code, row in enumerate(first.tolist()):
        _mask(rows, codes == code, calls[row], arguments="arguments" not in unknown)
    rows["peer"], rows["object"], rows["fd"] = 0, 0, -1
    rows["content"] = replay.CONTENT_NONE
    if "arguments" in unknown:  # nobody knows what they map
        stays = ~np.isin(codes, [at for at, word in enumerate(words) if word in _MAPS])
        calls, rows = calls[stays], rows[stays]
    threads["maker"] = replay.NO_THREAD
    processes = {
        number: process if number == 1 else process._replace(wait_status=None)
        for number, process in run.processes.items()
    }
    if "processes" in unknown:
        threads["ordinal"] = 1
        processes = {1: processes[1]}
    return worded(
        dataclasses.replace(
            run,
            metadata={**run.metadata, **known, "hashes": False},
            calls=calls,
            events=np.zeros(0, replay.EVENT),
            edges=np.zeros(0, replay.EDGE),
            threads=threads,
            processes=processes,
            details=dataclasses.replace(details, rows=rows, shown=None),
        )
    )


def _mask(rows: Any, mine: Any, call: Any, *, arguments: bool) -> None:
    """Takes out of these calls' rows what is no plain argument and no path of theirs."""
    kinds = [kind for _, kind in replay.arguments(int(call["abi"]), int(call["nr"]))]
    args = rows["args"]
    for place in range(6):
        kind = kinds[place] if place < len(kinds) else -1
        if not arguments or kind not in names.NUMBERS or kind == names.FD:
            args[mine, place] = 0
    paths = kinds.count(names.PATH)
    if paths < 1:
        rows["path"][mine] = 0
    if paths < 2:
        rows["other_path"][mine] = 0


def _form(run: Replay, unknown: frozenset[str]) -> Canonical:
    form = canonical.of_replay(run)
    roles = tuple(_role(role, ordered="processes" not in unknown) for role in form.roles)
    return dataclasses.replace(form, roles=roles, figures=Figures())


def _role(role: Role, *, ordered: bool) -> Role:
    role = dataclasses.replace(
        role,
        items=tuple(dataclasses.replace(part, item=_named(part.item)) for part in role.items),
        streams=tuple(
            dataclasses.replace(stream, name=stream.name or _ANYTHING) for stream in role.streams
        ),
    )
    if ordered:
        return role
    return dataclasses.replace(role, threads=Range(0, 0), order=(), chains=(), exact=False)


def _named(item: Item) -> Item:
    """What a read or write is about is not told; sentences need a word for it."""
    if item.call not in ("read", "write"):
        return item
    return dataclasses.replace(
        item,
        arguments=tuple(
            Argument(argument.kind, argument.text or _ANYTHING) for argument in item.arguments
        ),
    )
