# SPDX-License-Identifier: MIT
"""Files that are no golden traces, or are made to harm: by name, what each is made by."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from renacer_otel.analysis.golden import golden_file, model
from renacer_otel.analysis.golden.model import Range, Rank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: A small one that is sound.
SOUND = model.Golden(
    "x",
    ("true",),
    2,
    "0",
    model.Canonical(
        (
            model.Role(
                "p0", "true", (model.Argument("text", "true"),), "", Range(1, 1), Range(0, 0),
                ("0",), ("/lib/libc.so.6",),
                (
                    model.Counted(
                        model.Item("unlink", (model.Argument("object", "/x"),), model.OK,
                                   Rank.EFFECT),
                        Range(1, 2), "x.c:3",
                    ),
                ),
                (model.Group((0,), Range(1, 2)),), (model.Chain((0,), Range(1, 1)),),
                (model.Stream("write", "<stdout>", Range(1, 9), "ab", True),), True,
            ),
        ),
        (),
        model.Figures((3, 4), (1, 1), (2, 2), (5, 5), (7, 8), {"p0: sleep": (1, 2)}, (9, 9), "m"),
        {"closing": 3, "waits": 1},
    ),
)  # fmt: skip
_RUNS = b"\x18\x01"


def framed(body: bytes, version: int = model.FORM_VERSION, length: int | None = None) -> bytes:
    """A file of this body; its head tells the truth but for what is given."""
    size = len(body) if length is None else length
    return struct.pack("<8sIIQ", b"RNGOLDEN", version, zlib.crc32(body), size) + body


def field(number: int, data: bytes) -> bytes:
    """A field of bytes, a message or packed numbers, as protobuf has it."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


def body() -> bytes:
    """Of the sound one."""
    return golden_file.dump(SOUND)[24:]


def _role(*parts: bytes) -> bytes:
    return _RUNS + field(5, field(1, b"".join(parts)))


def _nested(depth: int) -> bytes:
    """Messages of a field that is not known, one in the other."""
    inner = b""
    while len(inner) < depth:
        inner = field(99, inner)
    return inner


def _roles(names: Iterable[str]) -> bytes:
    return _RUNS + field(5, b"".join(field(1, field(1, name.encode())) for name in names))


def _many_figures() -> bytes:
    figures = field(1, b"\x01" * 900_000) + field(5, b"\x01" * 900_000)
    return _RUNS + field(5, field(3, figures))


_MOST = golden_file.MOST_BYTES
#: What is in a file. All of them are unreadable.
CONTENTS: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "zeros": lambda: bytes(1 << 20),
    "text": lambda: b"hello\n" * 1000,
    "JSON": lambda: b'{"format": "renacer-json-v1", "syscalls": []}',
    "a TRACE": lambda: b"RNCRTRC\x01" + bytes(100),
    "its head alone": lambda: golden_file.dump(SOUND)[:24],
    "half of it": lambda: golden_file.dump(SOUND)[:-40],
    "something behind it": lambda: golden_file.dump(SOUND) + b"\0",
    "newer": lambda: framed(body(), model.FORM_VERSION + 1),
    "much newer": lambda: framed(b"what will be", (1 << 32) - 1),
    "of no version": lambda: framed(body(), 0),
    "says that it has exabytes": lambda: framed(body(), length=(1 << 64) - 1),
    "brackets": lambda: framed(b"[" * _MOST),
    "brackets, too many": lambda: framed(b"[" * (_MOST + 1)),
    "bytes of a field that are not there": lambda: framed(_RUNS + b"\x2a\xff\xff\xff\xff\x7f"),
    "a number without an end": lambda: framed(b"\x18" + b"\xff" * 1000),
    "groups in groups": lambda: framed(_RUNS + b"\x9b\x06" * (_MOST // 2 - 10)),
    "messages in messages": lambda: framed(_RUNS + _nested(100_000)),
    "a field that is not known": lambda: framed(body() + field(99, b"x")),
    "a text for a number": lambda: framed(body() + field(3, b"two")),
    "a number for a text": lambda: framed(body() + b"\x08\x05"),
    "a text that is no UTF-8": lambda: framed(_RUNS + field(1, b"\xff\xfe")),
    "a name twice": lambda: framed(body() + field(1, b"y")),
    "a key twice": lambda: framed(body() + field(5, field(4, field(1, b"waits") + b"\x10\x05"))),
    "a role twice": lambda: framed(_roles(("p0", "p0"))),
    "100,000 roles": lambda: framed(_roles(f"p{number}" for number in range(100_000))),
    "a million empty roles": lambda: framed(_RUNS + field(5, b"\x0a\x00" * (_MOST // 2 - 200))),
    "a million empty items": lambda: framed(_role(b"\x4a\x00" * (_MOST // 2 - 200))),
    "a million empty arguments": lambda: framed(
        _role(field(9, field(1, b"\x12\x00" * (_MOST // 2 - 200))))
    ),
    "a million indexes": lambda: framed(_role(field(10, field(1, bytes(_MOST - 200))))),
    "a million figures": lambda: framed(_many_figures()),
    "a million words": lambda: framed(_RUNS + b"\x12\x00" * (_MOST // 2 - 200)),
    "a million notes": lambda: framed(_RUNS + field(5, b"\x3a\x00" * (_MOST // 2 - 200))),
    "a role before its parent": lambda: framed(_role(field(4, b"p9"))),
    "a call that is not there": lambda: framed(_role(field(10, b"\x0a\x01\x05"))),
    "a range that ends before it begins": lambda: framed(_role(field(5, b"\x08\x05"))),
    "a rank that there is not": lambda: framed(_role(field(9, field(1, b"\x20\x09")))),
    "a link of roles that are not there": lambda: framed(
        _RUNS + field(5, field(2, field(2, b"p7") + field(3, b"p8")))
    ),
    "of no run": lambda: framed(b""),
    "of less than no run": lambda: framed(b"\x18" + b"\xff" * 9 + b"\x01"),
    "of 2^62 runs": lambda: framed(b"\x18" + b"\x80" * 8 + b"\x40"),
}
