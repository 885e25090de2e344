# SPDX-License-Identifier: MIT
"""Damage to bytes, and to values of JSON: the same for the same seed."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

_NUMBERS = [
    0, 1, 2, 7, 8, 16, 55, 104, 127, 128, 255, 256, 4095, 4096, 65_535, 65_536, (1 << 18),
    (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 53) + 1, (1 << 63) - 1, 1 << 63,
    (1 << 64) - 1,
]  # fmt: skip
_LONGEST = 1 << 20

#: What a value of JSON is replaced by. Of text, pieces as they are written.
_VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**40, 0.5, -0.0, 1e308, "", "0",
    "-1", "18446744073709551615", "18446744073709551616", "x" * 1000, "\0", "\ud800", "\u202e",
    "0" * 32, "0x3", [], {}, [[]], [None], {"": None}, [{}] * 50, {"key": "a", "value": {}},
]  # fmt: skip
_PIECES = [
    b"NaN", b"1e999", b"-", b"01", b'"', b'"\\', b'"\\ud8', b"[" * 200, b'{"a":' * 200, b"]", b"}",
    b",", b":", b"\xff", b"\xef\xbb\xbf", b"\0", b" " * 500, b"9" * 500, b"/*", b"null",
]  # fmt: skip


def number(rng: random.Random) -> int:
    """One that means something somewhere, or nothing; of 64 bits."""
    if rng.random() < 0.6:
        return rng.choice(_NUMBERS)
    return rng.getrandbits(64) >> rng.randrange(64)


def damaged(rng: random.Random, data: bytes, most: int = 6) -> bytes:
    """Some bytes changed, put in, taken out, or repeated; of at most a MiB."""
    made = bytearray(data)
    for _ in range(rng.randint(1, most)):
        at = rng.randrange(len(made) + 1)
        match rng.randrange(8):
            case 0 if made:
                made[at % len(made)] ^= 1 << rng.randrange(8)
            case 1:
                made[at : at + 1] = bytes([rng.randrange(256)])
            case 2:
                width = rng.choice([1, 2, 4, 8])
                packed = struct.pack("<Q", number(rng))[:width]
                at -= at % width
                made[at : at + width] = packed if rng.random() < 0.8 else packed[::-1]
            case 3:
                made[at:at] = rng.randbytes(rng.choice([1, 2, 4, 8, 100]))
            case 4:
                del made[at : at + rng.choice([1, 2, 4, 8, 100, len(made)])]
            case 5:
                begin = rng.randrange(len(made) + 1)
                made[at:at] = made[begin : begin + rng.choice([8, 32, 104, 1000])]
            case 6:
                end = at + rng.choice([8, 32, 1000])
                made[at:end] = bytes(len(made[at:end]))
            case _:
                if rng.random() < 0.3:
                    del made[at:]
    return bytes(made[:_LONGEST])


def _places(value: Any, found: list[tuple[Any, Any]]) -> None:
    """All (list or object, index or key) below a value."""
    stack = [value]
    while stack:
        here = stack.pop()
        items = here.items() if isinstance(here, dict) else enumerate(here)
        for key, below in items:
            found.append((here, key))
            if isinstance(below, dict | list):
                stack.append(below)


def damaged_json(rng: random.Random, data: bytes, most: int = 4) -> bytes:
    """Values of a text of JSON lines replaced, repeated, renamed; now and then the text itself."""
    if rng.random() < 0.2:
        return damaged_text(rng, data)
    try:
        value = [json.loads(line) for line in data.splitlines()]
    except (ValueError, RecursionError):  # it was damaged before
        return damaged_text(rng, data)
    for _ in range(rng.randint(1, most)):
        found: list[tuple[Any, Any]] = []
        _places(value, found)
        if not found:
            break
        holder, key = rng.choice(found)
        match rng.randrange(7):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[rng.choice(["", "x", "key", "value", "spans", "\u202e"])] = holder.pop(key)
            case 2:
                other, place = rng.choice(found)
                copied = json.dumps(other[place]) if place in _keys(other) else "null"
                holder[key] = json.loads(copied[:_LONGEST] if len(copied) < 50_000 else "null")
            case 3 if isinstance(holder, list) and len(holder) < 1000:
                holder[key:key] = holder[key : key + 1] * rng.choice([1, 2, 20])
            case 4 if isinstance(holder[key], str):
                text = holder[key]
                at = rng.randrange(len(text) + 1)
                holder[key] = (
                    text[:at] + rng.choice(["", "0", "f", "-", "é", "\n"]) + text[at + 1 :]
                )
            case 5 if isinstance(holder[key], int):
                holder[key] = number(rng)
            case _:
                holder[key] = json.loads(json.dumps(rng.choice(_VALUES)))
    return b"".join(json.dumps(one).encode() + b"\n" for one in value)[:_LONGEST]


def _keys(holder: Any) -> Any:
    return holder if isinstance(holder, dict) else range(len(holder))


def damaged_text(rng: random.Random, data: bytes) -> bytes:
    """Text that is cut, or has a piece in it that does not belong there."""
    made = damaged(rng, data, 2) if rng.random() < 0.5 else data
    at = rng.randrange(len(made) + 1)
    return made[:at] + rng.choice(_PIECES) + made[at + rng.choice([0, 0, 1, 20]) :]
