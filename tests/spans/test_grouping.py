# SPDX-License-Identifier: MIT
"""Rows that are alike: as NumPy finds them by sorting."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from renacer_otel.spans import grouping

_NEAR = st.integers(-3, 5)
_FAR = st.one_of(_NEAR, st.integers(-(1 << 63), (1 << 63) - 1))


@settings(deadline=None, max_examples=100)
@given(st.lists(_FAR, max_size=30))
def test_indexed(values: list[int]) -> None:
    for form in (np.int64, np.uint64):
        column = np.array(values, np.int64).astype(form)
        known, index = grouping.indexed(column)
        wanted, inverse = np.unique(column, return_inverse=True)
        assert known.dtype == column.dtype
        assert (known.tolist(), index.tolist()) == (wanted.tolist(), inverse.reshape(-1).tolist())


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(_NEAR, _FAR, _NEAR), max_size=30))
def test_grouped(rows: list[tuple[int, int, int]]) -> None:
    table = np.array(rows, np.int64).reshape(-1, 3)
    first, group = grouping.grouped(*table.T)
    seen = list(dict.fromkeys(rows))
    assert sorted(first.tolist()) == [rows.index(row) for row in seen]
    assert [rows[first[number]] for number in group.tolist()] == rows
