# SPDX-License-Identifier: MIT
"""How much is tried: all of it with RENACER_TEST_SCALE=full (`./dev soak`)."""

from __future__ import annotations

import os

FULL = os.environ.get("RENACER_TEST_SCALE") == "full"


def some(*values: str, of: int) -> list[str]:
    """All of these at full scale, else the first ones."""
    return list(values if FULL else values[:of])


def examples(number: int) -> int:
    """So many of Hypothesis's at full scale, else a third: others each time, so they add up."""
    return number if FULL else number // 3
