# SPDX-License-Identifier: MIT
"""Which role of one canonical form is which of another."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from renacer_otel.analysis.golden import patterns

if TYPE_CHECKING:
    from renacer_otel.analysis.golden.model import Canonical, Role

#: That are weighed; of more the first that fit are taken.
_MOST_PAIRS = 20_000


def roles(known: Canonical, other: Canonical) -> dict[str, str]:
    """By the names of `other`'s roles those of `known`; a role that is new is absent.

    Among the children of roles that match, and those whose parents are not known: first those that
    are run alike, then those that run the same program, the most alike first.
    """
    found: dict[str, str] = {}
    free: dict[str, list[Role]] = defaultdict(list)
    for role in known.roles:
        free[role.parent].append(role)
    children: dict[str, list[Role]] = defaultdict(list)
    for role in other.roles:
        children[role.parent].append(role)
    _match(children[""], free[""], found)
    # The command, however it is run now.
    if children[""] and free[""] and free[""][0] is known.roles[0]:
        found.setdefault(other.roles[0].name, known.roles[0].name)
    for parent in other.roles:  # parents come first
        if parent.name in found:
            _match(children[parent.name], free[found[parent.name]], found)
    return found


def _match(roles: list[Role], there: list[Role], found: dict[str, str]) -> None:
    """Finds some of these roles among those that are there, and takes them out."""
    for role in roles:
        if role.name in found:
            continue
        candidate = next((one for one in there if _alike(one, role)), None)
        if candidate is not None:
            found[role.name] = candidate.name
            there.remove(candidate)
    nearest = _nearest(there, [role for role in roles if role.name not in found])
    found.update(nearest)
    taken = set(nearest.values())
    there[:] = [one for one in there if one.name not in taken]


def _nearest(known: list[Role], roles: list[Role]) -> dict[str, str]:
    """Of roles that run the same program those whose command lines have most in common."""
    pairs = [(one, role) for role in roles for one in known if _same_program(one, role)]
    if len(pairs) <= _MOST_PAIRS:
        words = {
            id(role): Counter(argument.text for argument in role.argv) for role in (*known, *roles)
        }
        pairs.sort(key=lambda pair: -_common(words[id(pair[0])], words[id(pair[1])]))
    found: dict[str, str] = {}
    taken: set[str] = set()
    for one, role in pairs:
        if role.name not in found and one.name not in taken:
            found[role.name] = one.name
            taken.add(one.name)
    return found


def _common(known: Counter[str], words: Counter[str]) -> int:
    """How many words two command lines have in common, less those that only one has."""
    return 3 * (known & words).total() - known.total() - words.total()


def _alike(known: Role, other: Role) -> bool:
    return known.program == other.program and patterns.arguments_fit(known.argv, other.argv)


def _same_program(known: Role, other: Role) -> bool:
    return known.program == other.program and bool(known.argv) == bool(other.argv)
