# SPDX-License-Identifier: MIT
"""Where blocks go: to a collector, to a file. One thread each, taking from its own queue."""

from __future__ import annotations

import errno
import os
import select
import stat
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from renacer_otel.errors import EngineError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from renacer_otel.engine.launch import NativeRun, Stats
    from renacer_otel.exporters.ledger import Ledger
    from renacer_otel.exporters.otlp_sender import SenderCounters

# A pipe that polls writable takes this much without blocking (pipe(7)).
_SURE_BYTES = 4096
_LOOK_MS = 50
_TAKE_S = 3600.0  # a take ends with the stream, not by time


class Delivered:
    """What became of an output: spans (or records), and why the rest is not there."""

    def __init__(self) -> None:
        self.written = 0
        self.rejected = 0
        self.lost = 0
        self.error = ""
        self.warning = ""
        self.spooled = 0  # on disk, to be sent by a later run
        self.earlier = 0  # spans of earlier runs that were sent from there
        self.dropped: dict[str, int] = {}  # reason -> spans, of all that is lost and rejected


class Output(threading.Thread):
    """Takes all blocks of one queue. `result` is final after join()."""

    def __init__(self, run: NativeRun, queue: int, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._run = run
        self._queue = queue
        self._begin = threading.Event()
        self._wanted = True
        self._is_last = False  # the block in hand ends with the root span
        self.result = Delivered()

    def prepare(self) -> None:
        """Starts the thread, which then waits for begin(). Raises EngineError."""
        try:
            self.start()
        except RuntimeError as error:
            raise EngineError(
                f"{one_line(str(error))}: raise the limit on processes or memory (ulimit -u, -v)"
            ) from error

    def begin(self, *, wanted: bool = True) -> None:
        """The command runs; or, not `wanted`, it does not, and there is nothing to do."""
        self._wanted = wanted
        self._begin.set()

    def run(self) -> None:
        """Until the core says that no more will come; never ends early, or the core would wait."""
        self._begin.wait()
        if not self._wanted:
            return
        try:
            self._open()
        except Exception as error:  # noqa: BLE001 (told at the end; the blocks must be drained)
            self._fail(error)
        while self._take_one():
            pass
        try:
            self._close()
        except Exception as error:  # noqa: BLE001
            self._fail(error)

    def _take_one(self) -> bool:
        block = self._run.take(self._queue, _TAKE_S)
        if block is None:
            return False
        try:
            if block.spans:
                self._is_last = block.last
                self._put(block.view, block.spans, block.first_seq)
        except Exception as error:  # noqa: BLE001
            self.result.lost += block.spans
            self._fail(error)
        finally:
            block.release()
        return True

    def _fail(self, error: Exception) -> None:
        if not self.result.error:
            reason = error.strerror if isinstance(error, OSError) else None
            self.result.error = one_line(reason or str(error) or type(error).__name__)

    def _open(self) -> None: ...

    def _put(self, view: memoryview, count: int, first_seq: int) -> None:
        raise NotImplementedError

    def _close(self) -> None: ...


class Sender(Protocol):
    """What an OtlpOutput needs of a sender: OtlpSender and SpooledSender have it."""

    def open(self) -> None:
        """Makes ready to send."""

    def submit(self, block: bytes | memoryview, spans: int, *, last: bool = False) -> bool:
        """Takes a block; `last`: it ends a run."""
        ...

    def start_deadline(self, seconds: float) -> None:
        """All must be settled within so many seconds."""

    def close(self, seconds: float) -> SenderCounters:
        """Waits until all is settled, at most so long."""
        ...

    def counters(self) -> SenderCounters:
        """A snapshot."""
        ...


class OtlpOutput(Output):
    """To a collector. `make_sender` is called in the thread: what sends is imported there.

    All spans are booked in `ledger`. `is_json`: the blocks are.
    """

    def __init__(
        self,
        run: NativeRun,
        make_sender: Callable[[], Sender],
        ledger: Ledger,
        *,
        is_json: bool = False,
    ) -> None:
        super().__init__(run, run.OTLP, "renacer-otlp")
        self._make_sender = make_sender
        self._sender: Sender | None = None
        self._ledger = ledger
        self._is_json = is_json
        self._deadline: float | None = None
        self._lock = threading.Lock()

    @property
    def sender(self) -> Sender | None:
        """Once there is one."""
        return self._sender

    @property
    def ledger(self) -> Ledger:
        """Where all spans are booked."""
        return self._ledger

    @property
    def has_ended(self) -> bool:
        """Whether nothing will be sent any more."""
        return self._begin.is_set() and not self.is_alive()

    def _open(self) -> None:
        sender = self._make_sender()
        sender.open()
        with self._lock:
            self._sender = sender
            if self._deadline is not None:
                sender.start_deadline(self._deadline)

    def _put(self, view: memoryview, count: int, first_seq: int) -> None:
        del first_seq
        self._ledger.emit(count)
        if self._sender is None:
            self.result.lost += count
            self._ledger.drop(count, "no exporter")
            return
        block: bytes | memoryview = view
        if self._is_last and (losses := self._losses()):
            from renacer_otel.exporters.root_losses import with_losses

            block = with_losses(bytes(view), losses, is_json=self._is_json)
        try:
            self._sender.submit(block, count, last=self._is_last)
        except Exception:
            self._ledger.drop(count, "exporter failed")
            raise

    def _losses(self) -> dict[str, int]:
        """What has been dropped behind the encoder so far: reason -> spans."""
        from renacer_otel.exporters.ledger import QUEUE_FULL

        losses = self._ledger.books().dropped
        if dropped := self._run.stats().dropped_spans:
            losses[QUEUE_FULL] = dropped
        return losses

    def counters(self) -> SenderCounters | None:
        """What was counted so far; None = there is no sender, or not yet."""
        with self._lock:
            return self._sender.counters() if self._sender is not None else None

    def start_deadline(self, seconds: float) -> None:
        """The command has ended: all must be settled within `seconds`."""
        with self._lock:
            self._deadline = seconds
            if self._sender is not None:
                self._sender.start_deadline(seconds)

    def _close(self) -> None:
        sender = self._sender
        if sender is None:
            return
        counters = sender.close(self._deadline if self._deadline is not None else 3600.0)
        result = self.result
        result.written += counters.sent
        result.rejected += counters.rejected
        result.lost += counters.lost
        result.spooled = counters.kept
        result.earlier = counters.earlier
        result.warning = counters.warning
        result.dropped = self._ledger.books().dropped
        if counters.rejected or counters.lost or counters.kept:
            result.error = counters.last_error


class PlainWriter:
    """Lines as they come: text, where the core does not write it itself."""

    def __init__(self, write: Callable[[bytes | memoryview], None]) -> None:
        self._write = write

    def block(self, view: memoryview, first_seq: int) -> None:
        """Some lines."""
        del first_seq
        self._write(view)

    def rows(self, head: memoryview) -> int:
        """Each is a line: a line break within one is escaped."""
        return bytes(head).count(b"\n")

    def close(self, stats: object) -> None:
        """Nothing stands at the end."""


class CsvWriter(PlainWriter):
    """The head, and rows as the core makes them."""

    HEAD = b"time,pid,tid,process,syscall,args,result,errno,duration\r\n"

    def __init__(self, write: Callable[[bytes | memoryview], None]) -> None:
        super().__init__(write)
        write(self.HEAD)


class FileOutput(Output):
    """To an open file: whatever `make_writer` makes of a block.

    A writer whose output is not whole blocks only has rows(): how many of a block's records
    are whole in its first bytes.

    While tracees live, waiting is the ring's policy. Once they are gone nobody waits for us: an
    output that takes nothing for `limit_s` seconds gets no more, and the rest is counted.
    """

    def __init__(
        self,
        run: NativeRun,
        queue: int,
        descriptor: int,
        limit_s: float,
        make_writer: Callable[[Callable[[bytes | memoryview], None]], Any],
    ) -> None:
        super().__init__(run, queue, "renacer-file")
        self._descriptor = descriptor
        self._limit_s = limit_s
        self._make_writer = make_writer
        self._writer: Any = None
        self._taken = 0  # bytes of the block that is being written
        mode = os.fstat(descriptor).st_mode
        self._never_blocks = stat.S_ISREG(mode) or stat.S_ISBLK(mode)

    def _open(self) -> None:
        self._writer = self._make_writer(self._write)

    def _write(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            if self._never_blocks:
                count = os.write(self._descriptor, rest)
            else:
                self._wait_writable()
                count = os.write(self._descriptor, rest[:_SURE_BYTES])
            rest = rest[count:]
            self._taken += count

    def _wait_writable(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        since = time.monotonic()
        while not poll.poll(_LOOK_MS):
            if self._run.given_up:
                raise OSError(errno.EINTR, os.strerror(errno.EINTR))
            if not self._run.traced():
                since = time.monotonic()
            elif time.monotonic() - since > self._limit_s:
                raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

    def _put(self, view: memoryview, count: int, first_seq: int) -> None:
        if self._writer is None or self.result.error:
            self.result.lost += count
            return
        self._taken = 0
        try:
            self._writer.block(view, first_seq)
        except Exception:
            rows = getattr(self._writer, "rows", None)
            whole = rows(view[: self._taken]) if rows else 0
            self.result.written += whole
            self.result.lost -= whole  # our caller counts the whole block
            raise
        self.result.written += count

    def _close(self) -> None:
        if self._writer is not None and not self.result.error:
            self._writer.close(self._run.stats())
        os.close(self._descriptor)


class JsonWriter:
    """OTLP/JSON lines."""

    def __init__(self, write: Callable[[bytes], None], attributes: dict[str, Any]) -> None:
        from renacer_otel.exporters.envelope import JsonEnvelope

        self._write = write
        self._envelope = JsonEnvelope(attributes)

    def block(self, view: memoryview, first_seq: int) -> None:
        """One line."""
        del first_seq
        self._write(self._envelope.wrap(view))

    def close(self, stats: Stats) -> None:
        """There is nothing behind the last line."""
        del stats


class RecordWriter:
    """A TRACE file."""

    def __init__(
        self,
        write: Callable[[bytes], None],
        metadata: dict[str, Any],
        looked: Callable[[], dict[str, Any]] | None,
    ) -> None:
        from renacer_otel.ring.trace_writer import TraceWriter

        self._looked = looked
        self._writer = TraceWriter(write, metadata)

    def block(self, view: memoryview, first_seq: int) -> None:
        """One frame."""
        self._writer.records(view, first_seq)

    def close(self, stats: Stats) -> None:
        """The frame that says it is whole: the run's counts, and files as they were looked at."""
        self._writer.end({**stats._asdict(), **(self._looked() if self._looked else {})})
