# SPDX-License-Identifier: MIT
"""What the first of several runs left behind, so that those after it may do otherwise.

Runs share their folder: what only the first did is chance, or it found what later ones did not.
That is decided by what stands there after it.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.analysis.golden import (
    compare_streams,
    differences,
    matching,
    patterns,
    places,
    rules,
    texts,
)
from renacer_otel.analysis.golden.model import OK, Golden, Item, Rank

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from renacer_otel.analysis.golden.model import Canonical, Difference, Role, Stream

_REMOVES = frozenset("unlink unlinkat rmdir".split())
_RENAMES = frozenset("rename renameat renameat2".split())
_MAKES = rules.OPENS | frozenset(
    "mkdir mkdirat mknod mknodat symlink symlinkat link linkat".split()
)
_CHANGES = frozenset(
    """chmod fchmod fchmodat fchmodat2 chown lchown fchown fchownat truncate ftruncate fallocate
    setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr""".split()
)
_ELSEWHERE = ("/proc/", "/sys/", "/dev/")
_PLACE = re.compile(r"<([\w-]+)>/")
#: Kinds of differences that say what a program does, not how much of it or in which order.
_OTHERWISE = frozenset("argv process file mode input network exit".split())
#: Those of a run that began where the golden trace's first one did: what it leaves, too.
_OF_FIRST = _OTHERWISE | frozenset("bytes effect sync environment".split())
#: Python's; and git's, which any `git status` brings up to date.
_CACHE = re.compile(
    r"(?<![\w.])__pycache__(?![\w.])|\.py[co]\b|(?<![\w.])\.git/index(?:\.lock)?(?![\w.])"
)
#: Kinds of those that a program meets, if it asks for the same (mkdir: EEXIST), and looks.
_MET = frozenset("error call count".split())
_LOOKING = frozenset("input call count".split())


class _Left(NamedTuple):
    path: str
    stands: bool  # or is gone


def own(golden: Golden, found: Sequence[Difference], run: Canonical) -> list[Difference]:
    """Of what a first run does otherwise, what the golden trace's first run did not."""
    if not golden.first:
        return list(found)
    known = {_key(one) for one in differences.between(golden, golden.first)}
    told, more = _streams_of_first(golden, run)
    rest = [one for one in found if _key(one) not in known and _key(one) not in told]
    return differences.ranked([*rest, *more])


def _streams_of_first(
    golden: Golden, run: Canonical
) -> tuple[set[tuple[str, str, str, str]], list[Difference]]:
    """What the golden trace says of streams that only its first run has so; and what that says."""
    told: set[tuple[str, str, str, str]] = set()
    found: list[Difference] = []
    form, first = golden.form, golden.first[0]
    usual, firsts = matching.roles(form, run), matching.roles(first, run)
    roles = {role.name: role for role in form.roles}
    others = {role.name: role for role in first.roles}
    for role in run.roles:
        known, other = roles.get(usual.get(role.name, "")), others.get(firsts.get(role.name, ""))
        if other is None:
            continue
        for stream in role.streams:
            expected = _like(other, stream)
            if stream.direction == "read" or expected is None or _CACHE.search(stream.name):
                continue
            alone = replace(role, streams=(stream,))
            before = None if known is None else _like(known, stream)
            if known is not None and before is not None:
                differs = list(compare_streams.between(known, alone))
                if not differs:
                    continue
                told.update(map(_key, differs))
                if before.varies or not before.size.is_one:
                    expected = replace(expected, varies=True, content="")
            found += compare_streams.between(replace(other, streams=(expected,)), alone)
    return told, found


def _like(role: Role, stream: Stream) -> Stream | None:
    """The stream of a role that another run's is."""
    mine = [one for one in role.streams if one.direction == stream.direction]
    return next(
        (one for one in mine if one.name == stream.name),
        next((one for one in mine if patterns.fits(one.name, stream.name)), None),
    )


def but_caches(found: Sequence[Difference]) -> list[Difference]:
    """Without what fills a cache, and what it looks at for that."""
    rest = [one for one in found if not _is_of_cache(one)]
    return list(found) if len(rest) == len(found) else [
        one for one in rest if one.kind not in _LOOKING
    ]  # fmt: skip


def _is_of_cache(one: Difference) -> bool:
    return any(_CACHE.search(words) for words in (one.sentence, one.expected, one.actual))


def _key(one: Difference) -> tuple[str, str, str, str]:
    return one.kind, one.where, one.expected, one.actual


def standing(golden: Golden, folders: Mapping[str, str]) -> dict[str, bool]:
    """Of what the golden trace makes, changes or removes, or its first run did, by its path:
    whether it is there now.

    `folders`: names that stand for folders, and their paths.
    """
    items = _items([golden.form, *golden.first])
    return {left.path: os.path.lexists(left.path) for left in _lefts(items, folders)}


def why_alone(
    golden: Golden,
    found: Sequence[Difference],
    run: Canonical,
    later: Sequence[Canonical],
    before: Mapping[str, bool],
    folders: Mapping[str, str],
) -> str:
    """Why a first run has to be judged alone, though later ones are as they should: what it left
    behind, or how it began. "" = they met what it met. `found`: what it does otherwise, as own()
    has it; `before`: standing()."""
    found = [one for one in but_caches(found) if one.kind not in _MET]
    if not differences.changed(found):
        return ""
    known: dict[str, list[Item]] = defaultdict(list)
    for form in (golden.form, *golden.first, *later):
        for role in form.roles:
            for part in role.items:
                known[part.item.call].append(part.item)
    new = [
        item for item in _items([run])
        if not any(patterns.arguments_fit(one.arguments, item.arguments)
                   for one in known[item.call])
    ]  # fmt: skip
    made = {left.path for left in _lefts(_items([run]), folders) if left.stands}
    for left in _lefts(new, folders):
        is_there = os.path.lexists(left.path)
        if is_there == left.stands and (left.stands or left.path not in made):
            return left.path
    for name in _written(golden.form, run, later):
        path = _path(name, folders)
        if path and os.path.lexists(path):
            return path
    usual = {left.path for left in _lefts(_items([golden.form]), folders)}
    did = {left.path for left in _lefts(_items([run]), folders)}
    for path, stood in sorted(before.items()):
        began = path not in usual and path in did  # where the golden trace's first run did
        kinds = _OF_FIRST if began else _OTHERWISE
        changed = began or os.path.lexists(path) != stood
        if changed and any(one.kind in kinds for one in found):
            return path
    return ""


def _items(forms: Iterable[Canonical]) -> Iterator[Item]:
    """What is done and outlives the run."""
    for form in forms:
        for role in form.roles:
            for part in role.items:
                if part.item.rank == Rank.EFFECT and part.item.result == OK:
                    yield part.item


def _lefts(items: Iterable[Item], folders: Mapping[str, str]) -> Iterator[_Left]:
    """What stands or is gone after these."""
    for item in items:
        names = [one.text for one in item.arguments if one.kind == "object"]
        if not names:
            continue
        if item.call in _REMOVES:
            found = [(names[0], False)]
        elif item.call in _RENAMES:
            found = [(names[-1], True), (names[0], False)]
        elif item.call in _MAKES or item.call in _CHANGES:
            found = [(names[-1], True)]
        else:
            continue
        for name, stands in found:
            if path := _path(name, folders):
                yield _Left(path, stands)


def _path(name: str, folders: Mapping[str, str]) -> str:
    """Where the file of that name is; "": it is none, a cache, or has another name each time."""
    match = _PLACE.match(name)
    if match is not None:
        if match[1] not in folders:
            return ""
        name = os.path.join(folders[match[1]], name[match.end() :])
    if name.startswith(("<", "peer ", *_ELSEWHERE)) or _CACHE.search(name):
        return ""
    return "" if texts.RANDOM in name or patterns.is_pattern(name) else name


def _written(golden: Canonical, run: Canonical, later: Sequence[Canonical]) -> Iterator[str]:
    """Files into which this run alone wrote something else than the golden trace has."""
    known = _streams(golden)
    others = [_streams(one) for one in later]
    for name, stream in _streams(run).items():
        expected = known.get(name)
        if expected is None or stream is None:
            continue
        if _content(expected) != _content(stream) and all(
            (one := other.get(name)) is not None and _content(one) == _content(expected)
            for other in others
        ):
            yield name


def _content(stream: Stream) -> tuple[int, int, str, str]:
    return (*stream.size, stream.content, stream.places)


def _streams(form: Canonical) -> dict[str, Stream | None]:
    """What is written, by its name; None: by several roles, or not always alike."""
    found: dict[str, Stream | None] = {}
    for role in form.roles:
        for stream in role.streams:
            if stream.direction == "write":
                varies = stream.varies or not stream.size.is_one or places.VARIES in stream.places
                found[stream.name] = None if varies or stream.name in found else stream
    return found
