# SPDX-License-Identifier: MIT
"""Runs whose other half is another process, on the same ring."""

from __future__ import annotations

import os

from renacer_otel.engine import native
from renacer_otel.engine.launch import NativeRun
from renacer_otel.errors import EngineError


class ProducerRun(NativeRun):
    """Traces; whoever has its ring makes spans of the records."""

    def ring(self) -> int:
        """The ring's descriptor; ours until close()."""
        return int(native.lib.rn_run_ring(self._run))

    def offer(self, turn: int) -> None:
        """The consumer with this turn is to read from now on, and no other."""
        native.lib.rn_run_offer(self._run, turn)

    def taken_spans(self) -> int:
        """How many spans the consumer says that it has made; one that took over counts anew."""
        return int(native.lib.rn_run_taken(self._run))

    def unread(self) -> tuple[int, int]:
        """Calls and events that stand in the ring, and are taken out of it by this.

        Only where nobody else reads it any more. Raises EngineError.
        """
        calls, events = native.ffi.new("uint64_t *"), native.ffi.new("uint64_t *")
        status = native.lib.rn_run_unread(self._run, calls, events)
        if status < 0:
            raise EngineError(f"the ring cannot be read: {os.strerror(-status)}")
        return int(calls[0]), int(events[0])


class ConsumerRun(NativeRun):
    """Makes spans of a ring that another process fills. Raises EngineError for what is no ring."""

    def cut(self) -> None:
        """The producer is dead: what it has left in the ring is all that comes."""
        native.lib.rn_run_cut(self._run)

    def leave(self) -> None:
        """Stops reading, and leaves the ring, and what is open, to another consumer."""
        native.lib.rn_run_leave(self._run)
