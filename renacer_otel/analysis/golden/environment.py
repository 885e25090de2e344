# SPDX-License-Identifier: MIT
"""Variables that a run gives to its programs, beside those that it was given itself.

A variable that is handed on as it came is whoever's environment it is; the tracer leaves it out,
and has a mark for values that are parts of others (PATH with one more folder before it).
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.analysis.golden import tree
from renacer_otel.analysis.golden.model import OK, Argument, Canonical, Counted, Item, Range, Rank
from renacer_otel.analysis.golden.texts import Words, cut, shown
from renacer_otel.spans import variables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from renacer_otel.analysis.golden.model import Role
    from renacer_otel.spans.replay import Replay

RULE = "environment"
#: Items that stand for variables.
SETS, UNSETS = "setenv", "unsetenv"
#: That shells, terminals and tracers keep; where a program is shows in what it does.
KEPT_BY_OTHERS = frozenset(
    "_ SHLVL PWD OLDPWD LINES COLUMNS TRACEPARENT TRACESTATE BAGGAGE".split()
)
_MARK = re.compile(r"(?<!\\)\\0{0,2}6([^\\]+)\\0{0,2}6")


class Variables(NamedTuple):
    """`items`: by process; `left_out`: how many variables that shells keep; `whole`: nothing is
    missing; `known`: the trace has them."""

    items: dict[int, set[Item]]
    left_out: int
    whole: bool
    known: bool


def of_run(
    run: Replay, execs: Iterable[tuple[int, int]], words: Words, kept: frozenset[str]
) -> Variables:
    """Those of a run. `execs`: rows of calls and processes, in order."""
    assert run.details is not None
    makers = tree.makers(run)
    found: dict[int, set[Item]] = defaultdict(set)
    names: dict[int, set[str]] = {}  # that this run has set, by process
    left_out, whole, known = 0, True, False
    if run.details.shown is None:
        return Variables({}, left_out, whole, known)
    for row, process in execs:
        above = process
        while above not in names and above in makers:
            above = makers[above]
        if above not in names:  # the command itself: what it is given is not its own doing
            names[process] = set()
            known |= _told(run, row) is not None
            continue
        given = names[process] = set(names[above])
        if (told := _told(run, row)) is None:
            whole = False
            continue
        entries, complete = tree.split(told)
        whole &= complete
        for entry in entries:
            name, equals, value = entry.partition("=")
            if name in KEPT_BY_OTHERS and RULE not in kept:
                left_out += 1
            elif equals:
                given.add(name)
                text = _MARK.sub(r"<\1>", value)
                arguments = Argument("text", name), Argument("text", cut(words(text)))
                found[process].add(Item(SETS, arguments, OK, Rank.EFFECT))
            elif name in given:
                given.remove(name)
                found[process].add(Item(UNSETS, (Argument("text", name),), OK, Rank.EFFECT))
    return Variables(dict(found), left_out, whole, known)


def _told(run: Replay, row: int) -> str | None:
    """The variables of an exec as they are shown; None: they are not known."""
    assert run.details is not None
    assert run.details.shown is not None
    parts = shown(run.details.text(int(run.details.shown["text"][row]))).split("\x1f")
    return next((part for part in parts if part.startswith("{")), None)


def counted(items: Iterable[Item]) -> list[Counted]:
    """As a role has them: once, however many of its processes were given them."""
    return [Counted(item, Range(1, 1)) for item in sorted(items, key=str)]


def given(run: Replay) -> tuple[str, ...]:
    """What the command itself was given."""
    told = run.metadata.get("environment")
    return tuple(str(one) for one in told) if isinstance(told, list) else ()


def of_both(golden: Canonical, run: Canonical) -> tuple[Canonical, Canonical]:
    """Two forms, without variables where one does not know them, and without those that are set to
    what one of the commands was given: there it is as if nobody had set them."""
    known = (RULE in golden.normalised) == (RULE in run.normalised)
    both = frozenset((*golden.given, *run.given))
    return _without(golden, both, known=known), _without(run, both, known=known)


def _without(form: Canonical, both: frozenset[str], *, known: bool) -> Canonical:
    def stays(item: Item) -> bool:
        if item.call == SETS and len(item.arguments) == 2:
            return known and variables.key(*(one.text for one in item.arguments)) not in both
        return known or item.call not in (SETS, UNSETS)

    roles = tuple(_of_role(role, [stays(part.item) for part in role.items]) for role in form.roles)
    return dataclasses.replace(form, roles=roles)


def _of_role(role: Role, stays: list[bool]) -> Role:
    """No order or chain has a variable in it."""
    if all(stays):
        return role
    left = [at for at, one in enumerate(stays) if one]
    place = {was: at for at, was in enumerate(left)}
    return dataclasses.replace(
        role,
        items=tuple(role.items[at] for at in left),
        order=tuple(dataclasses.replace(one, items=_moved(one.items, place)) for one in role.order),
        chains=tuple(
            dataclasses.replace(one, items=_moved(one.items, place)) for one in role.chains
        ),
    )


def _moved(items: tuple[int, ...], place: dict[int, int]) -> tuple[int, ...]:
    return tuple(place[item] for item in items if item in place)
