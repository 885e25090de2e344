# SPDX-License-Identifier: MIT
"""What several runs of a command have in common: values become patterns, numbers ranges."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

from renacer_otel.analysis.golden import environment, matching, patterns, places, sentences
from renacer_otel.analysis.golden.model import (
    Canonical,
    Chain,
    Counted,
    Figures,
    Golden,
    Group,
    Item,
    Link,
    Range,
    Role,
    Stream,
)
from renacer_otel.analysis.golden.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

_TOLD = 3  # names in a sentence
_Part = TypeVar("_Part", Chain, Group)


def learn(
    runs: Sequence[Canonical], name: str = "", command: Sequence[str] = (), tool_version: str = ""
) -> Golden:
    """The golden trace of some runs, one at least. ValueError: not made by the same rules."""
    if not runs:
        raise ValueError("there is no run to learn from")
    form = runs[0]
    for run in runs[1:]:
        if run.kept != form.kept:
            raise ValueError("runs in which different rules were switched off")
        form = _joined(form, run)
    # What was learned late may mean what an early run had under another name.
    known = tuple(sorted(RULES))
    return Golden(name, tuple(command), len(runs), tool_version, form, rules=known)


def _joined(form: Canonical, run: Canonical) -> Canonical:
    same = matching.roles(form, run)
    back = {known: name for name, known in same.items()}
    theirs = {role.name: role for role in run.roles}
    roles = [
        join_roles(role, theirs[back[role.name]]) if role.name in back else _absent(role)
        for role in form.roles
    ]
    for role in run.roles:
        if role.name not in same:
            same[role.name] = f"p{len(roles)}"
            parent = same.get(role.parent, "")
            roles.append(_absent(dataclasses.replace(role, name=same[role.name], parent=parent)))
    return Canonical(
        tuple(roles),
        _links(form.links, [link._replace(cause=same[link.cause], effect=same[link.effect])
                            for link in run.links]),
        _figures(form.figures, run.figures),
        {
            rule: max(form.normalised.get(rule, 0), run.normalised.get(rule, 0))
            for rule in sorted({*form.normalised, *run.normalised})
        },
        form.kept,
        form.hashes and run.hashes,
        tuple(dict.fromkeys((*form.missing, *run.missing))),
        tuple(sorted({*form.given, *run.given})),
    )  # fmt: skip


def _absent(role: Role) -> Role:
    """A role that not every run had."""
    return dataclasses.replace(role, count=Range(0, role.count.high))


def join_roles(known: Role, other: Role) -> Role:
    """A role of which both are runs, under the first one's name."""
    items, first, second = join_items(
        [(part.item, part.times, part.source) for part in known.items],
        [(part.item, part.times, part.source) for part in other.items],
    )
    order: tuple[Group, ...] = ()
    mine, yours = _flat(known.order, first), _flat(other.order, second)
    if mine == yours:
        order = _groups(known.order, other.order, first)
    return Role(
        known.name,
        known.program,
        patterns.arguments_joined(known.argv, other.argv)
        if len(known.argv) == len(other.argv)
        else known.argv,
        known.parent,
        known.count.joined(other.count),
        known.threads.joined(other.threads),
        tuple(sorted({*known.exits, *other.exits})),
        tuple(sorted({*known.libraries, *other.libraries})),
        items,
        order,
        _parts(Chain, known.chains, other.chains, first, second),
        join_streams(known.streams, other.streams),
        known.exact and other.exact,
    )


Entry = tuple[Item, Range, str]


def join_items(
    known: Sequence[Entry], other: Sequence[Entry]
) -> tuple[tuple[Counted, ...], list[int], list[int]]:
    """Items of both, and where those of the one and of the other are among them."""
    alone: dict[Item, list[int]] = {item: [at, -1] for at, (item, _, _) in enumerate(known)}
    rest = []
    for at, (item, _, _) in enumerate(other):
        if item in alone:
            alone[item][1] = at
        else:
            rest.append(at)
    groups: list[tuple[Item, list[int], list[int]]] = [
        (item, [pair[0]], [pair[1]] if pair[1] >= 0 else []) for item, pair in alone.items()
    ]
    groups = _patterned(groups, other, rest)
    first, second = [0] * len(known), [0] * len(other)
    found = []
    for number, (item, mine, yours) in enumerate(groups):
        for at in mine:
            first[at] = number
        for at in yours:
            second[at] = number
        times = _sum([known[at][1] for at in mine]).joined(_sum([other[at][1] for at in yours]))
        source = next((known[at][2] for at in mine if known[at][2]), "") or next(
            (other[at][2] for at in yours if other[at][2]), ""
        )
        found.append(Counted(item, times, source))
    return tuple(found), first, second


def _sum(ranges: Iterable[Range]) -> Range:
    low = high = 0
    for one in ranges:
        low, high = low + one.low, high + one.high
    return Range(low, high)


def _patterned(
    groups: list[tuple[Item, list[int], list[int]]], other: Sequence[Entry], rest: list[int]
) -> list[tuple[Item, list[int], list[int]]]:
    """Puts items that only one side has together, where a pattern can mean both."""
    wild = [group for group in groups if any(a.kind == "pattern" for a in group[0].arguments)]
    left = []
    for at in rest:
        for item, _, yours in wild:
            if patterns.item_fits(item, other[at][0]):
                yours.append(at)
                break
        else:
            left.append(at)
    for key in (_numbers_key, _names_key):
        mine: dict[Hashable, list[int]] = defaultdict(list)
        for place, (item, _, yours) in enumerate(groups):
            if not yours:
                mine[key(item)].append(place)
        theirs: dict[Hashable, list[int]] = defaultdict(list)
        for at in left:
            theirs[key(other[at][0])].append(at)
        gone: set[int] = set()
        for what, ats in theirs.items():
            places = mine.get(what, [])
            # Names that have little in common must at least be as many.
            if not places or (key is _names_key and len(places) != len(ats)):
                continue
            item = groups[places[0]][0]
            for place in places[1:]:
                item = patterns.item_joined(item, groups[place][0])
            for at in ats:
                item = patterns.item_joined(item, other[at][0])
            groups[places[0]] = (
                item, [at for place in places for at in groups[place][1]], list(ats)
            )  # fmt: skip
            gone.update(places[1:])
            left = [at for at in left if at not in ats]
        groups = [group for place, group in enumerate(groups) if place not in gone]
    return groups + [(other[at][0], [], [at]) for at in left]


def _numbers_key(item: Item) -> Hashable:
    """Items that differ in numbers alone."""
    words = tuple(patterns.skeleton(argument.text) for argument in item.arguments)
    return item.call, item.result, words


def _names_key(item: Item) -> Hashable:
    """Items that differ in the last part of their names alone, or in what is no name."""
    words = tuple(
        argument.text.rpartition("/")[0] if "/" in argument.text else ""
        for argument in item.arguments
    )
    if item.call == environment.SETS:  # one variable's values, not one for another
        words = item.arguments[0].text, *words[1:]
    return item.call, item.result, words


def _flat(order: Iterable[Group], place: Sequence[int]) -> list[int]:
    flat: list[int] = []
    for group in order:
        for item in group.items:
            if not flat or flat[-1] != place[item]:
                flat.append(place[item])
    return flat


def _groups(
    known: Sequence[Group], other: Sequence[Group], first: Sequence[int]
) -> tuple[Group, ...]:
    if len(known) != len(other):
        return tuple(
            Group(tuple(first[item] for item in group.items), group.times) for group in known
        )
    return tuple(
        Group(tuple(first[item] for item in one.items), one.times.joined(two.times))
        for one, two in zip(known, other, strict=True)
    )


def _parts(
    kind: type[_Part],
    known: Iterable[_Part],
    other: Iterable[_Part],
    first: Sequence[int],
    second: Sequence[int],
) -> tuple[_Part, ...]:
    """Chains of both, by their items."""
    sums: list[dict[tuple[int, ...], Range]] = []
    for parts, place in ((known, first), (other, second)):
        found: dict[tuple[int, ...], list[Range]] = defaultdict(list)
        for part in parts:
            found[tuple(place[item] for item in part.items)].append(part.times)
        sums.append({items: _sum(ranges) for items, ranges in found.items()})
    none = Range(0, 0)
    return tuple(
        kind(items, sums[0].get(items, none).joined(sums[1].get(items, none)))
        for items in sorted({*sums[0], *sums[1]})
    )


def join_streams(known: Sequence[Stream], other: Sequence[Stream]) -> tuple[Stream, ...]:
    """Streams of both, by what they lead to."""
    found = {(one.direction, one.name): one for one in known}
    added: dict[tuple[str, str], list[Stream]] = defaultdict(list)
    theirs = {(one.direction, one.name) for one in other}
    free = [key for key in found if key not in theirs]
    for stream in other:
        key = (stream.direction, stream.name)
        if key not in found:
            key = next((one for one in free if _same_stream(one, stream)), key)
            if key in free and not patterns.is_pattern(key[1]):
                free.remove(key)
        added[key].append(stream)
    result = []
    for key in sorted({*found, *added}):
        parts = added.get(key, [])
        size = _sum([part.size for part in parts])
        known_one = found.get(key)
        content = parts[0].content if len(parts) == 1 else ""
        at = parts[0].places if len(parts) == 1 else places.VARIES
        if known_one is None:
            result.append(Stream(*key, Range(0, size.high), content, True, at))
            continue
        name = key[1]
        for part in parts:
            name = patterns.joined(name, part.name)
        size = known_one.size.joined(size)
        same = not parts or content == known_one.content
        varies = known_one.varies or not size.is_one or not same
        at = places.joined(known_one.places, at) if parts else known_one.places
        result.append(Stream(key[0], name, size, known_one.content if same else "", varies, at))
    return tuple(result)


def varying(golden: Golden) -> str:
    """What is written and differed from run to run, in words: its bytes are not compared. ""."""
    if not golden.form.hashes or golden.runs < 2:
        return ""
    names = dict.fromkeys(
        sentences.word(stream.name)
        for role in golden.form.roles
        for stream in role.streams
        if stream.direction == "write" and stream.varies and not stream.content
    )
    if not names:
        return ""
    told = ", ".join(list(names)[:_TOLD])
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return f"what is written to {told}{more} differed from run to run: its bytes are not compared"


def _same_stream(known: tuple[str, str], other: Stream) -> bool:
    """Whether names differ in numbers, or in their last parts, alone."""
    if known[0] != other.direction:
        return False
    folder, slash, _ = known[1].rpartition("/")
    return (
        patterns.fits(known[1], other.name)
        or patterns.skeleton(known[1]) == patterns.skeleton(other.name)
        or (slash != "" and folder == other.name.rpartition("/")[0])
    )


def _links(known: Iterable[Link], other: Iterable[Link]) -> tuple[Link, ...]:
    mine = {link[:3]: link.always for link in known}
    yours = {link[:3]: link.always for link in other}
    return tuple(
        Link(*key, mine.get(key, False) and yours.get(key, False))
        for key in sorted({*mine, *yours})
    )


def _figures(known: Figures, other: Figures) -> Figures:
    """Those of both; times are added to what was learned (timing.figures_of)."""
    return Figures(
        known.calls + other.calls,
        known.read_bytes + other.read_bytes,
        known.written_bytes + other.written_bytes,
        known.peak_memory + other.peak_memory,
    )
