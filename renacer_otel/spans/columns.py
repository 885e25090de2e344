# SPDX-License-Identifier: MIT
"""The core's replay of a TRACE file, and its columns as NumPy arrays: replay.h.

The columns lie in the core's memory, and live as long as any array over them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from renacer_otel.engine import native
from renacer_otel.engine.launch import ABI_COUNT, WORDS_PER_ABI

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from renacer_otel.ring import trace_file

_GAP = 10  # RN_GAP


def span_key(metadata: dict[str, Any]) -> tuple[int, int]:
    """The key of a trace's span ids."""
    first, second = metadata["id_key"]
    return word(first), word(second)


def word(value: Any) -> int:
    """As the core has it: 64 bits."""
    return int(value) & (1 << 64) - 1


def _wanted(metadata: dict[str, Any]) -> list[int] | None:
    """Which calls were recorded, as bitmaps; None = all. ValueError: not told, or not so."""
    if not metadata.get("filtered"):
        return None
    words = [word(int(text, 16)) for text in metadata["wanted"]]
    if len(words) != ABI_COUNT * WORDS_PER_ABI:
        raise ValueError
    return words


class Columns:
    """A replay; freed with the last array over one of its columns."""

    def __init__(
        self, key: tuple[int, int], seed: int, wanted: list[int] | None, max_bytes: int
    ) -> None:
        ffi, self._lib = native.load()
        bitmaps = ffi.NULL if wanted is None else ffi.new("uint64_t[]", wanted)
        replay = self._lib.rn_replay_new(*key, seed, bitmaps, max_bytes)
        if replay == ffi.NULL:
            raise MemoryError
        self._replay = ffi.gc(replay, self._lib.rn_replay_free)

    @classmethod
    def of(cls, metadata: dict[str, Any], max_bytes: int) -> Columns:
        """Of a trace that is described so; LookupError, TypeError, ValueError: it is damaged."""
        seed = word(metadata["lamport_seed"])
        return cls(span_key(metadata), seed, _wanted(metadata), max_bytes)

    def want_details(self, shown: bool, portable: bool) -> None:
        """Asks for them, before any frame is fed."""
        if not self._lib.rn_replay_want_details(self._replay):
            raise MemoryError
        if shown and not self._lib.rn_replay_want_shown(self._replay):
            raise MemoryError
        if portable:
            self._lib.rn_replay_want_portable(self._replay)

    def feed(self, frames: Iterable[trace_file.Frame], *, ends: bool = True) -> tuple[int, int]:
        """Feeds all frames, and ends. Returns how many events and calls were lost."""
        ffi = native.ffi
        events = calls = 0
        for frame in frames:
            gaps = frame.events[frame.events["kind"] == _GAP]["args"]
            events += int(gaps[:, 0].sum())
            calls += int(gaps[:, 1].sum())
            size = frame.words.nbytes
            taken = self._lib.rn_replay_feed(self._replay, ffi.from_buffer(frame.words), size)
            assert taken == size, "the reader has checked it"
        if ends:
            self._lib.rn_replay_finish(self._replay)
        return events, calls

    def listing(
        self,
        frames: Iterable[trace_file.Frame],
        anchors: list[int],
        limit: int,
        exit_code: int,
        *,
        sources: bool,
    ) -> Iterator[bytes]:
        """Feeds all frames, and ends; what has been made of each."""
        self._lib.rn_replay_want_listing(self._replay, *anchors, limit, sources)
        for frame in frames:
            self.feed([frame], ends=False)
            yield self._listed()
        self._lib.rn_replay_finish(self._replay)
        self._lib.rn_replay_end_listing(self._replay, exit_code)
        yield self._listed()

    def _listed(self) -> bytes:
        count = native.ffi.new("uint64_t *")
        text = self._lib.rn_replay_listing(self._replay, count)
        if text == native.ffi.NULL:
            raise MemoryError
        return bytes(native.ffi.buffer(text, count[0]))

    def column(self, name: str, form: np.dtype[Any]) -> NDArray[Any]:
        """A column as it lies there, read-only."""
        ffi = native.ffi
        count = ffi.new("uint64_t *")
        rows = getattr(self._lib, f"rn_replay_{name}")(self._replay, count)
        assert ffi.sizeof(ffi.typeof(rows).item) == form.itemsize
        if not count[0]:
            return np.empty(0, form)
        return np.asarray(_Column(self, int(ffi.cast("uintptr_t", rows)), int(count[0]), form))

    def missed(self) -> int:
        """Rows for which there was no memory."""
        return int(self._lib.rn_replay_missed(self._replay))


class _Column:
    """NumPy keeps this, and so the memory, for as long as an array needs it."""

    def __init__(self, owner: Columns, address: int, count: int, form: np.dtype[Any]) -> None:
        self._owner = owner
        self.__array_interface__ = {
            "version": 3,
            "data": (address, True),
            "shape": (count,),
            "typestr": form.str,
            "descr": form.descr,
        }
