# SPDX-License-Identifier: MIT
"""A bounded queue of requests between the encoder and the sender, on disk where there is room.

Oldest first, at least once: a request is taken, and stays in the queue until it is settled. What
put() has taken survives the end of this process, however it ends, as soon as put() returns; and
that of the machine once it is synced, which is begun SYNC_S after it was written. Where the disk
takes nothing the queue goes on in memory, as far as MEMORY_BYTES, and moves to the disk when
that takes something again. Each span is booked in the ledger.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.exporters import spool_format as form
from renacer_otel.exporters.spool_disk import Place, SpoolDisk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from renacer_otel.exporters.ledger import Ledger
    from renacer_otel.exporters.spool_folder import SpoolFolder

ON_FULL = ("drop-newest", "drop-oldest", "block")
DEFAULT_LIMIT = 1 << 30
MIN_LIMIT = 1 << 20
MEMORY_BYTES = 32 << 20
SYNC_S = 0.2  # with the time that the disk takes: no more than 500 ms are lost with the power

# Reasons of the ledger.
SPOOL_FULL, DISK_FULL, DISK_ERROR, DAMAGED = "spool_full", "disk_full", "disk_error", "damaged"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_RETRY_S, _MAX_RETRY_S = 0.1, 2.0
# For the spans that end a run, processes and root, there is room where there is none for others.
_RESERVE = 1 << 20
_MAX_SENTENCES = 50
_SYNC_LIMIT_S = 10.0  # a disk that hangs does not hold us for ever
_LOOKED_INTO = 256  # segments, before others get a turn…
_TURN_S = 0.001  # …for so long


class SpoolStatus(NamedTuple):
    """How the queue is, for people."""

    folder: str
    bytes: int
    limit: int
    segments: int
    memory_bytes: int
    writing: bool  # to the disk; else only to memory
    own_spans: int  # of this process, on disk
    damaged_records: int
    refused_records: int
    sync_failures: int


class Entry:
    """A request in the queue."""

    def __init__(self, spans: int, encoding: int, place: Place | None, data: bytes) -> None:
        self.spans = spans
        self.encoding = encoding
        self.place = place  # None = in memory: `data`
        self.data = data
        self.taken = False
        self.before = 0  # in memory: it is older than segments from this number on
        self.not_before = 0.0  # CLOCK_MONOTONIC seconds
        self.deaths = 0  # how often the connection died on it
        self.strikes = 0  # of those, while others got through
        self.served = -1  # requests that had got through when it last died

    @property
    def is_earlier(self) -> bool:
        """Whether an earlier process has put it there."""
        return self.place is not None and not self.place.segment.own


class Spool:
    """See the module's docstring. Thread-safe. Raises SpoolError.

    `tell` gets sentences for the user, from any thread.
    """

    def __init__(
        self,
        folder: SpoolFolder,
        ledger: Ledger,
        limit: int = DEFAULT_LIMIT,
        on_full: str = ON_FULL[0],
        tell: Callable[[str], None] | None = None,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        if on_full not in ON_FULL:
            raise ValueError(f"on_full is one of {', '.join(ON_FULL)}")
        self._shown = folder.shown
        self._ledger = ledger
        self._on_full = on_full
        self._user = tell
        self._memory_limit = memory_bytes
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        self._written = threading.Condition(lock)  # the syncer has something to do
        self._disk = SpoolDisk(
            folder,
            limit,
            ledger.inherit,
            lambda spans: ledger.drop(spans, DAMAGED, spooled=True),
            self._tell,
        )
        self._entries: dict[tuple[int, int], Entry] = {}  # of the disk, by segment and offset
        self._memory: dict[int, Entry] = {}  # oldest first
        self._memory_bytes = 0
        self._memory_next = 0
        self._failed: OSError | None = None  # the disk takes nothing
        self._retry_at = 0.0
        self._retry_s = _RETRY_S
        self._full = False
        self._until: float | None = None  # put() waits no longer; CLOCK_MONOTONIC seconds
        self._sentences = 0
        self._stopped = False  # take() gives nothing any more
        self._closed = False
        self._refused_records = 0
        self._sync_failures = 0
        self._syncer: threading.Thread | None = None

    def _tell(self, sentence: str) -> None:
        self._sentences += 1
        if self._user is None or self._sentences > _MAX_SENTENCES:
            return
        more = "; no more is told of it" if self._sentences == _MAX_SENTENCES else ""
        self._user(f"spool {self._shown}: {sentence}{more}")

    # --- in -----------------------------------------------------------------------------------

    def put(self, request: bytes, spans: int, encoding: int, *, last: bool = False) -> bool:
        """Takes a request; False = it is dropped, and booked as such.

        `last`: of the spans that end a run. Blocks only where the policy is to block, until
        there is room or hurry() is called.
        """
        with self._changed:
            while not self._closed:
                self._move_to_disk()
                now = time.monotonic()
                if self._failed is not None and now < self._retry_at:
                    return self._put_in_memory(request, spans, encoding)
                if not self._has_room(len(request), last=last):
                    if self._on_full == "block" and self._may_wait(now):
                        self._tell_full()
                        self._changed.wait(None if self._until is None else self._until - now)
                        continue
                    if self._on_full != "drop-oldest" or not self._drop_oldest(len(request)):
                        self._tell_full()
                        self._ledger.drop(spans, SPOOL_FULL)
                        return False
                if not self._write(request, spans, encoding):
                    return self._put_in_memory(request, spans, encoding)
                self._ledger.spool(spans)
                self._changed.notify_all()
                return True
            self._ledger.drop(spans, "closed")
            return False

    def _may_wait(self, now: float) -> bool:
        return self._until is None or now < self._until

    def _has_room(self, length: int, *, last: bool) -> bool:
        reserve = min(self._disk.limit // 16, _RESERVE) if last else 0
        return self._disk.has_room(length, reserve)

    def _tell_full(self) -> None:
        if self._full:
            return
        self._full = True
        does = {
            "block": "the command waits for room",
            "drop-oldest": "the oldest spans are dropped",
            "drop-newest": "spans are dropped",
        }[self._on_full]
        self._tell(f"full ({self._disk.limit:,} bytes, --spool-max); {does}")

    def _write(self, request: bytes, spans: int, encoding: int) -> bool:
        """False = the disk takes nothing, which is noted."""
        try:
            self._disk.write(request, spans, encoding)
        except OSError as error:
            if self._failed is None:
                self._tell(
                    f"{error.strerror}; going on from memory, {self._memory_limit >> 20} MiB at"
                    " most"
                )
                self._retry_s = _RETRY_S
            self._failed = error
            self._retry_at = time.monotonic() + self._retry_s
            self._retry_s = min(self._retry_s * 2, _MAX_RETRY_S)
            return False
        if self._failed is not None:
            self._tell("takes spans again")
            self._failed = None
        self._full = self._full and self._disk.used > self._disk.limit // 2
        self._written.notify()
        if self._syncer is None:
            self._start_syncer()
        return True

    def _start_syncer(self) -> None:
        syncer = threading.Thread(target=self._sync_on, name="renacer-spool", daemon=True)
        try:
            syncer.start()
        except RuntimeError:  # no more threads: tried again at the next write
            self._sync_failures += 1
        else:
            self._syncer = syncer

    def _put_in_memory(self, request: bytes, spans: int, encoding: int) -> bool:
        if self._memory_bytes + len(request) > self._memory_limit:
            self._ledger.drop(spans, self._failure())
            return False
        entry = Entry(spans, encoding, None, request)
        entry.before = self._disk.next_number
        self._memory[self._memory_next] = entry
        self._memory_next += 1
        self._memory_bytes += len(request)
        self._changed.notify_all()
        return True

    def _failure(self) -> str:
        full = self._failed is not None and self._failed.errno in _FULL
        return DISK_FULL if full else DISK_ERROR

    def _move_to_disk(self, *, all_of_it: bool = False) -> None:
        """What waits in memory, as far as the disk takes it; `all_of_it`: taken ones, too."""
        if not self._memory or (time.monotonic() < self._retry_at and not all_of_it):
            return
        for key, entry in list(self._memory.items()):
            if entry.taken and not all_of_it:
                continue
            if not self._has_room(len(entry.data), last=all_of_it):
                return
            if not self._write(entry.data, entry.spans, entry.encoding):
                return
            del self._memory[key]
            self._memory_bytes -= len(entry.data)
            self._ledger.spool(entry.spans)

    def _drop_oldest(self, length: int) -> bool:
        """Makes room by dropping what nobody has taken; False = there is not enough of it."""
        if not self._disk.may_fit(length):
            return False
        for segment in self._disk.in_order():
            if not segment.sealed:
                self._disk.seal()
            for place in list(segment.places.values()):
                entry = self._entry_of(place)
                if not entry.taken:
                    self._tell_full()
                    self._ledger.drop(entry.spans, SPOOL_FULL, spooled=True)
                    self._settle(entry)
            if self._disk.has_room(length):
                return True
        return False

    # --- out ----------------------------------------------------------------------------------

    def take(self) -> tuple[Entry, bytes] | None:
        """The oldest request that nobody has taken; waits for one. None = stop() was called."""
        with self._changed:
            while not self._stopped:
                entry, wake = self._oldest(time.monotonic())
                if entry is None:
                    self._changed.wait(wake)
                    continue
                if entry.place is None:
                    entry.taken = True
                    return entry, entry.data
                data = self._disk.read(entry.place)
                if data is None:
                    self._forget(entry)
                    continue
                entry.taken = True
                return entry, data
            return None

    def _oldest(self, now: float) -> tuple[Entry | None, float | None]:
        """(what is to be taken, else None; seconds until something may be, if time decides)."""
        wake: float | None = None
        waiting = iter(list(self._memory.values()))
        memory = next(waiting, None)
        for segment in self._disk.in_order(_LOOKED_INTO):
            while memory is not None and memory.before <= segment.number:
                if (wait := _wait_for(memory, now)) == 0:
                    return memory, None
                wake = _sooner(wake, wait)
                memory = next(waiting, None)
            for place in segment.places.values():
                entry = self._entry_of(place)
                if (wait := _wait_for(entry, now)) == 0:
                    return entry, None
                wake = _sooner(wake, wait)
        if self._disk.is_cut:
            return None, _TURN_S
        while memory is not None:
            if (wait := _wait_for(memory, now)) == 0:
                return memory, None
            wake = _sooner(wake, wait)
            memory = next(waiting, None)
        return None, wake

    def _entry_of(self, place: Place) -> Entry:
        key = (place.segment.number, place.record.offset)
        entry = self._entries.get(key)
        if entry is None:
            entry = Entry(place.record.spans, place.record.encoding, place, b"")
            self._entries[key] = entry
        return entry

    def _forget(self, entry: Entry) -> None:
        if entry.place is not None:
            place = entry.place
            self._entries.pop((place.segment.number, place.record.offset), None)

    def put_back(self, entry: Entry, wait_s: float = 0.0) -> None:
        """It is not settled: it may be taken again after so many seconds."""
        with self._changed:
            entry.taken = False
            entry.not_before = time.monotonic() + wait_s if wait_s else 0.0
            self._changed.notify_all()

    def settle(
        self,
        entry: Entry,
        dropped: Mapping[str, int],
        refused: list[tuple[bytes, int]],
        encoding: int | None = None,
    ) -> None:
        """The collector has it, but for what is `dropped` (reason -> spans); it is removed.

        `refused`: requests that were refused for good, and their spans: kept in refused/.
        `encoding`: of those, if it is not the entry's.
        """
        with self._changed:
            if self._closed:
                return
            spooled = entry.place is not None
            self._keep_refused(refused, entry.encoding if encoding is None else encoding)
            for reason, spans in dropped.items():
                self._ledger.drop(spans, reason, spooled=spooled)
            self._ledger.export(entry.spans - sum(dropped.values()), spooled=spooled)
            self._settle(entry)
            self._changed.notify_all()

    def _settle(self, entry: Entry) -> None:
        if entry.place is not None:
            self._disk.settle(entry.place)
            self._forget(entry)
            return
        for key, held in self._memory.items():
            if held is entry:
                del self._memory[key]
                self._memory_bytes -= len(entry.data)
                return

    def _keep_refused(self, refused: list[tuple[bytes, int]], encoding: int) -> None:
        if not refused:
            return
        pieces = [form.segment_head()]
        for index, (request, spans) in enumerate(refused):
            pieces += [form.record_head(request, spans, encoding, index), request]
        data = b"".join(pieces)
        spans = sum(spans for _, spans in refused)
        self._refused_records += len(refused)
        if self._disk.used + len(data) > self._disk.limit:
            self._tell(f"{spans:,} spans that were refused are not kept: it is full")
            return
        try:
            where = self._disk.folder.keep_refused(data)
        except OSError as error:
            self._tell(f"{spans:,} spans that were refused are not kept: {error.strerror}")
            return
        self._disk.used += len(data)
        self._tell(f"{spans:,} spans were refused for good; kept in {where}")

    # --- life ---------------------------------------------------------------------------------

    def hurry(self, seconds: float) -> None:
        """In so many seconds put() waits for nothing any more. Can only be tightened."""
        with self._changed:
            until = time.monotonic() + seconds
            self._until = until if self._until is None else min(self._until, until)
            self._changed.notify_all()

    def stop(self) -> None:
        """take() gives nothing any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def wait_empty(self, until: Callable[[], float], hopeless: Callable[[], bool]) -> bool:
        """Waits until all is settled, at most until then (CLOCK_MONOTONIC; asked again and
        again), or it is hopeless."""
        with self._changed:
            while (left := until() - time.monotonic()) > 0 and not hopeless():
                if not self.is_left():
                    return True
                self._changed.wait(min(left, 0.1))
            return not self.is_left()

    def close(self) -> None:
        """What is not settled stays on disk, synced; what finds no place there is dropped.

        Lets go of the folder. Idempotent.
        """
        with self._changed:
            if self._closed:
                return
            self._stopped = True
            self._move_to_disk(all_of_it=True)
            reason = self._failure() if self._failed is not None else SPOOL_FULL
            for entry in self._memory.values():
                self._ledger.drop(entry.spans, reason)
            self._memory.clear()
            self._closed = True
            self._disk.seal()
            unsynced = self._disk.unsynced()
            self._changed.notify_all()
            self._written.notify_all()
            syncer = self._syncer
        if syncer is not None:
            syncer.join(_SYNC_LIMIT_S)
        self._sync(unsynced)
        with self._changed:
            self._disk.close()

    def _sync_on(self) -> None:
        while True:
            with self._changed:
                while not self._closed and not self._disk.is_unsynced():
                    self._written.wait()
                begin = time.monotonic()
                while not self._closed and (left := begin + SYNC_S - time.monotonic()) > 0:
                    self._written.wait(left)
                if self._closed:
                    return
                unsynced = self._disk.unsynced()
            self._sync(unsynced)

    def _sync(self, descriptors: list[int]) -> None:
        try:
            self._disk.sync(descriptors)
        except OSError as error:
            with self._changed:
                self._sync_failures += 1
                first = self._sync_failures == 1
            if first:
                self._tell(f"{os.strerror(error.errno or 0)} at a sync: a power loss may take more")

    def is_left(self) -> bool:
        """Whether anything is not settled, or was not looked at."""
        with self._changed:
            return bool(self._memory) or self._disk.segments_with_rest()

    def look_into_all(self) -> bool:
        """As is_left(), once all segments were looked into."""
        with self._changed:
            for _ in self._disk.in_order():
                pass
            return self.is_left()

    @property
    def is_full(self) -> bool:
        """Whether something found no room, and half of it has not become free since."""
        with self._changed:
            return self._full

    def own_spans(self) -> int:
        """Of this process, on disk; once closed, those that stay there."""
        with self._changed:
            return sum(each.spans for each in self._disk.segments.values() if each.own)

    def status(self) -> SpoolStatus:
        """How it is now."""
        with self._changed:
            disk = self._disk
            return SpoolStatus(
                disk.folder.path,
                disk.used,
                disk.limit,
                len(disk.segments),
                self._memory_bytes,
                self._failed is None,
                self.own_spans(),
                disk.spoiled_records,
                self._refused_records,
                self._sync_failures,
            )


def _wait_for(entry: Entry, now: float) -> float | None:
    """Seconds until it may be taken; None = somebody has."""
    if entry.taken:
        return None
    return max(entry.not_before - now, 0.0)


def _sooner(a: float | None, b: float | None) -> float | None:
    return b if a is None else a if b is None else min(a, b)
