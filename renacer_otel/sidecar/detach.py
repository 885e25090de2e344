# SPDX-License-Identifier: MIT
"""Signals to a tracer that has attached to processes, and has no command of its own."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    from typing_extensions import Self

    from renacer_otel.engine.launch import NativeRun

_END = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
# Stopped, we would have every traced process wait for us at its next call.
_STOPS = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)


class DetachSignals:
    """Ctrl-C and its like let go of all processes, which run on; Ctrl-Z does nothing.

    What our caller ignored stays ignored.
    """

    def __init__(self, run: NativeRun, *, records: bool = False) -> None:
        """`records`: SIGUSR1 asks for what the flight recorder has."""
        self._run = run
        self._records = records
        self._before: dict[int, Any] = {}
        self.let_go = False
        self.number = 0  # the signal that we were asked to end by
        self.stays = False  # all can be let go

    def __enter__(self) -> Self:
        for number in _END:
            self._install(number, self._detach)
        for number in _STOPS:
            self._install(number, signal.SIG_IGN)
        if self._records:
            self._install(signal.SIGUSR1, self._run.fly)
        return self

    def _install(self, number: int, handler: Any) -> None:
        if signal.getsignal(number) != signal.SIG_IGN:
            self._before[number] = signal.signal(number, handler)

    def _detach(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.let_go = True
        self.number = self.number or number

    def follow(self) -> None:
        """Call often: lets go of the processes where we are to end."""
        if self.let_go:
            self._run.let_go()

    def tracing_has_ended(self) -> None:
        """Of commands only."""

    def command_has_ended(self) -> None:
        """Nothing is traced any more: a signal ends our waiting for outputs."""
        for number in _END:
            if number in self._before:
                signal.signal(number, self._give_up)

    def _give_up(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.number = self.number or number
        self._run.give_up()

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
