# SPDX-License-Identifier: MIT
"""What runs do otherwise than a golden trace says, the most important first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel.analysis.golden import (
    compare_items,
    compare_streams,
    environment,
    matching,
    patterns,
    sentences,
    texts,
)
from renacer_otel.analysis.golden.model import (
    Canonical,
    Difference,
    Golden,
    Range,
    Role,
    Severity,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Kinds, in the order in which they are told: what follows from another stands behind it.
ORDER = (
    "argv", "process", "environment", "file", "mode", "sync", "input", "network", "bytes", "exit",
    "error", "effect", "signal", "order", "library", "memory", "link", "threads", "call", "count",
)  # fmt: skip
_QUIET_EXITS = frozenset({"SIGPIPE", "runs on"})
#: Memory: what allocators and stacks of threads may take more.
_MORE_MEMORY = 1.25
_FREE_MEMORY = 1 << 20
_FREE_MEMORY_PER_THREAD = 12 << 20


def between(golden: Golden, runs: Sequence[Canonical]) -> list[Difference]:
    """What all of some runs (one at least) do otherwise. ValueError: made by other rules."""
    if not runs:
        raise ValueError("there is no run to compare")
    found: list[Difference] = []
    for number, run in enumerate(runs):
        if run.kept != golden.form.kept:
            raise ValueError("the run was made with other rules switched off than the golden trace")
        here = list(_between(golden.form, run))
        if not number:
            found = here
            continue
        keys = {_key(one) for one in here}
        found = [one for one in found if _key(one) in keys]
    found = list({one.sentence: one for one in reversed(found)}.values())[::-1]
    return ranked(found)


def ranked(found: Sequence[Difference]) -> list[Difference]:
    """The most important first."""
    return sorted(found, key=_importance)


def _importance(one: Difference) -> tuple[int, int, int, bool]:
    """What is made under another name each time, nobody waits for."""
    return -one.severity, ORDER.index(one.kind), one.later, texts.RANDOM in one.sentence


def _key(one: Difference) -> tuple[str, str, str, str]:
    return one.kind, one.where, one.expected, "" if one.expected else one.actual


def _between(golden: Canonical, run: Canonical) -> Iterator[Difference]:
    golden, run = environment.of_both(golden, run)
    same = matching.roles(golden, run)
    known = {role.name: role for role in golden.roles}
    words = (_words(golden), _words(run))
    renamed = {name: known[other].shown for name, other in same.items()}
    for role in run.roles:
        if role.name in same:
            yield from _role(known[same[role.name]], role, words)
        elif not role.parent or role.parent in same:  # else its parent is new, too
            yield _new_process(role, renamed)
    missed = known.keys() - set(same.values())
    for role in golden.roles:
        if role.name in missed and role.count.low and role.parent not in missed:
            yield _lost_process(role, known)
    yield from _memory(golden, run)
    yield from _links(golden, run, same)


def _new_process(role: Role, renamed: dict[str, str]) -> Difference:
    parent = renamed.get(role.parent, "")
    what = sentences.command(role.argv) if role.argv else "a child of its own program"
    return Difference(
        "process", Severity.CHANGED,
        f"{parent or 'the command'} now also runs {what}",
        parent, "", what,
    )  # fmt: skip


def _lost_process(role: Role, known: dict[str, Role]) -> Difference:
    parent = known[role.parent].shown if role.parent else "the command"
    what = sentences.command(role.argv) if role.argv else "a child of its own program"
    return Difference(
        "process", Severity.CHANGED, f"{parent} no longer runs {what}", parent, what, ""
    )


def _words(form: Canonical) -> set[str]:
    """Of all command lines."""
    return {argument.text for role in form.roles for argument in role.argv}


def _role(known: Role, role: Role, words: tuple[set[str], set[str]]) -> Iterator[Difference]:
    """`words`: of all command lines, before and now."""
    where = known.shown
    if known.parent:
        yield from _argv(known, role, words)
    if not _within(role.count.low, known.count, 0 if known.count.is_one else 1):
        yield Difference(
            "process", Severity.CHANGED,
            f"{where} now runs {sentences.times(role.count)} instead of"
            f" {sentences.times(known.count)}",
            where, str(known.count.high), str(role.count.low),
        )  # fmt: skip
    exits = [code for code in role.exits if code not in known.exits and code not in _QUIET_EXITS]
    if exits and not (exits == ["0"] and set(known.exits) <= _QUIET_EXITS):
        yield Difference(
            "exit", Severity.CHANGED,
            f"{where} now ends with {_ends(exits)} instead of {_ends(known.exits)}",
            where, ", ".join(known.exits), ", ".join(exits),
        )  # fmt: skip
    yield from compare_items.between(known, role)
    yield from compare_streams.between(known, role)
    for library in sorted(set(role.libraries) - set(known.libraries)):
        yield Difference(
            "library", Severity.CHANGED, f"{where} now also loads {sentences.word(library)}",
            where, "", library,
        )  # fmt: skip
    for library in sorted(set(known.libraries) - set(role.libraries)):
        yield Difference(
            "library", Severity.CHANGED, f"{where} no longer loads {sentences.word(library)}",
            where, library, "",
        )  # fmt: skip
    few, many = known.threads
    # Pools grow by demand: where runs had different numbers, a further run may have another.
    most = many + many // 2 + 1 if known.threads.is_one else 2 * many + 2
    if (
        (role.threads.low > most)
        or (few and not role.threads.low)
        or (role.threads.low and not many)
    ):
        yield Difference(
            "threads", Severity.CHANGED,
            f"{where} now has {role.threads.low} threads beside its first instead of"
            f" {few if few == many else f'{few} to {many}'}",
            where, str(many), str(role.threads.low),
        )  # fmt: skip


def _within(value: int, expected: Range, slack: int) -> bool:
    return expected.low - slack <= value <= expected.high + slack


def _ends(codes: Sequence[str]) -> str:
    return " or ".join(code if code.startswith("SIG") else f"exit code {code}" for code in codes)


def _argv(known: Role, role: Role, words: tuple[set[str], set[str]]) -> Iterator[Difference]:
    if patterns.arguments_fit(known.argv, role.argv):
        return
    was, now = sentences.whole_command(known.argv), sentences.whole_command(role.argv)
    new = {argument.text for argument in role.argv} - words[0]
    lost = {argument.text for argument in known.argv} - words[1]
    yield Difference(
        "argv", Severity.CHANGED,
        sentences.run_as(known, role.argv, new, lost), known.shown, was, now, later=int(not new),
    )  # fmt: skip


def _memory(golden: Canonical, run: Canonical) -> Iterator[Difference]:
    known = golden.figures.peak_memory
    if not known or not run.figures.peak_memory or min(known) < 0:
        return
    now, most = run.figures.peak_memory[0], max(known)
    threads = max((role.threads.high for role in (*golden.roles, *run.roles)), default=0)
    if now > most * _MORE_MEMORY + _FREE_MEMORY + threads * _FREE_MEMORY_PER_THREAD:
        yield Difference(
            "memory", Severity.CHANGED,
            f"allocates {now >> 10} KiB at once instead of at most {most >> 10} KiB",
            golden.roles[0].shown if golden.roles else "", str(most), str(now),
        )  # fmt: skip


def _links(golden: Canonical, run: Canonical, same: dict[str, str]) -> Iterator[Difference]:
    """Links between roles that both have. Forks are told with the processes."""
    shown = {role.name: role.shown for role in golden.roles}
    mine = {link[:3]: link.always for link in golden.links}
    yours = {
        (link.kind, same[link.cause], same[link.effect]): link.always
        for link in run.links
        if link.cause in same and link.effect in same
    }
    met = set(same.values())
    for key, always in mine.items():
        kind, cause, effect = key
        if always and key not in yours and {cause, effect} <= met and kind != "fork":
            yield Difference(
                "link", Severity.MINOR,
                f"nothing passes any more from {shown[cause]} to {shown[effect]} ({kind})",
                shown[cause], kind, "",
            )  # fmt: skip
    for key, always in yours.items():
        kind, cause, effect = key
        if always and key not in mine and kind != "fork":
            yield Difference(
                "link", Severity.MINOR,
                f"now something passes from {shown[cause]} to {shown[effect]} ({kind})",
                shown[cause], "", kind,
            )  # fmt: skip


def changed(found: Sequence[Difference], *, strict: bool = False) -> bool:
    """Whether a check has failed."""
    return any(strict or one.severity == Severity.CHANGED for one in found)
