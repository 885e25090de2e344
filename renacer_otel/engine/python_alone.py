# SPDX-License-Identifier: MIT
"""A run of the python engine where the core cannot be loaded: records or plain text, no more.

It has what a session asks of a NativeRun. One queue takes the place of the ring.
"""

from __future__ import annotations

import errno
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from renacer_otel.engine import python_record as form
from renacer_otel.engine.launch import RunConfig, Stats
from renacer_otel.engine.python_text import Text
from renacer_otel.engine.python_thread import Traced

if TYPE_CHECKING:
    from renacer_otel.engine.python_record import Record

_FRAME_BYTES = 256 << 10  # of a TRACE file
_FRAME_S = 0.5


class Chunk:
    """Records or lines: as launch.Block, but they are ours."""

    def __init__(self, data: bytes, count: int, first_seq: int) -> None:
        self.view = memoryview(data)
        self.spans = count
        self.first_seq = first_seq
        self.last = False

    def release(self) -> None:
        """Nothing is to be given back."""
        self.view.release()


class AloneRun(Traced):
    """Use as NativeRun."""

    RECORD = 4
    TEXT = 0

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config)
        self.given_up = False
        self._text = None if config.record else Text(silent_exits=bool(config.tuning.text_flags))
        self._chunks: deque[tuple[bytes, int, int]] = deque()  # data, records or lines, sequence
        self._bytes = 0
        self._changed = threading.Condition()
        self._ended = False
        self._stalled = False
        self._stats = Stats(added_ns=-1)
        self._counts = dict.fromkeys(("events", "calls", "errors", "signals", "starts"), 0)
        self._processes: set[int] = set()
        self._open: set[int] = set()  # threads in a call
        self._unfinished = 0
        self._begun = time.monotonic_ns()

    def start(self) -> None:
        """Starts the command; returns when it has been exec'ed. Raises what hindered it."""
        try:
            self._start_command()
        except BaseException:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            raise
        self._go.set()

    def _feed(self, record: Record) -> int:
        if self._text:
            lines = self._text.lines(record)
            data, count = "".join(lines).encode("ascii", "backslashreplace"), len(lines)
        else:
            data, count = record.pack(), 1
        if not self._put_data(data, count, record.seq):
            return -errno.ENOBUFS
        self._count(record)
        return 0

    def _put_data(self, data: bytes, count: int, seq: int) -> bool:
        tuning = self._asked.tuning
        with self._changed:
            before = self._bytes
            deadline = time.monotonic() + (0 if self._stalled else tuning.block_limit_ns / 1e9)
            while self._bytes > tuning.queue_bytes and not self.given_up:
                left = deadline - time.monotonic()
                if tuning.on_full == "drop" or left <= 0:
                    self._stalled = True
                    return False
                self._changed.wait(left)
                if self._bytes < before:  # the limit is on time without progress
                    before = self._bytes
                    deadline = time.monotonic() + tuning.block_limit_ns / 1e9
            self._stalled = False
            if data:
                self._chunks.append((data, count, seq))
                self._bytes += len(data)
                self._changed.notify_all()
        return True

    def _count(self, record: Record) -> None:
        counts, kind = self._counts, record.kind
        counts["events"] += 2 if kind == form.CALL else 1
        counts["calls"] += kind in (form.CALL, form.ENTER)
        counts["errors"] += kind in (form.CALL, form.EXIT) and bool(record.flags & form.FAILED)
        counts["signals"] += kind == form.SIGNAL
        if kind == form.START:
            counts["starts"] += 1
            self._processes.add(record.pid)
        elif kind == form.ENTER:
            self._open.add(record.tid)
        elif kind == form.END and record.tid in self._open:
            self._unfinished += 1
        if kind in (form.EXIT, form.END):
            self._open.discard(record.tid)

    def _feed_end(self, wait_status: int, stops: int, tracer_ns: int) -> None:
        del wait_status
        with self._changed:
            self._stats = self._stats._replace(
                stops=stops, tracer_ns=tracer_ns, wall_ns=time.monotonic_ns() - self._begun
            )
            self._ended = True
            self._changed.notify_all()

    def take(self, out: int, seconds: float) -> Chunk | None:
        """What there is; one without records = nothing yet, None = nothing will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._chunks or self._ended, seconds)
            if out == self.RECORD:  # a frame is to be worth its header
                self._changed.wait_for(lambda: self._ended or self._bytes > _FRAME_BYTES, _FRAME_S)
            if not self._chunks:
                return None if self._ended else Chunk(b"", 0, 0)
            first_seq = self._chunks[0][2]
            parts, size, count = [], 0, 0
            while self._chunks and size < 1 << 20:
                data, number, _ = self._chunks.popleft()
                parts.append(data)
                size += len(data)
                count += number
            self._bytes -= size
            self._changed.notify_all()
        return Chunk(b"".join(parts), count, first_seq)

    def wait(self, seconds: float) -> int | None:
        """The command's wait status once every tracee is gone and all is taken, else None."""
        with self._changed:
            done = self._changed.wait_for(lambda: self._ended and not self._chunks, seconds)
            if self.given_up and self._ended:
                done = True
        return self._tracer.status if done else None

    def traced(self) -> bool:
        """Whether no tracee is left; the outputs may still be at work."""
        return self._ended

    def attached(self) -> list[tuple[int, int]]:
        """To nobody: it cannot."""
        return []

    def give_up(self) -> None:
        """What is not written yet will not be, and is counted as lost."""
        with self._changed:
            self.given_up = True
            self._changed.notify_all()

    def stats(self) -> Stats:
        """Counts so far; final once wait() has returned a status."""
        counts = self._counts
        return self._stats._replace(
            events=counts["events"],
            calls=counts["calls"],
            errors=counts["errors"],
            signals=counts["signals"],
            processes=len(self._processes),
            threads=counts["starts"],
            unfinished=self._unfinished,
            lost_calls=self._lost_calls,
            lost_events=self._lost_events,
        )

    def close(self) -> None:
        """Waits for the thread. Idempotent."""
        self._join()
