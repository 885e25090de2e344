# SPDX-License-Identifier: MIT
"""What senders of OTLP have in common, whatever carries the requests.

A few threads with one request each keep several under way; `submit()` blocks while all of them
are busy or wait to retry, and the bounded queue of the core behind it drops and counts. At any
time: submitted = sent + rejected + lost + in flight, in spans.

A sender for a protocol says how one attempt is made (`_attempt`) and what its failure means;
when attempts are made, and what they come to, is here. `open()` imports what is needed: the
traced command is running by then.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from renacer_otel._version import __version__
from renacer_otel.errors import one_line
from renacer_otel.exporters import otlp_retry

if TYPE_CHECKING:
    from collections.abc import Callable

    from renacer_otel.exporters.otlp_settings import OtlpSettings

USER_AGENT = f"renacer-otel/{__version__} OTel-OTLP-Exporter-Python/{__version__}"

# The specification's defaults: 64 MiB for a request, 4 MiB for an answer.
MAX_REQUEST_BYTES = 67_108_864
MAX_RESPONSE_BYTES = 4_194_304

DEFAULT_IN_FLIGHT = 4
MAX_IN_FLIGHT = 64
# What is left of a deadline below this is not worth another attempt.
_LAST_MOMENT_S = 0.02
# After the deadline, how long cancelled calls get to come back before they count as lost.
_CANCEL_GRACE_S = 0.1
_MAX_REASONS = 16


@dataclass(frozen=True)
class SenderCounters:
    """A consistent snapshot; spans unless said otherwise."""

    submitted: int = 0
    sent: int = 0  # acknowledged by the collector
    rejected: int = 0  # refused by it, never to be sent again
    lost: int = 0  # not delivered when the sender closed
    batches: int = 0  # requests acknowledged
    retries: int = 0  # attempts beyond the first
    sent_bytes: int = 0  # of acknowledged requests, before compression
    rejected_reasons: dict[str, int] = field(default_factory=dict)  # reason -> spans
    lost_reasons: dict[str, int] = field(default_factory=dict)
    last_error: str = ""  # one printable line, at most 200 characters
    warning: str = ""  # the collector's last remark on data it took; one printable line

    @property
    def in_flight(self) -> int:
        """Spans handed over whose fate is open."""
        return self.submitted - self.sent - self.rejected - self.lost


class Envelope(Protocol):
    """What makes a request of a block."""

    def wrap(self, block: bytes | memoryview) -> bytes:
        """Returns the request that carries `block`."""
        ...


@dataclass
class Job:
    """A request on its way."""

    request: bytes
    spans: int
    body: bytes = b""  # as it is sent, where that differs; made by the first attempt


@dataclass(frozen=True)
class Failure:
    """An attempt that came to nothing."""

    code: str  # what it is counted by; a short word of a bounded set
    told: str  # for people: what happened, and what to do about it; any length and characters
    retryable: bool
    retry_after: float | None = None  # seconds that the collector asks for
    timed_out: bool = False  # by our own limit


class OtlpSender(ABC):
    """Delivers blocks to one collector; see the module's docstring.

    Thread-safe. Use: open(), submit() for each block, start_deadline() when no time is left to
    waste, close(). `in_flight` is how many calls may be under way at once (1 to 64).
    """

    def __init__(
        self, settings: OtlpSettings, envelope: Envelope, in_flight: int = DEFAULT_IN_FLIGHT
    ) -> None:
        if not 1 <= in_flight <= MAX_IN_FLIGHT:
            raise ValueError(f"in_flight must be 1 to {MAX_IN_FLIGHT}")
        self._settings = settings
        self._envelope = envelope
        self._limit = in_flight
        self._changed = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._active = 0  # jobs accepted and not settled
        self._workers: list[threading.Thread] = []
        self._idle = 0
        self._deadline: float | None = None  # CLOCK_MONOTONIC seconds
        self._cancelled = False
        self._closed = False
        self._opened = False
        self._count = SenderCounters()

    # --- life ---------------------------------------------------------------------------------

    def open(self) -> None:
        """Makes ready to send; connects at the first request only. Idempotent."""
        with self._changed:
            if self._opened or self._cancelled:
                return
            self._start()
            self._opened = True

    def submit(self, block: bytes | memoryview, spans: int) -> bool:
        """Hands one block of `spans` spans over; it is copied and may be released on return.

        Blocks while all calls are busy or wait to retry, and no longer than the deadline once
        there is one. False = the block could not be taken in time and is counted as lost.
        """
        self.open()
        with self._changed:
            self._count = replace(self._count, submitted=self._count.submitted + spans)
            while self._active >= self._limit and not self._expired():
                self._changed.wait(self._remaining())
            if self._expired():
                self._lose(spans, "no time left to send")
                return False
            self._active += 1
        job = Job(self._envelope.wrap(block), spans)
        with self._changed:
            self._jobs.append(job)
            if self._idle < len(self._jobs) and len(self._workers) < self._limit:
                worker = threading.Thread(target=self._work, name="renacer-otlp", daemon=True)
                self._workers.append(worker)
                worker.start()
            self._changed.notify_all()
        return True

    def start_deadline(self, seconds: float) -> None:
        """From now on everything must be settled within `seconds`. Can only be tightened."""
        with self._changed:
            at = time.monotonic() + max(seconds, 0.0)
            self._deadline = at if self._deadline is None else min(self._deadline, at)
            self._changed.notify_all()

    def close(self, seconds: float = 0.0) -> SenderCounters:
        """Waits until all is settled, at most `seconds` (or an earlier deadline), then cancels.

        What is not delivered by then is counted as lost. Returns the final counters, in which
        nothing is in flight. Idempotent.
        """
        self.start_deadline(seconds)
        with self._changed:
            while self._active and not self._expired():
                self._changed.wait(self._remaining())
            self._cancelled = True
            self._changed.notify_all()
            stop = self._stop() if self._opened else None
            self._opened = False
        if stop is not None:
            # In a thread: a name look-up that hangs must not hold us beyond the deadline.
            closer = threading.Thread(target=stop, name="renacer-otlp-close", daemon=True)
            closer.start()
            closer.join(_CANCEL_GRACE_S)
        with self._changed:
            end = time.monotonic() + _CANCEL_GRACE_S
            while self._active and time.monotonic() < end:
                self._changed.wait(max(end - time.monotonic(), 0.0))
            if not self._closed:
                self._closed = True
                if self._count.in_flight:
                    self._lose(self._count.in_flight, "still unanswered at the deadline")
            return self._snapshot()

    def counters(self) -> SenderCounters:
        """A snapshot of the counters."""
        with self._changed:
            return self._snapshot()

    # --- what a protocol does -----------------------------------------------------------------

    @abstractmethod
    def _start(self) -> None:
        """Imports and makes what is needed; under the lock."""

    @abstractmethod
    def _stop(self) -> Callable[[], object]:
        """Forgets it, under the lock; the result, called without, ends attempts under way."""

    @abstractmethod
    def _attempt(self, job: Job, timeout: float | None) -> Failure | otlp_retry.PartialSuccess:
        """One attempt, of `timeout` seconds at most; PartialSuccess where the collector took the
        request."""

    # --- under the lock -----------------------------------------------------------------------

    def _snapshot(self) -> SenderCounters:
        return replace(
            self._count,
            rejected_reasons=dict(self._count.rejected_reasons),
            lost_reasons=dict(self._count.lost_reasons),
        )

    def _remaining(self, end: float | None = None) -> float | None:
        """Seconds to the deadline, or to `end` if that is sooner; 0 when it has passed; None =
        there is none."""
        sooner = min((at for at in (self._deadline, end) if at is not None), default=None)
        return None if sooner is None else max(sooner - time.monotonic(), 0.0)

    def _expired(self) -> bool:
        return self._cancelled or self._remaining() == 0.0

    def _lose(self, spans: int, reason: str) -> None:
        _add_reason(self._count.lost_reasons, reason, spans)
        last = self._count.last_error or reason
        self._count = replace(self._count, lost=self._count.lost + spans, last_error=last)

    def _note(self, error: str) -> None:
        told = one_line(self._settings.without_secrets(error), 200)
        self._count = replace(self._count, last_error=told)

    # --- the workers --------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                while not self._jobs and not self._cancelled:
                    self._changed.wait()
                self._idle -= 1
                if not self._jobs:
                    return
                job = self._jobs.popleft()
            try:
                self._deliver(job)
            except Exception as error:  # noqa: BLE001 (neither end the worker nor hide a loss)
                self._settle(job, reason=type(error).__name__, error=repr(error))

    def _settle(
        self, job: Job, taken: bool = False, rejected: int = 0, reason: str = "", error: str = ""
    ) -> None:
        """Books one job: what is not rejected was sent if the collector took the request
        (`taken`), else it is lost."""
        with self._changed:
            self._active -= 1
            self._changed.notify_all()
            if self._closed:
                return  # close() has booked it as lost
            if error:
                self._note(error)
            if rejected:
                _add_reason(self._count.rejected_reasons, reason, rejected)
            count = replace(self._count, rejected=self._count.rejected + rejected)
            if taken:
                count = replace(
                    count,
                    sent=count.sent + job.spans - rejected,
                    batches=count.batches + 1,
                    sent_bytes=count.sent_bytes + len(job.request),
                )
            self._count = count
            if not taken and rejected < job.spans:
                self._lose(job.spans - rejected, reason)

    def _deliver(self, job: Job) -> None:
        """Sends one request until it is settled."""
        if len(job.request) > MAX_REQUEST_BYTES:
            error = f"a request of {len(job.request)} bytes is over the limit of 64 MiB"
            self._settle(job, rejected=job.spans, reason="request too large", error=error)
            return
        backoff = otlp_retry.Backoff()
        reason = ""
        limit = self._settings.export_timeout_ms / 1000
        end = time.monotonic() + limit if limit else None
        while (timeout := self._attempt_timeout(end)) is not None:
            failure = self._attempt(job, timeout or None)
            if not isinstance(failure, Failure):
                self._taken(job, failure)
                return
            if self._cancelled or (reason and self._cut_short(failure)):
                break  # what went wrong before says more than our own deadline does
            reason = failure.code
            with self._changed:
                self._note(failure.told)
            if not failure.retryable:
                self._settle(job, rejected=job.spans, reason=failure.code)
                return
            asked = failure.retry_after
            if not self._pause(backoff.next(asked), asked is not None, end):
                break
            with self._changed:
                self._count = replace(self._count, retries=self._count.retries + 1)
        self._settle(job, reason=reason or "no time left to send")

    def _taken(self, job: Job, partial: otlp_retry.PartialSuccess) -> None:
        """The collector took the request, at least in part: it is never sent again."""
        if partial.message and not partial.rejected:
            with self._changed:
                told = one_line(self._settings.without_secrets(partial.message), 200)
                self._count = replace(self._count, warning=told)
        reason = "partial success"
        refusal = f"{reason}: {partial.message}" if partial.rejected else ""
        self._settle(job, True, partial.rejected, reason, refusal)

    def _cut_short(self, failure: Failure) -> bool:
        with self._changed:
            return failure.timed_out and self._expired()

    def _attempt_timeout(self, end: float | None) -> float | None:
        """Seconds the next attempt may take, 0.0 = no limit; None = there is no time for one."""
        limit = self._settings.timeout_ms / 1000
        with self._changed:
            if self._expired():
                return None
            remaining = self._remaining(end)
        if remaining is None:
            return limit
        if not remaining:
            return None
        return min(limit, remaining) if limit else remaining

    def _pause(self, delay: float, asked: bool, end: float | None) -> bool:
        """Waits before a retry; False = give up, the deadline comes first.

        Where the collector asked for the delay, it is kept; a backoff of our own is shortened
        so that an attempt still falls before the deadline.
        """
        until = time.monotonic() + delay
        with self._changed:
            while True:
                remaining = self._remaining(end)
                now = time.monotonic()
                if self._cancelled:
                    return False
                if remaining is not None:
                    if remaining < _LAST_MOMENT_S:
                        return False
                    if until >= now + remaining:
                        if asked:
                            return False
                        until = now + remaining / 2
                if now >= until:
                    return True
                self._changed.wait(until - now)


def _add_reason(reasons: dict[str, int], reason: str, spans: int) -> None:
    """Counts by reason, with a bound on how many reasons there are."""
    if reason not in reasons and len(reasons) >= _MAX_REASONS:
        reason = "other"
    reasons[reason] = reasons.get(reason, 0) + spans
