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

    Among the children of roles that match: first those that are run alike, then those that run the
    same program, in order.
    """
    found: dict[str, str] = {}
    if known.roles and other.roles:
        found[other.roles[0].name] = known.roles[0].name
    free: dict[str, list[Role]] = defaultdict(list)
    for role in known.roles:
        if role.parent:
            free[role.parent].append(role)
    children: dict[str, list[Role]] = defaultdict(list)
    for role in other.roles:
        if role.parent:
            children[role.parent].append(role)
    for parent in other.roles:  # parents come first
        if parent.name not in found:
            continue
        there = free[found[parent.name]]
        for same in (_alike, _same_program):
            for role in children[parent.name]:
                if role.name in found:
                    continue
                for candidate in there:
                    if same(candidate, role):
                        found[role.name] = candidate.name
                        there.remove(candidate)
                        break
    return found


def _alike(known: Role, other: Role) -> bool:
    return known.program == other.program and patterns.arguments_fit(known.argv, other.argv)


def _same_program(known: Role, other: Role) -> bool:
    return known.program == other.program and bool(known.argv) == bool(other.argv)
