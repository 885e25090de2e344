# SPDX-License-Identifier: MIT
"""The part of a spool that is on disk: segments in order, written at the end, read from the start.

Not thread-safe but for sync(): the queue (spool.py) holds its lock around all else. A segment is
looked into when its turn comes, so that neither many files nor many records cost memory or time
at the start. A process writes into segments of its own only; of those of earlier processes it
marks records as settled, in place, and removes the file once all are.
"""

from __future__ import annotations

import errno
import os
from collections import OrderedDict
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from renacer_otel.exporters import spool_format as form
from renacer_otel.exporters.spool_folder import NotASegment, SpoolFolder, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MAX_SEGMENT_BYTES = 8 << 20
_MIN_SEGMENT_BYTES = 64 << 10
_MAX_RECORDS = 16_384  # of a segment: what of it is in memory is bounded, too
# A segment of which all is settled is removed while it is written, if it is at least this large.
_WORTH_REMOVING = 256 << 10
_KEPT_BYTES = 16 << 20  # of one damaged stretch
_AT_A_TIME = 64  # segments
RECENT_BYTES = 8 << 20  # of what was written last, in memory too: it is often sent at once
_MAX_OPEN = 16  # segments, besides those that are not yet synced


class Segment:
    """A file of records."""

    def __init__(self, number: int, size: int, *, own: bool) -> None:
        self.number = number
        self.size = size  # bytes that count
        self.own = own  # written by this process
        self.sealed = not own
        self.descriptor = -1
        self.records = 0  # written, or found so far
        self.left = 0  # records not settled, of those
        self.spans = 0  # in them
        self.indexed = 0 if own else -1  # bytes that were looked at; -1 = not even opened
        self.places: dict[int, Place] = {}  # by offset: found and not settled

    @property
    def is_indexed(self) -> bool:
        """Whether all that is in it now was looked at."""
        return self.indexed >= self.size


class Place:
    """Where a record is."""

    __slots__ = ("record", "segment")

    def __init__(self, segment: Segment, record: form.Record) -> None:
        self.segment = segment
        self.record = record


class SpoolDisk:
    """See the module's docstring. Raises SpoolError.

    `found` is told of spans of earlier processes, `spoiled` of spans of ours that were there and
    are not readable any more; `tell` gets sentences for the user.
    """

    def __init__(
        self,
        folder: SpoolFolder,
        limit: int,
        found: Callable[[int], None],
        spoiled: Callable[[int], None],
        tell: Callable[[str], None],
    ) -> None:
        self.folder = folder
        self.limit = limit
        self._found = found
        self._spoiled = spoiled
        self._tell = tell
        self.segment_bytes = min(max(limit // 16, _MIN_SEGMENT_BYTES), _MAX_SEGMENT_BYTES)
        listed = folder.segments()
        self.segments = OrderedDict(
            (item.number, Segment(item.number, item.size, own=False)) for item in listed
        )
        self.used = sum(item.size for item in listed) + folder.set_aside_bytes()
        self._next = listed[-1].number + 1 if listed else 1
        self._active: Segment | None = None
        self._unsynced: set[Segment] = set()
        self._open: OrderedDict[int, Segment] = OrderedDict()  # by number, last used last
        self._names_unsynced = False
        self._recent: dict[tuple[int, int], bytes] = {}  # by segment and offset, oldest first
        self._recent_bytes = 0
        self.unmarked = 0  # settled records that could not be marked: they will be sent again
        self.spoiled_records = 0
        self.is_cut = False

    @property
    def next_number(self) -> int:
        """Of the segment that is made next."""
        return self._next

    # --- writing ------------------------------------------------------------------------------

    def has_room(self, length: int, reserve: int = 0) -> bool:
        """Whether a record with such a payload may be written."""
        needed = form.RECORD_HEAD + length + form.SEGMENT_HEAD
        return self.used + needed <= self.limit + reserve

    def may_fit(self, length: int) -> bool:
        """Whether a record with such a payload has room in a spool that is empty."""
        return form.RECORD_HEAD + length + form.SEGMENT_HEAD <= self.limit

    def write(self, payload: bytes, spans: int, encoding: int) -> None:
        """Writes a record whole, or not at all. Raises OSError."""
        segment = self._writable(form.RECORD_HEAD + len(payload))
        head = form.record_head(payload, spans, encoding, segment.records)
        front = form.segment_head() if segment.size == 0 else b""
        try:
            _write_at(segment.descriptor, [front + head, payload], segment.size)
        except OSError:
            self._take_back(segment)
            raise
        self._keep(segment, segment.size + len(front), payload)
        added = len(front) + len(head) + len(payload)
        if front:
            segment.indexed = len(front)
        segment.size += added
        self.used += added
        segment.records += 1
        segment.left += 1
        segment.spans += spans
        self._unsynced.add(segment)

    def _keep(self, segment: Segment, offset: int, payload: bytes) -> None:
        """What is sent soon need not be read again."""
        self._recent[segment.number, offset] = payload
        self._recent_bytes += len(payload)
        while self._recent_bytes > RECENT_BYTES:
            self._recent_bytes -= len(self._recent.pop(next(iter(self._recent))))

    def _drop_recent(self, place: Place) -> bytes | None:
        recent = self._recent.pop((place.segment.number, place.record.offset), None)
        if recent is not None:
            self._recent_bytes -= len(recent)
        return recent

    def _writable(self, length: int) -> Segment:
        active = self._active
        if active is not None and (
            active.size + length > self.segment_bytes or active.records >= _MAX_RECORDS
        ):
            self.seal()
            active = None
        if active is None:
            active = Segment(self._next, 0, own=True)
            while True:
                try:
                    active.descriptor = self.folder.create(self._next)
                    break
                except FileExistsError:
                    self._next += 1
            active.number = self._next
            self._open[active.number] = active
            self._next += 1
            self.segments[active.number] = self._active = active
            self._names_unsynced = True
        return active

    def _take_back(self, segment: Segment) -> None:
        """No half record stays behind a failed write."""
        with suppress(OSError):
            os.ftruncate(segment.descriptor, segment.size)
        self.seal()
        if segment.size == 0:
            self._remove(segment)

    def seal(self) -> None:
        """What is written next goes to a new segment."""
        if self._active is not None:
            self._active.sealed = True
            sealed, self._active = self._active, None
            self._open[sealed.number] = sealed
            if sealed.is_indexed:
                self._miss(sealed)
            if sealed.is_indexed and not sealed.left and sealed.size:
                self._remove(sealed)

    # --- reading ------------------------------------------------------------------------------

    def in_order(self, at_most: int | None = None) -> Iterator[Segment]:
        """The segments, oldest first, each looked into; those that turn out empty are gone.

        Ends once `at_most` were looked into that were not before: `is_cut` then, else not.
        """
        passed = looked = 0
        self.is_cut = False
        while some := list(islice(self.segments.values(), passed, passed + _AT_A_TIME)):
            for segment in some:
                if segment.number in self.segments and not segment.is_indexed:
                    if looked == at_most:
                        self.is_cut = True
                        return
                    looked += 1
                    self._index(segment)
                if segment.number in self.segments:
                    yield segment
                    passed += segment.number in self.segments

    def _index(self, segment: Segment) -> None:
        if segment.indexed < 0 and not self._first_open(segment):
            return

        descriptor = self._descriptor(segment)

        def read(offset: int, length: int) -> bytes:
            return os.pread(descriptor, length, offset)

        try:
            if not segment.own and form.is_newer(read):
                self._set_aside(segment, form.NEWER)
                return
            for found in form.scan(read, segment.size, max(segment.indexed, 0)):
                if isinstance(found, form.Bad):
                    self._spoil(segment, found)
                elif not found.done:
                    segment.places[found.offset] = Place(segment, found)
                    if not segment.own:
                        self._account(segment, found.spans)
        except OSError as error:
            self._tell(f"{name_of(segment.number)}: {error.strerror}; what is in it is left there")
            self._forget(segment)
            return
        segment.indexed = segment.size
        if segment.own and segment.sealed:
            self._miss(segment)
        self._remove_if_finished(segment)

    def _account(self, segment: Segment, spans: int) -> None:
        segment.records += 1
        segment.left += 1
        segment.spans += spans
        self._found(spans)

    def _miss(self, segment: Segment) -> None:
        """Records that we wrote and that are not found again."""
        there = sum(place.record.spans for place in segment.places.values())
        if len(segment.places) < segment.left:
            self.spoiled_records += segment.left - len(segment.places)
            self._spoiled(segment.spans - there)
            segment.left, segment.spans = len(segment.places), there

    def _descriptor(self, segment: Segment) -> int:
        """Of a segment that was open before; it may have been closed meanwhile. Raises OSError."""
        if segment.descriptor < 0:
            try:
                segment.descriptor, _ = self.folder.open(segment.number)
            except NotASegment as error:
                raise OSError(errno.ESTALE, str(error)) from error
        self._open[segment.number] = segment
        self._open.move_to_end(segment.number)
        while len(self._open) > _MAX_OPEN:
            self._close_oldest()
        return segment.descriptor

    def _close_oldest(self) -> None:
        _, oldest = self._open.popitem(last=False)
        if oldest in self._unsynced or oldest is self._active:
            return  # closed with the segment
        descriptor, oldest.descriptor = oldest.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _first_open(self, segment: Segment) -> bool:
        """False = it is no segment, and was set aside or forgotten."""
        try:
            segment.descriptor, size = self.folder.open(segment.number)
        except NotASegment as error:
            self._set_aside(segment, str(error))
            return False
        except OSError as error:
            self._tell(f"{name_of(segment.number)}: {error.strerror}; it is left there")
            self._forget(segment)
            return False
        self.used += size - segment.size
        segment.size = size
        return True

    def read(self, place: Place) -> bytes | None:
        """The payload; None = it is damaged, was set aside and is settled."""
        segment, record = place.segment, place.record
        recent = self._drop_recent(place)
        if recent is not None:
            return recent
        try:
            payload = os.pread(self._descriptor(segment), record.length, record.payload)
            reason = form.DAMAGED
        except OSError as error:
            payload, reason = b"", error.strerror or form.DAMAGED
        if form.payload_is_sound(record, payload):
            return payload
        bad = form.Bad(record.offset, record.end, reason, record.spans)
        self._spoil(segment, bad)
        self._spoiled(record.spans)
        self.settle(place)
        return None

    def settle(self, place: Place) -> None:
        """The record is never needed again: its mark says so, or the whole segment goes."""
        segment = place.segment
        if segment.places.pop(place.record.offset, None) is None:
            return
        self._drop_recent(place)
        segment.left -= 1
        segment.spans -= place.record.spans
        if self._remove_if_finished(segment):
            return
        try:
            at = place.record.offset + form.STATE_AT
            os.pwrite(self._descriptor(segment), form.DONE, at)
        except OSError:
            self.unmarked += 1

    # --- what is not as it should be ----------------------------------------------------------

    def _spoil(self, segment: Segment, bad: form.Bad) -> None:
        """Keeps a copy of a bad stretch, and tells, once."""
        self.spoiled_records += 1
        name = f"{name_of(segment.number)}.at-{bad.offset}"
        length = min(bad.end - bad.offset, _KEPT_BYTES)
        try:
            data = os.pread(self._descriptor(segment), length, bad.offset)
            where = self.folder.keep(name, data)
            if where is None:
                return  # told by an earlier process
            self.used += len(data)
            kept = f"kept in {where}"
        except OSError as error:
            kept = f"not kept: {error.strerror}"
        spans = f", {bad.spans:,} spans" if bad.spans else ""
        self._tell(
            f"{name_of(segment.number)}: {bad.end - bad.offset:,} bytes at {bad.offset:,} are"
            f" {bad.reason}{spans}; {kept}"
        )

    def _set_aside(self, segment: Segment, reason: str) -> None:
        try:
            where = self.folder.set_aside(segment.number)
            self._tell(f"{name_of(segment.number)} is {reason}; moved to {where}")
        except OSError as error:
            self._tell(f"{name_of(segment.number)} is {reason}; left there ({error.strerror})")
        self._forget(segment)

    def _forget(self, segment: Segment) -> None:
        """It is no part of this process's spool any more; its bytes stay counted."""
        self.segments.pop(segment.number, None)
        self._close(segment)

    # --- removing -----------------------------------------------------------------------------

    def _remove_if_finished(self, segment: Segment) -> bool:
        if segment.left or not segment.is_indexed:
            return False
        if not segment.sealed:
            if segment.size < _WORTH_REMOVING:
                return False
            self.seal()  # which removes it
            return True
        self._remove(segment)
        return True

    def _remove(self, segment: Segment) -> None:
        try:
            self.folder.remove(segment.number)
            self.used -= segment.size
            self._names_unsynced = True
        except OSError:
            self.unmarked += 1
        self._forget(segment)

    def _close(self, segment: Segment) -> None:
        self._unsynced.discard(segment)
        self._open.pop(segment.number, None)
        descriptor, segment.descriptor = segment.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def segments_with_rest(self) -> bool:
        """Whether anything is, or may be, not settled."""
        return any(segment.left or not segment.is_indexed for segment in self.segments.values())

    # --- the disk itself ----------------------------------------------------------------------

    def is_unsynced(self) -> bool:
        """Whether something is written that is not yet synced."""
        return bool(self._unsynced)

    def unsynced(self) -> list[int]:
        """Descriptors, to be closed by the caller, of what is written and not yet synced; -1 for
        the folder's names. Under the lock; sync() then goes without."""
        found = []
        for segment in list(self._unsynced):
            with suppress(OSError):  # too many open files: the next time
                found.append(os.dup(segment.descriptor))
                self._unsynced.discard(segment)
                self._open.setdefault(segment.number, segment)
        while len(self._open) > _MAX_OPEN:
            self._close_oldest()
        if found and self._names_unsynced:
            found.append(-1)
            self._names_unsynced = False
        return found

    def sync(self, descriptors: list[int]) -> None:
        """Waits until it is on disk. Raises the last OSError, once all were tried."""
        failed: OSError | None = None
        for descriptor in descriptors:
            try:
                if descriptor < 0:
                    self.folder.sync()
                else:
                    os.fdatasync(descriptor)
            except OSError as error:  # noqa: PERF203 (the others are to be synced all the same)
                failed = error
            finally:
                if descriptor >= 0:
                    os.close(descriptor)
        if failed is not None:
            raise failed

    def close(self) -> None:
        """Lets go of all; what is not settled stays."""
        for segment in list(self.segments.values()):
            self._close(segment)
        self.folder.close()


def _write_at(descriptor: int, pieces: list[bytes], offset: int) -> None:
    rest = [memoryview(piece) for piece in pieces if piece]
    while rest:
        count = os.pwritev(descriptor, rest, offset)
        offset += count
        while rest and count >= len(rest[0]):
            count -= len(rest[0])
            del rest[0]
        if rest:
            rest[0] = rest[0][count:]
