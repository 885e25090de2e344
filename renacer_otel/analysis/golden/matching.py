# SPDX-License-Identifier: MIT
"""Which role of one canonical form is which of another."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from renacer_otel.analysis.golden import patterns

if TYPE_CHECKING:
    from renacer_otel.analysis.golden.model import Canonical, Role


def roles(known: Canonical, other: Canonical) -> dict[str, str]:
    """By the names of `other`'s roles those of `known`; a role that is new is absent.

    Among the children of roles that match, and those whose parents are not known: first those that
    are run alike, then those that run the same program, in order.
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
    for same in (_alike, _same_program):
        for role in roles:
            if role.name in found:
                continue
            for candidate in there:
                if same(candidate, role):
                    found[role.name] = candidate.name
                    there.remove(candidate)
                    break


def _alike(known: Role, other: Role) -> bool:
    return known.program == other.program and patterns.arguments_fit(known.argv, other.argv)


def _same_program(known: Role, other: Role) -> bool:
    return known.program == other.program and bool(known.argv) == bool(other.argv)
