# SPDX-License-Identifier: MIT
"""What senders of OTLP have in common, whatever carries the requests.

A few threads with one request each keep several under way; `submit()` blocks while all of them
are busy or wait to retry, and the bounded queue of the core behind it drops and counts. At any
time: submitted = sent + rejected + lost + kept + in flight, in spans. A request that the collector
finds too large goes in halves.

A sender for a protocol says how one attempt is made (`_attempt`) and what its failure means;
when attempts are made, and what they come to, is here. `open()` imports what is needed: the
traced command is running by then.
"""

from __future__ import annotations

import re
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from renacer_otel._version import __version__
from renacer_otel.errors import one_line
from renacer_otel.exporters import otlp_retry, otlp_split
from renacer_otel.exporters.ledger import REJECTED, UNSENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from renacer_otel.exporters.ledger import Ledger
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

# Refusals that say nothing against the data.
AUTHENTICATION = frozenset(
    {"UNAUTHENTICATED", "PERMISSION_DENIED", "HTTP 401", "HTTP 403", "HTTP 407"}
)
# Failures of a connection that was there, or of a collector that never answered.
_MAY_HAVE_DIED = frozenset({"UNAVAILABLE", "no answer", "bad answer"})
_DIED = re.compile(r"closed|reset|broken pipe|stream removed|goaway|aborted", re.I)
_HUNG = frozenset({"DEADLINE_EXCEEDED", "timeout"})


@dataclass(frozen=True)
class SenderCounters:
    """A consistent snapshot; spans unless said otherwise."""

    submitted: int = 0
    sent: int = 0  # acknowledged by the collector
    rejected: int = 0  # refused by it, never to be sent again
    lost: int = 0  # not delivered when the sender closed
    kept: int = 0  # given back to where they came from, which keeps them
    earlier: int = 0  # of earlier processes, sent from a spool; in no other count
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
        return self.submitted - self.sent - self.rejected - self.lost - self.kept


class Envelope(Protocol):
    """What makes a request of a block."""

    def wrap(self, block: bytes | memoryview) -> bytes:
        """Returns the request that carries `block`."""
        ...


@dataclass
class Verdict:
    """What became of a job: spans, and requests that were refused.

    What is `unsent` may be tried again; why, and whether it is for want of a right to send.
    """

    sent: int = 0
    rejected: dict[str, int] = field(default_factory=dict)  # reason -> spans
    refused: list[tuple[bytes, int]] = field(default_factory=list)  # requests and their spans
    unsent: int = 0
    reason: str = ""
    unauthorized: bool = False
    died: int = 0  # attempts on which the connection died


@dataclass
class Job:
    """A request on its way.

    With `settled` it belongs to a queue that keeps it until it is settled: settled(verdict) is
    called once, by a thread of the sender's, or never where the sender is closed before. Such a
    job is given back after `patience` attempts on which the connection died.
    """

    request: bytes
    spans: int
    body: bytes = b""  # as it is sent, where that differs; made by the first attempt
    settled: Callable[[Verdict], None] | None = None
    patience: int = 3


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
        self._kept_in_flight = 0  # spans under way that a queue keeps
        self._too_large = MAX_REQUEST_BYTES + 1  # the smallest size that was found so
        self.ledger: Ledger | None = None  # where what is not kept by a queue is booked

    # --- life ---------------------------------------------------------------------------------

    def open(self) -> None:
        """Makes ready to send; connects at the first request only. Idempotent."""
        with self._changed:
            if self._opened or self._cancelled:
                return
            self._start()
            self._opened = True

    def submit(self, block: bytes | memoryview, spans: int, *, last: bool = False) -> bool:
        """Hands one block of `spans` spans over; it is copied and may be released on return.

        `last` makes no difference here; it does where there is a spool.

        Blocks while all calls are busy or wait to retry, and no longer than the deadline once
        there is one. False = the block could not be taken in time and is counted as lost.
        """
        del last
        self.open()
        if not self._admit(spans):
            with self._changed:
                self._lose(spans, "no time left to send")
            return False
        self._begin(Job(self.wrap(block), spans))
        return True

    def offer(self, job: Job) -> bool:
        """As submit(), of a request that a queue keeps; False = it is not begun."""
        self.open()
        if self._admit(job.spans):
            self._begin(job)
            return True
        with self._changed:
            self._count = replace(self._count, submitted=self._count.submitted - job.spans)
        return False

    def wrap(self, block: bytes | memoryview) -> bytes:
        """The request that carries a block."""
        return self._envelope.wrap(block)

    def wait_idle(self) -> bool:
        """Waits until nothing is under way; False = the deadline came before."""
        with self._changed:
            while self._active and not self._expired():
                self._changed.wait(self._remaining())
            return not self._expired()

    def _admit(self, spans: int) -> bool:
        """Waits for a free call; False = there is no time left."""
        with self._changed:
            self._count = replace(self._count, submitted=self._count.submitted + spans)
            while self._active >= self._limit and not self._expired():
                self._changed.wait(self._remaining())
            if self._expired():
                return False
            self._active += 1
            return True

    def _begin(self, job: Job) -> None:
        with self._changed:
            if job.settled is not None:
                self._kept_in_flight += job.spans
            self._jobs.append(job)
            if self._idle < len(self._jobs) and len(self._workers) < self._limit:
                worker = threading.Thread(target=self._work, name="renacer-otlp", daemon=True)
                self._workers.append(worker)
                worker.start()
            self._changed.notify_all()

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
                    self._lose_the_rest("still unanswered at the deadline")
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
        if self.ledger is not None:
            self.ledger.drop(spans, UNSENT + reason)

    def _lose_the_rest(self, reason: str) -> None:
        """What is in flight at the end: lost, or kept by the queue that it came from."""
        left = self._count.in_flight
        kept = min(self._kept_in_flight, left)
        told = self._count.last_error or (reason if kept else "")
        self._count = replace(self._count, kept=self._count.kept + kept, last_error=told)
        if left > kept:
            self._lose(left - kept, reason)

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
            verdict = Verdict()
            try:
                self._deliver(job, verdict)
            except Exception as error:  # noqa: BLE001 (neither end the worker nor hide a loss)
                verdict.unsent = job.spans - verdict.sent - sum(verdict.rejected.values())
                verdict.reason = type(error).__name__
                verdict.died += 1  # it is not worth more than a request that kills a connection
                with self._changed:
                    self._note(repr(error))
            self._settle(job, verdict)

    def _settle(self, job: Job, verdict: Verdict) -> None:
        """Books one job. One that a queue keeps is booked as a whole: what of it is not sent
        keeps all of it there."""
        with self._changed:
            self._active -= 1
            self._changed.notify_all()
            if self._closed:
                return  # close() has booked it
            if job.settled is None:
                self._book(verdict)
            else:
                self._kept_in_flight -= job.spans
                if verdict.unsent:
                    self._count = replace(self._count, kept=self._count.kept + job.spans)
                else:
                    self._book(verdict)
        if job.settled is not None:
            job.settled(verdict)

    def _book(self, verdict: Verdict) -> None:
        rejected = sum(verdict.rejected.values())
        for reason, spans in verdict.rejected.items():
            _add_reason(self._count.rejected_reasons, reason, spans)
        self._count = replace(
            self._count,
            sent=self._count.sent + verdict.sent,
            rejected=self._count.rejected + rejected,
        )
        if self.ledger is not None:
            self.ledger.export(verdict.sent)
            for reason, spans in verdict.rejected.items():
                self.ledger.drop(spans, REJECTED + reason)
        if verdict.unsent:
            self._lose(verdict.unsent, verdict.reason)

    def _deliver(self, job: Job, verdict: Verdict) -> None:
        """Sends one request, in halves if need be, until each part is settled."""
        parts = [job]
        while parts:
            part = parts.pop()
            if verdict.unsent and job.settled is not None:
                verdict.unsent += part.spans  # it is kept as a whole anyway
                continue
            if len(part.request) >= self._too_large and (both := self._split(part)):
                parts += both
                continue
            if len(part.request) > MAX_REQUEST_BYTES:
                self._reject(part, verdict, "request too large", "over the limit of 64 MiB")
                continue
            failure = self._send(part, job, verdict)
            if failure is None:
                continue
            if otlp_split.is_too_large(failure.code, failure.told):
                self._too_large = min(self._too_large, len(part.request))
                if both := self._split(part):
                    parts += both
                    continue
            self._reject(part, verdict, failure.code)

    def _split(self, part: Job) -> list[Job]:
        """Two jobs, the second first; [] = it is one span, or no request."""
        found = otlp_split.halves(part.request)
        if found is None:
            return []
        return [Job(half.request, half.spans) for half in reversed(found)]

    def _reject(self, part: Job, verdict: Verdict, reason: str, told: str = "") -> None:
        verdict.rejected[reason] = verdict.rejected.get(reason, 0) + part.spans
        verdict.refused.append((part.request, part.spans))
        if told:
            with self._changed:
                self._note(f"a request of {len(part.request)} bytes is {told}")

    def _send(self, part: Job, job: Job, verdict: Verdict) -> Failure | None:
        """Tries one request again and again; a Failure = refused for good, and not yet booked."""
        backoff = otlp_retry.Backoff()
        reason = ""
        limit = self._settings.export_timeout_ms / 1000
        end = time.monotonic() + limit if limit else None
        while (timeout := self._attempt_timeout(end)) is not None:
            failure = self._attempt(part, timeout or None)
            if not isinstance(failure, Failure):
                self._taken(part, failure, verdict)
                return None
            if self._cancelled or (reason and self._cut_short(failure)):
                break  # what went wrong before says more than our own deadline does
            reason = failure.code
            with self._changed:
                self._note(failure.told)
            if otlp_split.is_too_large(failure.code, failure.told):
                return failure
            if not failure.retryable:
                if job.settled is None or failure.code not in AUTHENTICATION:
                    return failure
                verdict.unauthorized = True
                break
            verdict.died += has_died(failure)
            if job.settled is not None and verdict.died >= job.patience:
                break
            asked = failure.retry_after
            if not self._pause(backoff.next(asked), asked is not None, end):
                break
            with self._changed:
                self._count = replace(self._count, retries=self._count.retries + 1)
        verdict.unsent += part.spans
        verdict.reason = reason or "no time left to send"
        return None

    def _taken(self, part: Job, partial: otlp_retry.PartialSuccess, verdict: Verdict) -> None:
        """The collector took the request, at least in part: it is never sent again."""
        verdict.sent += part.spans - partial.rejected
        if partial.rejected:
            reason = "partial success"
            verdict.rejected[reason] = verdict.rejected.get(reason, 0) + partial.rejected
        with self._changed:
            self._count = replace(
                self._count,
                batches=self._count.batches + 1,
                sent_bytes=self._count.sent_bytes + len(part.request),
            )
            if partial.rejected:
                self._note(f"partial success: {partial.message}")
            elif partial.message:
                told = one_line(self._settings.without_secrets(partial.message), 200)
                self._count = replace(self._count, warning=told)

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


def has_died(failure: Failure) -> bool:
    """Whether the connection ended, or nobody answered, once the request was on its way."""
    if failure.code in _HUNG:
        return True
    return failure.code in _MAY_HAVE_DIED and _DIED.search(failure.told) is not None


def _add_reason(reasons: dict[str, int], reason: str, spans: int) -> None:
    """Counts by reason, with a bound on how many reasons there are."""
    if reason not in reasons and len(reasons) >= _MAX_REASONS:
        reason = "other"
    reasons[reason] = reasons.get(reason, 0) + spans
