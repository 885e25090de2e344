# SPDX-License-Identifier: MIT
"""Calls and their arguments by their names, each looked up once in the core's tables."""

from __future__ import annotations

import functools
from typing import NamedTuple

from renacer_otel.spans import replay

X86_64 = 1
_ABIS = (X86_64, 4, 2, 3, 5)  # RN_ABI_*: the likely ones first
# enum rn_arg_kind of syscalls.h.
FD, PATH = 6, 8
#: Those that are numbers: RAW INT LONG UINT ULONG FD DIRFD MODE PID FLAGS ID MODE_TYPE.
NUMBERS = (0, 1, 2, 3, 4, FD, 7, 16, 17, 18, 43, 45)
MOST_FD = (1 << 31) - 1
_LONGEST_NAME, _LONGEST_VALUE = 64, 1024  # what is longer is not kept
_RESULT_FD = 1 << 9  # RN_CALL_RESULT_FD


class Call(NamedTuple):
    """What is known of a call. `nr` -1: nothing, no call has this name.

    `arguments`: names and kinds; `descriptor`: which is its first descriptor, -1 = none;
    `paths`: which are paths; `makes`: its result is a new descriptor.
    """

    abi: int
    nr: int
    arguments: tuple[tuple[str, int], ...] = ()
    descriptor: int = -1
    paths: tuple[int, ...] = ()
    makes: bool = False

    def kind(self, place: int) -> int:
        """What an argument is: enum rn_arg_kind; -1 = there is none."""
        return self.arguments[place][1] if place < len(self.arguments) else -1


def call(name: str, number: int | None = None) -> Call:
    """A call by its name; `number`, if it is told, says of which ABI it is."""
    return _call(name[:_LONGEST_NAME], number)


@functools.lru_cache(4096)
def _call(name: str, number: int | None) -> Call:
    for abi in _ABIS:
        nr = replay.call_number(abi, name)
        if nr is not None and number in (None, nr):
            return _known(abi, nr)
    return Call(X86_64, -1 if number is None else number)


def _known(abi: int, nr: int) -> Call:
    arguments = replay.arguments(abi, nr)
    kinds = [kind for _, kind in arguments]
    return Call(
        abi,
        nr,
        tuple(arguments),
        kinds.index(FD) if FD in kinds else -1,
        tuple(place for place, kind in enumerate(kinds) if kind == PATH),
        bool(replay.call_flags(abi, nr) & _RESULT_FD),
    )


def value(abi: int, nr: int, place: int, text: str) -> int | None:
    """The number of an argument that is written as constants and numbers joined by `|`."""
    return _value(abi, nr, place, text) if len(text) <= _LONGEST_VALUE else None


@functools.lru_cache(4096)
def _value(abi: int, nr: int, place: int, text: str) -> int | None:
    found = 0
    for word in text.split("|"):
        if word.startswith("0x") and len(word) <= 18:
            try:
                found |= int(word[2:], 16)
            except ValueError:
                return None
        elif word.isascii() and word.isdigit() and len(word) <= 20:
            found |= int(word)
        else:
            one = replay.constant(abi, nr, place, word)
            if one is None:
                return None
            found |= one
    return found & (1 << 64) - 1
