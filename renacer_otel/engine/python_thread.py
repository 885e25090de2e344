# SPDX-License-Identifier: MIT
"""The thread in which the python engine traces: what a run with the core and one without share."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

from renacer_otel.engine import calls, python_launch, python_tracer
from renacer_otel.engine import python_record as form
from renacer_otel.engine.failures import exec_error, why_forbidden
from renacer_otel.engine.python_record import Record
from renacer_otel.errors import EngineError, KernelTooOld, RenacerError, TracingForbidden

if TYPE_CHECKING:
    from renacer_otel.engine.launch import RunConfig

_SAME_NS = 250_000_000  # a signal to our whole group reaches us and the command: it is one


class Traced:
    """Starts a command, traces it in a thread of its own, feeds its records, says the end."""

    def __init__(self, config: RunConfig) -> None:
        tuning = config.tuning
        wish = python_tracer.Wish(
            follow=tuning.follow,
            max_depth=tuning.max_depth,
            # What concerns a path is found by following descriptors: all calls are needed.
            wanted=None if tuning.paths else tuning.wanted,
            string_limit=tuning.string_limit,
            objects=bool(config.otlp or config.json or config.record),
            hashes=tuning.hashes,
            peaks=tuning.peaks,
            cpu_times=bool(tuning.count_by) and not tuning.count_wall,
        )
        self._asked = config
        self._tracer = python_tracer.Tracer(wish, calls.name_of, self._put)
        self._gap: list[int] = []  # seq, t0, t1, events, calls, exits, signals, others, bytes
        self._lost: set[int] = set()  # threads whose entry was lost
        self._lost_calls = self._lost_events = 0
        self._started = threading.Event()
        self._go = threading.Event()
        self._error: OSError | None = None
        self._backlog: list[Record] | None = []  # before records are taken
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._thread = threading.Thread(target=self._main, name="renacer-python", daemon=True)

    def _feed(self, record: Record) -> int:
        """Where records go, in order. 0, or -ENOBUFS: it is lost."""
        raise NotImplementedError

    def _feed_end(self, wait_status: int, stops: int, tracer_ns: int) -> None:
        """No record will come any more."""
        raise NotImplementedError

    def _start_command(self) -> None:
        """Returns when it has been exec'ed; it goes on with _go. Raises what hindered it."""
        before = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
        try:
            self._thread.start()
        except RuntimeError as error:
            raise EngineError(f"no thread for the engine ({error}); raise ulimit -u") from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._started.wait()
        if self._error:
            self._thread.join()
            raise _explained(self._asked.argv[0], self._error)

    def _main(self) -> None:
        """The thread of all ptrace requests."""
        tracer = self._tracer
        try:
            self._launch()
        except OSError as error:
            self._error = error
            self._started.set()
            return
        self._started.set()
        self._go.wait()
        backlog, self._backlog = self._backlog or [], None
        for record in backlog:
            self._put(record)
        while tracer.step():
            pass
        tracer.end()
        if self._gap:
            self._put_gap()
        spent = time.clock_gettime_ns(time.CLOCK_THREAD_CPUTIME_ID)
        self._feed_end(tracer.status, tracer.stops, spent)

    def _launch(self) -> None:
        config, tracer = self._asked, self._tracer
        pid = python_launch.start(
            config.argv,
            config.environ,
            follow=config.tuning.follow,
            mask=set(self._mask),
            user=config.user,
        )
        tracer.add_command(pid)
        while not tracer.execed and tracer.command > 0 and tracer.step():
            pass
        number = python_launch.failure(pid)
        if not tracer.execed:
            what = "execve" if number >= 0 else "setuid"
            raise OSError(abs(number) or errno.ECHILD, os.strerror(abs(number)), what)

    def _put(self, record: Record) -> None:
        if self._backlog is not None:
            self._backlog.append(record)
            return
        if record.kind == form.EXIT and record.tid in self._lost:
            self._lost.discard(record.tid)
            self._lose(record, 1)
            return
        full = bool(self._gap) and not self._put_gap()
        status = -errno.ENOBUFS if full else self._feed(record)
        if status < 0:
            self._lose(record, 2 if record.kind == form.CALL else 1)

    def _lose(self, record: Record, events: int) -> None:
        """Counted, and told by a gap in its place."""
        if not self._gap:
            self._gap = [record.seq, record.t0, record.t1, 0, 0, 0, 0, 0, 0]
        gap = self._gap
        gap[2] = record.t1
        gap[3] += events
        gap[8] += len(record.pack())
        self._lost_events += events
        if record.kind in (form.CALL, form.ENTER):
            gap[4] += 1
            self._lost_calls += 1
            if record.kind == form.ENTER:
                self._lost.add(record.tid)
        elif record.kind == form.EXIT:
            gap[5] += 1
        else:
            gap[6 if record.kind == form.SIGNAL else 7] += 1

    def _put_gap(self) -> bool:
        seq, first, last, *counts = self._gap
        record = Record(form.GAP, 0, 0, first)
        record.seq, record.t1, record.args = seq, last, tuple(counts)
        if self._feed(record) < 0:
            return False
        self._gap = []
        return True

    def signal(self, number: int, since_ns: int) -> bool:
        """Passes a signal that came to us then (monotonic) on to the command (0: to nobody).

        False = the command has ended.
        """
        pid = self._tracer.command
        if pid < 0:
            return False
        if pid == 0 or since_ns < self._tracer.signalled.get(number, -_SAME_NS) + _SAME_NS:
            return True
        try:
            # One that has died, and is not waited for yet, would take the signal.
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                return False
            os.kill(pid, number)
        except (ChildProcessError, ProcessLookupError):
            return False
        return True

    def command(self) -> int:
        """The command's process id; 0 = not started, -1 = it has ended."""
        return self._tracer.command

    def let_go(self) -> int:
        """Lets all that is still traced run on by itself; how many threads have been let go."""
        self._tracer.let_go = True
        return self._tracer.left

    def is_filtered(self) -> bool:
        """Never: this engine has no filter."""
        return False

    def signal_all(self, number: int) -> None:
        """Sends a signal to every process that is still traced."""
        self._tracer.signals.append(number)

    def at_rest(self) -> int:
        """1 if the command stands stopped by job control, 2 if all that it started does, else 0."""
        return self._tracer.at_rest()

    def _join(self) -> None:
        if self._thread.is_alive() and self._go.is_set():
            self._thread.join()


def _explained(command: str, error: OSError) -> RenacerError:
    number = error.errno or errno.EPERM
    reason = os.strerror(number)
    if error.strerror == "PTRACE_SEIZE":
        if number in (errno.EIO, errno.EINVAL, errno.ENOSYS):
            return KernelTooOld(
                "PTRACE_SEIZE is not known to this kernel: --engine python needs Linux 5.3 or newer"
            )
        return TracingForbidden(f"PTRACE_SEIZE: {reason}: {why_forbidden()}")
    if error.filename == "execve":
        return exec_error(command, number)
    if number == errno.EAGAIN:
        reason += "; raise the limit on processes or memory (ulimit -u, -v)"
    return EngineError(f"{error.filename or 'fork'}: {reason}")
