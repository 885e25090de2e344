# SPDX-License-Identifier: MIT
"""A run of the python engine: its records go through the core's ring, as the native engine's.

So text, spans, summaries and TRACE files are made by the same code for both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from renacer_otel.engine import native
from renacer_otel.engine.launch import NativeRun, RunConfig, Stats
from renacer_otel.engine.python_thread import Traced

if TYPE_CHECKING:
    from renacer_otel.engine.python_record import Record


class PythonRun(Traced, NativeRun):
    """As NativeRun, but Python traces."""

    def __init__(self, config: RunConfig) -> None:
        Traced.__init__(self, config)
        NativeRun.__init__(self, config)

    def start(self) -> None:
        """Starts the command; returns when it has been exec'ed. Raises what hindered it."""
        self._start_command()
        try:
            NativeRun.start(self)
        finally:
            self._go.set()

    def _feed(self, record: Record) -> int:
        data = record.pack()
        return int(native.lib.rn_run_feed(self._run, data, len(data)))

    def _feed_end(self, wait_status: int, stops: int, tracer_ns: int) -> None:
        native.lib.rn_run_feed_end(self._run, wait_status, stops, tracer_ns)

    def stats(self) -> Stats:
        """Counts so far; final once wait() has returned a status."""
        stats = super().stats()
        return stats._replace(
            added_ns=-1, lost_calls=self._lost_calls, lost_events=self._lost_events
        )

    def close(self) -> None:
        """Frees everything; waits for the threads. Idempotent."""
        self._join()
        super().close()
