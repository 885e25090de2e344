# SPDX-License-Identifier: MIT
"""Signals to a tracer whose command is run for its trace alone: it ends with us."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from renacer_otel.errors import END

if TYPE_CHECKING:
    from types import FrameType

    from typing_extensions import Self

    from renacer_otel.engine.launch import NativeRun

# What a program may send to its parent, which is us.
_TO_PARENT = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)


def _let_pass(number: int, frame: FrameType | None) -> None:
    del number, frame


class EndingSignals:
    """What asks us to end kills all that is traced: nobody else would, and nobody waits for it.

    What our caller ignored stays ignored; what a command tells its parent by a signal is let pass.
    """

    def __init__(self, run: NativeRun, *, records: bool = False) -> None:
        """`records`: SIGUSR1 asks for what the flight recorder has."""
        self._run = run
        self._records = records
        self._before: dict[int, Any] = {}
        self._has_ended = False
        self.let_go = False  # the time is over
        self.number = 0  # the first signal that asked
        self.stays = False

    def __enter__(self) -> Self:
        for number in END:
            if signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._end)
        for number in _TO_PARENT:  # a handler, as SIG_IGN would be the command's, too
            if signal.getsignal(number) != signal.SIG_IGN:
                asks = self._records and number == signal.SIGUSR1
                handler = self._run.fly if asks else _let_pass
                self._before[number] = signal.signal(number, handler)
        return self

    def _end(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.number = self.number or number
        if self._has_ended:
            self._run.give_up()

    def follow(self) -> None:
        """Call often: kills, as long as somebody is left; one may have been about to be born."""
        if self.number or self.let_go:
            self._run.signal_all(signal.SIGKILL)

    def tracing_has_ended(self) -> None:
        """Nobody is let go."""

    def command_has_ended(self) -> None:
        """Nobody is left: a signal ends our waiting for outputs."""
        self._has_ended = True
        if self.number:
            self._run.give_up()

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
