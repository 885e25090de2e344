# SPDX-License-Identifier: MIT
"""JSON that is as strict readers have it: what Python's own parser and writer let pass is not.

From files that may lie that is keys that come twice in an object (each reader takes another one),
NaN and infinities (which are no JSON), and numbers of so many digits that to read them takes
minutes.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

_DIGITS = 40
_HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair


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


def writable(value: Any) -> Any:
    """A value to be written as JSON, in its texts \\xff for each byte that is no UTF-8.

    os.fsdecode() hands these out as halves of surrogate pairs, which strict readers refuse.
    """
    if isinstance(value, str):
        return _HALF.sub(_byte, value)
    if isinstance(value, dict):
        return {writable(key): writable(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [writable(each) for each in value]
    return value


def _byte(half: re.Match[str]) -> str:
    code = ord(half[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"
