# SPDX-License-Identifier: MIT
"""One run in canonical form: the same for two runs of a command that does the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np

from renacer_otel.analysis.causality.history import SIGNAL
from renacer_otel.analysis.golden import (
    contents,
    environment,
    mapped,
    measures,
    ordering,
    places,
    rules,
    shapes,
    tree,
)
from renacer_otel.analysis.golden.model import (
    OK,
    Argument,
    Canonical,
    Chain,
    Counted,
    Group,
    Item,
    Link,
    Range,
    Rank,
    Role,
    Stream,
)
from renacer_otel.analysis.golden.rules import Way
from renacer_otel.analysis.golden.texts import RANDOM
from renacer_otel.errors import UsageError, did_you_mean
from renacer_otel.spans import grouping, replay, source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from renacer_otel.spans.replay import Replay

#: Effects of a role whose order is kept; of a thing, in its chain.
MOST_IN_ORDER = 20_000
MOST_IN_CHAIN = 200
_LONGEST_GROUP = 8
_LINKED = frozenset({"fork", "pipe", "unix", "tcp", "signal", "eventfd", "mqueue", "connect"})


def of_replay(
    run: Replay, keep: Iterable[str] = (), places: Mapping[str, str] | None = None
) -> Canonical:
    """The canonical form of a run. `keep`: rules (rules.RULES) that are switched off; `places`:
    folders by names that stand for them, as <folder> does for that of the run.

    The replay must have been made with `details`; without `shown` there are no arguments but paths.
    Raises UsageError for a rule that there is not.
    """
    kept = frozenset(keep)
    for name in sorted(kept - rules.RULES.keys()):
        raise UsageError(f"no rule is called '{name}'{did_you_mean(name, rules.RULES)}")
    return _Run(run, kept, places or {}).canonical()


class _Run:
    """The columns of a run, and what was made of them."""

    def __init__(self, run: Replay, kept: frozenset[str], places: Mapping[str, str]) -> None:
        assert run.details is not None
        self.run, self.kept, self.calls = run, kept, run.calls
        self.details = run.details
        self.codes, self.names = replay.call_names(run.calls)
        self.by_thread = np.lexsort((self.calls["seq"], self.calls["thread"]))
        prologue, self.libraries = tree.prologues(run, self.names, self.codes, self.by_thread)
        self.shapes = shapes.of_replay(run, kept, (self.codes, self.names), prologue, places)
        self.tree = tree.of_replay(run, self.shapes.words, (self.codes, self.names))
        self.process = run.threads["ordinal"][self.calls["thread"]]
        self.role = self.tree.of_process(self.process)
        self.left = mapped.of_run(run, self.shapes, self.names, self.codes, self.role)
        self.variables = environment.of_run(
            run, tree.execs(run, (self.codes, self.names)), self.shapes.words, kept
        )
        if self.variables.known:
            self.shapes.counts[environment.RULE] = self.variables.left_out
        self.items = list(self.shapes.items)
        self.unplaced: list[str] = []
        self.sources: dict[tuple[int, int], str] = {}  # by role and item

    def canonical(self) -> Canonical:
        """All of it."""
        multiplexed = self._roles_of(self._named(rules.MULTIPLEXING))
        threads = self._threads()
        alone = [
            bool(count == 1 and not others)
            for count, others in zip(self.tree.counts.tolist(), threads, strict=True)
        ]
        items, streams = self._counted(), self._streams(alone, multiplexed)
        chains = self._chains()
        lost = ordering.lost(
            self.run, self.tree, threads, self._effects(), (self.codes, self.names)
        )
        libraries = self._libraries()
        signals, variables = self._signals(), self._variables()
        roles = []
        for number, parent in enumerate(self.tree.parents):
            exact = alone[number] and number not in multiplexed
            local: dict[int, int] = {}
            counted = sorted(items[number].items(), key=lambda pair: str(self.items[pair[0]]))
            for item, _ in counted:
                local[item] = len(local)
            found = [
                Counted(self.items[item], Range(n, n), self.sources.get((number, item), ""))
                for item, n in counted
            ]
            found += [
                Counted(Item("signal", (Argument("text", name),), OK, Rank.EFFECT), Range(1, 1))
                for name in sorted(signals[number])
            ]
            found += environment.counted(variables[number])
            ways = Counter(
                tuple(local[item] for item in chain)
                for chain in chains[number]
                if all(item in local for item in chain)
            )
            roles.append(
                Role(
                    f"p{number}",
                    self.tree.programs[number],
                    self.tree.argv[number],
                    "" if parent < 0 else f"p{parent}",
                    _one(int(self.tree.counts[number])),
                    _one(threads[number]),
                    tuple(sorted(self.tree.exits[number])),
                    tuple(sorted(libraries[number])),
                    tuple(found),
                    () if number in lost else self._order(number, local),
                    tuple(Chain(chain, _one(n)) for chain, n in sorted(ways.items())),
                    (*streams[number], *self.left.streams.get(number, ())),
                    exact,
                )
            )
        return Canonical(
            tuple(roles),
            tuple(self._links()),
            measures.figures(self.run, self.shapes),
            self.shapes.counts,
            tuple(sorted(self.kept)),
            bool(self.run.metadata.get("hashes")),
            tuple(self._missing(roles, lost)),
            environment.given(self.run),
        )

    def _named(self, names: Iterable[str]) -> NDArray[np.bool_]:
        wanted = set(names)
        table = np.array([name in wanted for name in self.names], bool)
        return table[self.codes] if len(table) else np.zeros(0, bool)

    def _roles_of(self, rows: NDArray[np.bool_]) -> set[int]:
        return set(np.unique(self.role[rows]).tolist())

    def _threads(self) -> list[int]:
        """Of each role how many threads beside the first ones."""
        threads = self.run.threads
        others = threads["tid"] != threads["pid"]
        roles = self.tree.of_process(threads["ordinal"][others])
        return [int((roles == number).sum()) for number in range(len(self.tree.keys))]

    def _counted(self) -> list[Counter[int]]:
        """Of each role its items, and how often. Keeps where in the source they are made first."""
        found: list[Counter[int]] = [Counter() for _ in self.tree.keys]
        rows = np.flatnonzero((self.shapes.item >= 0) & (self.role >= 0))
        # That something was read is told by the stream, and that there was no more is nothing; but
        # standard input, which is empty, is a thing to ask for.
        empty = (self.shapes.way[rows] == Way.READ) & (self.calls["result"][rows] == 0)
        asked = np.array([name == shapes.STDIN for name in self.shapes.labels], bool)
        empty &= ~asked[self.shapes.label[rows]]
        rows = rows[~empty]
        size = len(self.items) + 1
        first, group = grouping.grouped(self.role[rows], self.shapes.item[rows])
        key = self.role[rows[first]] * size + self.shapes.item[rows[first]]
        times = np.zeros(len(first), np.int64)
        np.add.at(times, group, self._parts(rows))
        for one, row in zip(key.tolist(), rows[first].tolist(), strict=True):
            frame = source.resolve(self.details, row)
            if frame is not None and frame.where:
                self.sources[divmod(one, size)] = frame.where
        for one, n in zip(key.tolist(), times.tolist(), strict=True):
            role, item = divmod(one, size)
            found[role][item] = 1 if _is_chance_how_often(self.items[item]) else max(n, 1)
        return found

    def _parts(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """How often calls count: not at all, if they are parts of streams."""
        shape = self.shapes
        passes = (shape.way[rows] == Way.READ) | (shape.way[rows] == Way.WRITE)
        messages = shape.messages[rows]
        stream = passes & (messages < 0) & ~shape.failed[rows]
        return np.where(stream, 0, np.where(messages > 0, messages, 1))

    def _streams(self, alone: list[bool], multiplexed: set[int]) -> list[list[Stream]]:
        """Of each role what passed through objects, by what they are."""
        found: list[list[Stream]] = [[] for _ in self.tree.keys]
        shape = self.shapes
        passes = (shape.way == Way.READ) | (shape.way == Way.WRITE)
        rows = np.flatnonzero(passes & (self.role >= 0) & (self.calls["result"] >= 0))
        rows = rows[contents.lengths(self.run, rows) > 0]  # mq_timedsend() results in 0
        if not len(rows):
            return found
        size = len(shape.labels) + 1
        key = (self.role[rows] * size + shape.label[rows]) * 4 + shape.way[rows]
        known, inverse = grouping.indexed(key)
        sums = np.zeros(len(known), np.int64)
        np.add.at(sums, inverse, contents.lengths(self.run, rows))
        parts: dict[tuple[int, str, str], list[int]] = defaultdict(list)
        for number, one in enumerate(known.tolist()):
            rest, way = divmod(one, 4)
            role, label = divmod(rest, size)
            direction = "read" if way == Way.READ else "write"
            parts[role, direction, shape.labels[label]].append(number)
        where = places.Places(self.run, shape, (self.codes, self.names))
        self.unplaced = where.unplaced()
        order = np.argsort(inverse, kind="stable")
        bounds = np.searchsorted(inverse[order], np.arange(len(known) + 1))
        for (role, direction, name), numbers in sorted(parts.items()):
            content = at = ""
            if direction == "write":
                written = np.concatenate(
                    [rows[order[bounds[one] : bounds[one + 1]]] for one in numbers]
                )
                waits = role in multiplexed
                content = contents.of_rows(self.run, written, alone=alone[role], multiplexed=waits)
                at = where.of_rows(written, ordered=alone[role] and not waits)
            total = int(sums[numbers].sum())
            found[role].append(Stream(direction, name, _one(total), content, places=at))
        return found

    def _effects(self) -> NDArray[np.int64]:
        """Rows that others can see, by thread and in each by their entries."""
        seen = np.array([item.rank == Rank.EFFECT for item in self.items] + [False], bool)
        rows = self.by_thread
        return rows[seen[self.shapes.item[rows]] & (self.role[rows] >= 0)]

    def _chains(self) -> list[list[tuple[int, ...]]]:
        """Of each role what was done with each thing that one thread alone had to do with."""
        found: list[list[tuple[int, ...]]] = [[] for _ in self.tree.keys]
        rows, thing = self._things(self._effects())
        if not len(rows):
            return found
        process = self.process[rows]
        order = np.lexsort((self.calls["seq"][rows], thing, process))
        rows, thing, process = rows[order], thing[order], process[order]
        item, thread = self.shapes.item[rows], self.calls["thread"][rows]
        new = np.ones(len(rows), bool)
        new[1:] = (thing[1:] != thing[:-1]) | (process[1:] != process[:-1])
        # What comes twice in a row is there once, however many calls that took.
        stays = new.copy()
        stays[1:] |= item[1:] != item[:-1]
        other = np.zeros(len(rows), np.int64)
        other[1:] = (thread[1:] != thread[:-1]) & ~new[1:]
        shared = np.add.reduceat(other, np.flatnonzero(new))
        number = (np.cumsum(new) - 1)[stays]
        rows, item = rows[stays], item[stays]
        bounds = np.searchsorted(number, np.arange(len(shared) + 1))
        for at in np.flatnonzero((np.diff(bounds) > 1) & (shared == 0)).tolist():
            low, high = int(bounds[at]), int(bounds[at + 1])
            chain = item[low : min(high, low + MOST_IN_CHAIN * _LONGEST_GROUP)].tolist()
            flat = [one for group, _ in folded(chain) for one in group]
            found[int(self.role[rows[low]])].append(tuple(flat[:MOST_IN_CHAIN]))
        return found

    def _things(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Calls and the paths, peers or streams that they name; one that names two comes twice."""
        numbers: dict[str, int] = {}
        table = np.full((len(self.items) + 1, 2), -1, np.int64)
        for at, item in enumerate(self.items):
            names = [one.text for one in item.arguments if one.kind == "object"]
            for place, name in enumerate(dict.fromkeys(names[:2])):
                table[at, place] = numbers.setdefault(name, len(numbers))
        things = table[self.shapes.item[rows]]
        twice = np.concatenate([rows, rows])
        thing = np.concatenate([things[:, 0], things[:, 1]])
        return twice[thing >= 0], thing[thing >= 0]

    def _order(self, role: int, local: dict[int, int]) -> tuple[Group, ...]:
        """How effects of a role's only thread follow each other."""
        rows = self._effects()
        items = self.shapes.item[rows[self.role[rows] == role]]
        if len(items):
            items = items[np.append(True, items[1:] != items[:-1])]
        known = [local[item] for item in items[:MOST_IN_ORDER].tolist() if item in local]
        return tuple(Group(group, _one(times)) for group, times in folded(known))

    def _libraries(self) -> list[set[str]]:
        found: list[set[str]] = [set() for _ in self.tree.keys]
        for ordinal, names in self.libraries.items():
            role = int(self.tree.of_process(np.array([ordinal], np.uint64))[0])
            if role >= 0:
                found[role] |= {self.shapes.words.of_library(name) for name in names}
        return found

    def _signals(self) -> list[set[str]]:
        found: list[set[str]] = [set() for _ in self.tree.keys]
        events = self.run.events[self.run.events["kind"] == SIGNAL]
        roles = self.tree.of_process(self.run.threads["ordinal"][events["thread"]])
        pairs = np.unique(np.stack([roles, events["nr"]]), axis=1).T if len(events) else ()
        for role, number in pairs:
            name = replay.signal_name(int(number))
            if role >= 0 and name not in rules.QUIET_SIGNALS:
                found[int(role)].add(name)
        return found

    def _variables(self) -> list[set[Item]]:
        """Of each role what variables its processes were given, if that is known."""
        found: list[set[Item]] = [set() for _ in self.tree.keys]
        for process, items in self.variables.items.items():
            role = int(self.tree.of_process(np.array([process], np.uint64))[0])
            if role >= 0:
                found[role] |= items
        return found

    def _links(self) -> list[Link]:
        """Which roles cause something in which others."""
        edges, threads = self.run.edges, self.run.threads
        if not len(edges) or not len(threads):
            return []
        kinds = replay.edge_names()
        owner = {int(tid): int(ordinal) for tid, ordinal in zip(
            threads["tid"].tolist(), threads["ordinal"].tolist(), strict=True)}  # fmt: skip
        tids, index = np.unique(
            np.concatenate([edges["cause_tid"], edges["effect_tid"]]), return_inverse=True
        )
        ordinals = np.array([owner.get(int(tid), 0) for tid in tids], np.uint64)
        roles = self.tree.of_process(ordinals)[index.reshape(-1)]
        cause, effect = roles[: len(edges)], roles[len(edges) :]
        rows = np.stack([edges["kind"], cause, effect, edges["certain"]]).astype(np.int64)
        found: dict[tuple[str, str, str], bool] = {}
        for kind, first, second, certain in np.unique(rows, axis=1).T.tolist():
            name = kinds[kind] if kind < len(kinds) else ""
            if name in _LINKED and first >= 0 and second >= 0 and first != second:
                key = (name, f"p{first}", f"p{second}")
                found[key] = found.get(key, False) or bool(certain)
        return [Link(*key, certain) for key, certain in sorted(found.items())]

    def _missing(self, roles: Sequence[Role], lost: dict[int, str]) -> Iterable[str]:
        run = self.run
        if not run.complete:
            yield "the trace was cut short"
        if run.lost_events or run.lost_calls:
            yield f"{run.lost_events} events and {run.lost_calls} calls were lost"
        if run.missed:
            yield f"there was no memory for {run.missed} rows"
        if run.is_filtered:
            yield "only some calls were recorded (-e trace=)"
        if self.details.shown is None:
            yield "the arguments of calls, but for paths, are not in the trace"
        if self.run.has_hashes and (moved := places.kernel_moved(self.run, self.names, self.codes)):
            yield f"what {', '.join(moved)} moved is counted, but its bytes were not seen"
        if self.run.has_hashes and self.left.unseen:
            yield f"what memory wrote into {', '.join(self.left.unseen[:5])} was not seen"
        if self.run.has_hashes and self.unplaced:
            where = ", ".join(self.unplaced[:5]) or "a file"
            yield f"where in {where} was written by an inherited descriptor is not known"
        if self.variables.known and not self.variables.whole:
            yield "not all variables that programs were given are known"
        if self.tree.cut:
            yield "some command lines are longer than what was captured of them"
        unordered = {
            roles[number].shown: why for number, why in lost.items()
            if sum(part.item.rank == Rank.EFFECT for part in roles[number].items) > 1
        }  # fmt: skip
        if unordered:
            yield ordering.told(unordered)
        if self.shapes.cut:
            yield f"more than {shapes.MOST_SHAPES} different calls: some by name only"


def folded(items: Sequence[int]) -> list[tuple[tuple[int, ...], int]]:
    """Items in order, repeats of one or of a group told once: (group, times)."""
    found: list[tuple[tuple[int, ...], int]] = []
    at = 0
    while at < len(items):
        # The group that covers most: so it is the same however often it comes.
        best, covered = (1, 1), 1
        for size in range(1, _LONGEST_GROUP + 1):
            group, times = items[at : at + size], 1
            if len(group) < size:
                break
            while items[at + times * size : at + (times + 1) * size] == group:
                times += 1
            if times > 1 and times * size > covered:
                best, covered = (size, times), times * size
        found.append((tuple(items[at : at + best[0]]), best[1]))
        at += covered
    return found


def _is_chance_how_often(item: Item) -> bool:
    """Timers that come again; git's folders of objects, of which two hashes may share one."""
    if item.call in rules.TIMERS:
        return True
    name = item.arguments[0].text if item.arguments else ""
    return item.call in ("mkdir", "mkdirat") and name.endswith(f"/objects/{RANDOM}")


def _one(value: int) -> Range:
    return Range(value, value)
