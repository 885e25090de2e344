# SPDX-License-Identifier: MIT
"""JSON from files that may lie: what Python's own parser lets pass is refused.

That is keys that come twice in an object (each reader takes another one), NaN and infinities
(which are no JSON), and numbers of so many digits that to read them takes minutes.
"""

from __future__ import annotations

import json
import math
from typing import Any

_DIGITS = 40


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key comes twice in an object")
    return found


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError("a number of too many digits")
    return int(digits)


def _real(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number that is too great")
    return value


def _constant(name: str) -> None:
    raise ValueError(f"{name}, which is no JSON")


#: Its methods raise ValueError (JSONDecodeError is one), and RecursionError where it is too deep.
DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_constant
)


def loads(data: bytes) -> Any:
    """One JSON text in UTF-8. Raises ValueError, RecursionError."""
    return DECODER.decode(data.decode("utf-8"))
