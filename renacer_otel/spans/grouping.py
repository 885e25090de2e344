# SPDX-License-Identifier: MIT
"""Rows that are alike, found in a time linear in their number: values mostly lie close together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FREE = 1 << 16


def indexed(column: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The values of a column of whole numbers, in order, and the index of each row's value.

    What np.unique() finds by sorting.
    """
    if not len(column):
        return column[:0], np.zeros(0, np.int64)
    low, high = column.min(), column.max()
    if low == high:
        return column[:1], np.zeros(len(column), np.int64)
    if int(high) - int(low) > 4 * len(column) + _FREE:
        known, index = np.unique(column, return_inverse=True)
        return known, index.reshape(-1)
    place = (column - low).astype(np.int64)
    there = np.bincount(place) > 0
    known = np.flatnonzero(there).astype(column.dtype) + low
    return known, (np.cumsum(there) - 1)[place]


def grouped(*columns: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that are alike in all columns: the first row of each group, and each row's group."""
    count = len(columns[0])
    key, span = np.zeros(count, np.int64), 1
    for column in columns:
        known, index = indexed(column)
        if len(known) < 2:
            continue
        key, span = key * len(known) + index, span * len(known)
        if span > 4 * count + _FREE:
            known, key = indexed(key)
            span = len(known)
    known, key = indexed(key)
    first = np.zeros(len(known), np.int64)
    first[key[::-1]] = np.arange(count - 1, -1, -1)
    return first, key
