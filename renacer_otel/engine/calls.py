# SPDX-License-Identifier: MIT
"""Names of system calls by ABI and number, from calls.tsv: what the core has, but without it."""

from __future__ import annotations

import functools
import os
from typing import NamedTuple

_ABIS = (1, 2, 3, 4, 5)  # RN_ABI_X86_64, _I386, _X32, _AARCH64, _ARM: the columns of calls.tsv
_MACHINES = {"x86_64": 1, "aarch64": 4}


class Call(NamedTuple):
    """A system call of an ABI."""

    name: str
    arguments: int


@functools.cache
def table() -> dict[tuple[int, int], Call]:
    """All that are known, by ABI (RN_ABI_*) and number."""
    found: dict[tuple[int, int], Call] = {}
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "calls.tsv")
    with open(path, encoding="ascii") as file:
        for line in file:
            if line.startswith("#"):
                continue
            name, arguments, *numbers = line.split()
            call = Call(name, int(arguments))
            for abi, number in zip(_ABIS, numbers, strict=True):
                if number != "-":
                    found[abi, int(number)] = call
    return found


def name_of(abi: int, nr: int) -> str:
    """The call's name; "" if it is not known."""
    call = find(abi, nr)
    return call.name if call else ""


def find(abi: int, nr: int) -> Call | None:
    """The call, if it is known."""
    return table().get((abi, nr))


def native_abi() -> int:
    """RN_ABI_* of this machine's own programs; 0 = not known."""
    return _MACHINES.get(os.uname().machine, 0)
