# SPDX-License-Identifier: MIT
"""A run of the python engine: its records go through the core's ring, as the native engine's.

So text, spans, summaries and TRACE files are made by the same code for both.
"""

from __future__ import annotations

import errno
import functools
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from renacer_otel.engine import native
from renacer_otel.engine import python_record as form
from renacer_otel.engine.launch import NativeRun, RunConfig, explain
from renacer_otel.errors import EngineError

if TYPE_CHECKING:
    from renacer_otel.engine.python_record import Record
    from renacer_otel.engine.python_tracer import Tracer

_SAME_NS = 250_000_000  # a signal to our whole group reaches us and the command: it is one


class PythonRun(NativeRun):
    """As NativeRun, but Python traces. Raises EngineError where python-ptrace is missing."""

    def __init__(self, config: RunConfig) -> None:
        require()
        from renacer_otel.engine import python_tracer

        tuning = config.tuning
        wish = python_tracer.Wish(
            follow=tuning.follow,
            max_depth=tuning.max_depth,
            # What concerns a path is found by following descriptors: all calls are needed.
            wanted=None if tuning.paths else tuning.wanted,
            string_limit=tuning.string_limit,
            cpu_times=bool(tuning.count_by) and not tuning.count_wall,
        )
        self._tracer: Tracer = python_tracer.Tracer(wish, _name_of, self._put)
        self._gap: list[int] = []  # seq, t0, t1, events, calls, exits, signals, others, bytes
        self._lost: set[int] = set()  # threads whose entry was lost
        self._lost_calls = self._lost_events = 0
        self._started = threading.Event()
        self._go = threading.Event()
        self._error: OSError | None = None
        self._backlog: list[Record] | None = []  # before the core takes records
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._thread = threading.Thread(target=self._main, name="renacer-python", daemon=True)
        super().__init__(config)

    def start(self) -> None:
        """Starts the command; returns when it has been exec'ed. Raises what hindered it."""
        before = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._started.wait()
        if self._error:
            self._thread.join()
            raise self._explain(self._error)
        try:
            super().start()
        finally:
            self._go.set()

    def _explain(self, error: OSError) -> Exception:
        failure = native.ffi.new("rn_failure *")
        lib = native.lib
        number = error.errno or errno.EPERM
        if error.strerror == "PTRACE_SEIZE":
            failure.code = lib.RN_FAIL_PTRACE
            failure.what = b"PTRACE_SEIZE"
        elif error.filename != "execve":
            failure.code = lib.RN_FAIL_SYSTEM
            failure.what = b"setuid" if error.filename == "setuid" else b"fork"
        elif number in (errno.ENOENT, errno.ENOTDIR):
            failure.code = lib.RN_FAIL_NOT_FOUND
        else:
            failure.code = lib.RN_FAIL_NOT_EXECUTABLE
        failure.err = number
        return explain(self._config, failure)

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
        native.lib.rn_run_feed_end(self._run, tracer.status, tracer.stops, spent)

    def _launch(self) -> None:
        from renacer_otel.engine import python_launch

        config, tracer = self._config, self._tracer
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
        if self._gap and not self._put_gap():
            status = -errno.ENOBUFS
        else:
            data = record.pack()
            status = native.lib.rn_run_feed(self._run, data, len(data))
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
        from renacer_otel.engine.python_record import Record

        seq, first, last, *counts = self._gap
        record = Record(form.GAP, 0, 0, first)
        record.seq, record.t1, record.args = seq, last, tuple(counts)
        data = record.pack()
        if native.lib.rn_run_feed(self._run, data, len(data)) < 0:
            return False
        self._gap = []
        return True

    def signal(self, number: int) -> bool:
        """Passes a signal on to the command (0: to nobody). False = the command has ended."""
        pid = self._tracer.command
        if pid < 0:
            return False
        if pid == 0 or time.monotonic_ns() - self._tracer.signalled.get(number, 0) < _SAME_NS:
            return True
        try:
            os.kill(pid, number)
        except ProcessLookupError:
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

    def stats(self) -> Any:
        """Counts so far; final once wait() has returned a status."""
        stats = super().stats()
        return stats._replace(lost_calls=self._lost_calls, lost_events=self._lost_events)

    def close(self) -> None:
        """Frees everything; waits for the threads. Idempotent."""
        if self._thread.is_alive() and self._go.is_set():
            self._thread.join()
        super().close()


def require() -> None:
    """Raises EngineError where python-ptrace is not installed."""
    try:
        from renacer_otel.engine import python_ptrace  # noqa: F401
    except (ImportError, NotImplementedError) as error:
        raise EngineError(
            f"--engine python needs python-ptrace ({error}): pip install 'renacer-otel[python]'"
        ) from error


@functools.lru_cache(maxsize=2048)
def _name_of(abi: int, nr: int) -> str:
    name = native.lib.rn_table_name(abi, nr)
    return "" if name == native.ffi.NULL else native.ffi.string(name).decode("ascii")
