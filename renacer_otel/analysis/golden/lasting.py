# SPDX-License-Identifier: MIT
"""What the first of several runs left behind, so that those after it may do otherwise.

Runs share their folder: what only the first did is chance, or it found what later ones did not.
That is decided by what stands there after it.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.analysis.golden import differences, patterns, places, rules, texts
from renacer_otel.analysis.golden.model import OK, Golden, Item, Rank

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from renacer_otel.analysis.golden.model import Canonical, Difference, Stream

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


def own(golden: Golden, found: Sequence[Difference]) -> list[Difference]:
    """Of what a first run does otherwise, what the golden trace's first run did not."""
    known = {
        _key(one) for first in golden.first for one in differences.between(golden, [first])
    }  # fmt: skip
    return [one for one in found if _key(one) not in known]


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
    """Of what the golden trace makes, changes or removes, by its path: whether it is there now.

    `folders`: names that stand for folders, and their paths.
    """
    return {
        left.path: os.path.lexists(left.path) for left in _lefts(_items([golden.form]), folders)
    }  # fmt: skip


def why_alone(
    golden: Golden,
    found: Sequence[Difference],
    run: Canonical,
    later: Sequence[Canonical],
    before: Mapping[str, bool],
    folders: Mapping[str, str],
) -> str:
    """Why a first run has to be judged alone, though later ones are as they should: what it left
    behind. "" = they met what it met. `found`: what it does otherwise; `before`: standing()."""
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
    if any(one.kind in _OTHERWISE for one in found):
        for path, stood in sorted(before.items()):
            if os.path.lexists(path) != stood:
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
