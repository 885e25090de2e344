# SPDX-License-Identifier: MIT
"""What was written, by its length and a hash that composes: `--capture hashes`.

`of_bytes(a) + of_bytes(b) == of_bytes(a + b)`: so a stream has one hash, however it was cut into
writes. content.h of the core says how it is made, and what it is not: a signature.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renacer_otel.engine import native
from renacer_otel.engine.python_content import PRIMES

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Content:
    """How many bytes there are, and their hash; without arguments: no bytes.

    `sum(contents, Content())` is what is written one after the other.
    """

    length: int = 0
    lanes: tuple[int, int] = (0, 0)

    def __add__(self, more: Content) -> Content:
        """This with `more` behind it."""
        if not self.length:
            return more
        by = _shifts(more.length)
        first, second = (
            (mine * shift + its) % prime
            for mine, shift, its, prime in zip(self.lanes, by, more.lanes, PRIMES, strict=True)
        )
        return Content(self.length + more.length, (first, second))

    @property
    def hex(self) -> str:
        """The hash as 32 hexadecimal digits."""
        return f"{self.lanes[0]:016x}{self.lanes[1]:016x}"


def of_parts(lengths: Iterable[int], lanes: Iterable[tuple[int, int]]) -> Content:
    """What all of some contents are, one after the other: by their lengths and hashes."""
    first, second = PRIMES
    one = two = total = 0
    for length, (mine, yours) in zip(lengths, lanes, strict=True):
        shifts = _shifts(length)
        one = (one * shifts[0] + mine) % first
        two = (two * shifts[1] + yours) % second
        total += length
    return Content(total, (one, two))


def of_bytes(data: bytes | bytearray | memoryview) -> Content:
    """The content that is these bytes (contiguous)."""
    ffi, lib = native.load()
    view = memoryview(data)
    lanes = ffi.new("uint64_t[2]")
    lib.rn_content_hash(ffi.from_buffer(view), view.nbytes, lanes)
    return Content(view.nbytes, (int(lanes[0]), int(lanes[1])))


@functools.lru_cache(maxsize=4096)
def _shifts(length: int) -> tuple[int, int]:
    """256 to the power of -length in each lane: what bytes count less before so many others."""
    first, second = (pow(256, -length, prime) for prime in PRIMES)
    return first, second
