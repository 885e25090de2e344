# SPDX-License-Identifier: MIT
"""What a role does otherwise: calls that are new, gone, changed, in another order or number."""

from __future__ import annotations

from collections import Counter, defaultdict
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from renacer_otel.analysis.golden import environment, patterns, rules, sentences
from renacer_otel.analysis.golden.model import (
    OK,
    Counted,
    Difference,
    Range,
    Rank,
    Role,
    Severity,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renacer_otel.analysis.golden.model import Item

_PEERS = frozenset("connect bind listen accept accept4 sendto sendmsg shutdown".split())
_SYNCS = frozenset("fsync fdatasync sync syncfs sync_file_range msync".split())
_MODES = frozenset("chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat umask".split())
_NAMES = frozenset(
    """creat mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink
    symlinkat mknod mknodat truncate ftruncate""".split()
)
#: What a process sets for all that it does from then on; no scheduler's choice.
_OWN = frozenset(
    """chdir fchdir umask setrlimit personality capset seccomp sched_setaffinity sched_setattr
    sched_setparam sched_setscheduler setsockopt""".split()
)
#: Whose first argument is what they set, not what they are about.
_SETS = frozenset({"alarm", "umask"})
_LONGEST_ORDER = 4000
_FOLDER = "<folder>/"


_SENDS = ("kill", "tkill", "tgkill")


def between(known: Role, role: Role) -> Iterator[Difference]:
    """The differences of a role's calls."""
    place = _placed(known, role)
    new = [at for at, to in enumerate(place) if to < 0 and not _quiet(role.items[at].item)]
    met = set(place)
    lost = [
        at for at, part in enumerate(known.items)
        if at not in met and part.times.low and not _quiet(part.item)
    ]  # fmt: skip
    opened = {
        part.item.arguments[0].text
        for part in (*(role.items[at] for at in new), *(known.items[at] for at in lost))
        if part.item.call in rules.OPENS and part.item.arguments
    }
    pairs, new, lost = _pairs(known, role, new, lost)
    new.sort(key=lambda at: _later(role.items[at].item))
    lost.sort(key=lambda at: _later(known.items[at].item))
    told = [_changed(known, role, was, now) for was, now in pairs]
    told += [_new(known, role, at) for at in new if not _follows(role.items[at].item, opened)]
    told += [_lost(known, at) for at in lost if not _follows(known.items[at].item, opened)]
    yield from told
    yield from _counts(known, role, place)
    if not any(one.severity == Severity.CHANGED and one.kind != "call" for one in told):
        yield from _order(known, role, place)


def _placed(known: Role, role: Role) -> list[int]:
    """Which of the known items each of a role's is; -1: none."""
    exact = {part.item: at for at, part in enumerate(known.items)}
    wild = [
        (at, part.item) for at, part in enumerate(known.items)
        if any(patterns.is_pattern(argument.text) for argument in part.item.arguments)
    ]  # fmt: skip
    found = []
    for part in role.items:
        at = exact.get(part.item, -1)
        if at < 0:
            at = next((n for n, item in wild if patterns.item_fits(item, part.item)), -1)
        found.append(at)
    return found


def _quiet(item: Item) -> bool:
    """Whether who is first decides it: a reader that has gone."""
    texts = [argument.text for argument in item.arguments]
    if item.call == "write":
        return item.result in ("EPIPE", "ECONNRESET")
    if item.call == "rt_sigaction":  # to die of it, after all
        return texts[:1] == ["SIGPIPE"] and len(texts) > 1 and "SIG_DFL" in texts[1]
    return item.call in ("signal", *_SENDS) and "SIGPIPE" in texts


def _follows(item: Item, opened: set[str]) -> bool:
    """Whether it is about a file whose opening is told already."""
    about = item.arguments[0].text if item.arguments else ""
    if item.call in rules.OPENS or about not in opened:
        return False
    return item.call in ("read", "write") or item.rank != Rank.EFFECT


def _about(item: Item) -> tuple[str, str]:
    about = item.arguments[:1] if item.call not in _SETS else ()
    return item.call, about[0].text if about else ""


def _pairs(
    known: Role, role: Role, new: list[int], lost: list[int]
) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """The same call on the same thing with other arguments or another result: one change."""
    free: dict[tuple[str, str], list[int]] = defaultdict(list)
    for at in lost:
        free[_about(known.items[at].item)].append(at)
    pairs, rest = [], []
    for at in new:
        item = role.items[at].item
        mine = free.get(_about(item), []) if item.arguments else []
        if mine:
            pairs.append((mine.pop(0), at))
        else:
            rest.append(at)
    gone = {was for was, _ in pairs}
    return pairs, rest, [at for at in lost if at not in gone]


def _later(item: Item) -> tuple[bool, bool]:
    """That something is opened is told before what is done with it, and what is not there last."""
    return item.call not in rules.OPENS, item.result != OK


def _kind(item: Item) -> str:
    if item.call == "signal":
        return "signal"
    if item.call in (environment.SETS, environment.UNSETS):
        return "environment"
    if item.call in _SYNCS:
        return "sync"
    if item.call in _MODES:
        return "mode"
    if item.call in _PEERS or (item.call == "write" and _is_peer(item)):
        return "network"
    if item.rank == Rank.EFFECT and (item.call in _NAMES or item.call in rules.OPENS):
        return "file"
    if item.rank == Rank.EFFECT and item.call == "write":
        return "bytes"
    if item.result != OK and item.rank != Rank.LOOK:
        return "error"
    if item.call in rules.OPENS and item.result == OK and _is_input(item):
        return "input"
    return "effect" if item.rank == Rank.EFFECT else "call"


def _is_input(item: Item) -> bool:
    """Whether it names what the command is given to work on, not what the system has installed."""
    name = item.arguments[0].text if item.arguments else ""
    return bool(name) and (name.startswith(_FOLDER) or not name.startswith(("/", "<")))


def _is_peer(item: Item) -> bool:
    return bool(item.arguments) and item.arguments[0].text.startswith("peer ")


def _is_own(item: Item) -> bool:
    """Whether it sets something for good. The C library's setrlimit() is prlimit64."""
    limits = item.call == "prlimit64" and any("rlim_cur=" in one.text for one in item.arguments)
    return limits or item.call in _OWN


def _severity(known: Role, role: Role, item: Item) -> Severity:
    """A program that waits in rounds looks at things more or less often."""
    if item.rank == Rank.EFFECT or item.call in rules.OPENS or _is_own(item):
        return Severity.CHANGED
    return Severity.CHANGED if known.exact and role.exact else Severity.MINOR


def _new(known: Role, role: Role, at: int) -> Difference:
    part = role.items[at]
    where = f", in {known.shown}"
    return Difference(
        _kind(part.item), _severity(known, role, part.item),
        f"now also {sentences.says(part.item)}{sentences.place(role, at) or ','}"
        f"{where.removeprefix(',')}{_at(part)}",
        known.shown, "", str(part.item), part.source,
    )  # fmt: skip


def _lost(known: Role, at: int) -> Difference:
    part = known.items[at]
    return Difference(
        _kind(part.item), _severity(known, known, part.item),
        f"no longer {sentences.says(part.item)}{sentences.place(known, at) or ','}"
        f" in {known.shown}{_at(part)}",
        known.shown, str(part.item), "", part.source,
    )  # fmt: skip


def _at(part: Counted) -> str:
    return f", at {part.source}" if part.source else ""


def _changed(known: Role, role: Role, was: int, now: int) -> Difference:
    before, after = known.items[was].item, role.items[now]
    item = after.item
    kind, what = _kind(item), ""
    if before.result != item.result:
        kind = "error" if item.result != OK or before.result != OK else kind
        if before.arguments == item.arguments:
            what = (
                f"{sentences.brief(item)} now {_ends(item.result)};"
                f" it {_ended(before.result)} before"
            )
    if not what:
        old, new = _differing(before, item)
        if item.call in rules.OPENS and len(item.arguments) > 2 and item.arguments[:2] == \
                before.arguments[:2]:  # fmt: skip
            kind = "mode"
            what = f"now {sentences.says(item)} with mode {new} instead of {old}"
        else:
            what = f"now {sentences.says(item)} with {new} instead of {old}"
            if item.call in ("bind", "connect"):
                old = sentences.address(before)
            shown = new == "nothing" or new in sentences.says(item)
            if (shown and sentences.tells_all(item)) or item.call in (*_MODES, "bind", "connect"):
                what = f"now {sentences.says(item)} instead of {old}"
    return Difference(
        kind, _severity(known, role, item), f"{what}, in {known.shown}{_at(after)}",
        known.shown, str(before), str(item), after.source,
    )  # fmt: skip


def _ends(result: str) -> str:
    return "succeeds" if result == OK else f"fails with {result}"


def _ended(result: str) -> str:
    return "succeeded" if result == OK else f"failed with {result}"


def _differing(before: Item, after: Item) -> tuple[str, str]:
    """The arguments that are not alike: as they were, as they are."""
    first = after.call not in _SETS
    old = [argument.text for argument in before.arguments[first:]]
    new = [argument.text for argument in after.arguments[first:]]
    if len(old) == len(new):
        pairs = [pair for pair in zip(old, new, strict=True) if not patterns.fits(*pair)]
        old, new = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return sentences.apart(", ".join(old) or "nothing", ", ".join(new) or "nothing")


def _counts(known: Role, role: Role, place: list[int]) -> Iterator[Difference]:
    sums: Counter[int] = Counter()
    for part, at in zip(role.items, place, strict=True):
        sums[at] += part.times.low
    for at, part in enumerate(known.items):
        now = sums.get(at, 0)
        if not now or _quiet(part.item):
            continue
        low, high = part.times
        effect = part.item.rank == Rank.EFFECT
        exact = known.exact and role.exact
        sure = part.times.is_one and (exact or effect)
        if not sure:  # what varies a little may vary a little more
            slack = 2 + (high if not exact else high // 2)
            low, high = max(low - slack, 0), high + slack
        if low <= now <= high:
            continue
        severity = Severity.CHANGED if effect or exact else Severity.MINOR
        kind = _kind(part.item) if effect else "count"
        yield Difference(
            kind, severity,
            f"{known.shown} now {sentences.says(part.item)} {sentences.times(Range(now, now))}"
            f" instead of {sentences.times(part.times)}{_at(part)}",
            known.shown, sentences.times(part.times), str(now), part.source,
        )  # fmt: skip


def _order(known: Role, role: Role, place: list[int]) -> Iterator[Difference]:
    """Effects that come in another order: in all, or on one object."""
    if known.order and role.order:
        was = _flat([item for group in known.order for item in group.items])
        now = _flat([place[item] for group in role.order for item in group.items])
        if was != now:
            found = _moved(known, was[:_LONGEST_ORDER], now[:_LONGEST_ORDER])
            if found is not None:
                yield found
                return
    sometimes = {chain.items: chain.times for chain in known.chains}
    theirs = Counter[tuple[int, ...]]()
    for chain in role.chains:
        items = tuple(place[item] for item in chain.items)
        theirs[items] += chain.times.low
    new = [items for items in theirs if items not in sometimes and min(items) >= 0]
    lost = {
        frozenset(items): items for items, times in sometimes.items()
        if times.low and items not in theirs
    }  # fmt: skip
    for items in new:
        before = lost.get(frozenset(items))
        if before is not None:
            found = _moved(known, list(before), list(items))
            if found is not None:
                yield found


def _flat(items: list[int]) -> list[int]:
    return [item for at, item in enumerate(items) if not at or items[at - 1] != item]


def _moved(known: Role, was: list[int], now: list[int]) -> Difference | None:
    """The first item that stands elsewhere than before, and before or after which."""
    if set(was) != set(now):
        return None
    for kind, low, high, start, end in SequenceMatcher(None, was, now, False).get_opcodes():
        if kind == "equal":
            continue
        moved = now[start:end] or was[low:high]
        item = known.items[moved[0]].item
        after = now[end] if end < len(now) else None
        if not now[start:end]:
            at = now.index(moved[0]) if moved[0] in now else -1
            after = now[at + 1] if 0 <= at < len(now) - 1 else None
        beside = (
            f"before {sentences.brief(known.items[after].item)}" if after is not None
            and after != moved[0] else "at another point"
        )  # fmt: skip
        return Difference(
            "order", Severity.CHANGED,
            f"now {sentences.says(item)} {beside}, which is another order, in {known.shown}",
            known.shown, " > ".join(sentences.brief(known.items[at].item) for at in was[:12]),
            " > ".join(sentences.brief(known.items[at].item) for at in now[:12]),
        )  # fmt: skip
    return None
