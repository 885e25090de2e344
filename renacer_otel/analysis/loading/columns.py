# SPDX-License-Identifier: MIT
"""Columns in the making: rows as they are found, and each text once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from renacer_otel.spans import replay

if TYPE_CHECKING:
    from numpy.typing import NDArray

_AT_ONCE = 1 << 14
_NO_DESCRIPTOR = -1


class Rows:
    """Rows of a dtype, given as tuples; `room` is how many bytes they may take."""

    def __init__(self, form: np.dtype[Any], room: int | None = None) -> None:
        self._form = form
        self._parts: list[NDArray[Any]] = []
        self._some: list[tuple[Any, ...]] = []
        self._left = (half_of_memory() if room is None else room) // form.itemsize
        self.missed = 0

    def add(self, row: tuple[Any, ...]) -> bool:
        """False: there is no room, and it is counted as missed."""
        if not self._left:
            self.missed += 1
            return False
        self._left -= 1
        self._some.append(row)
        if len(self._some) == _AT_ONCE:
            self._pack()
        return True

    def _pack(self) -> None:
        self._parts.append(np.array(self._some, self._form))
        self._some = []

    def all(self) -> NDArray[Any]:
        """All rows, in order."""
        if self._some or not self._parts:
            self._pack()
        found = np.concatenate(self._parts)
        self._parts = [found]
        return found


class Texts:
    """Each text once, by its index; 0 is the empty one."""

    def __init__(self, room: int | None = None) -> None:
        self._index: dict[bytes, int] = {b"": 0}
        self._left = half_of_memory() // 4 if room is None else room
        self.missed = 0

    def add(self, text: bytes) -> int:
        """Its index; 0 too where there is no room, which is counted."""
        known = self._index.get(text)
        if known is not None:
            return known
        cost = len(text) + 150
        if cost > self._left:
            self.missed += 1
            return 0
        self._left -= cost
        number = self._index[text] = len(self._index)
        return number

    def listed(self) -> list[bytes]:
        """All of them, by their indexes."""
        return list(self._index)

    def details(self, rows: NDArray[Any]) -> replay.Details:
        """With the rows (replay.DETAIL) whose texts these are."""
        texts = np.zeros(len(self._index), replay.TEXT)
        lengths = np.fromiter(map(len, self._index), "u8", len(self._index))
        texts["len"] = lengths
        texts["at"] = np.cumsum(lengths) - lengths
        return replay.Details(rows, texts, np.frombuffer(b"".join(self._index), np.uint8))


def half_of_memory() -> int:
    """Bytes, as replay.of_trace() has it."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def no_details(count: int) -> NDArray[Any]:
    """Rows of details that tell nothing."""
    rows = np.zeros(count, replay.DETAIL)
    rows["fd"] = _NO_DESCRIPTOR
    return rows
