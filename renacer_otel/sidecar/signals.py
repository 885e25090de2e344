# SPDX-License-Identifier: MIT
"""Signals to the tracer while a command runs, and job control."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

    from typing_extensions import Self

    from renacer_otel.engine.launch import NativeRun

# Passed on: sent to us, they mean the command. From the terminal it gets the others itself.
_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
_STOPS = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
_LATER_NS = 10_000_000
# The command has so long to stop after a key that means it…
_STOP_WITHIN_S = 5.0
# …and those of its children that do not stop are left out of account after so long.
_ALL_STOP_WITHIN_S = 0.2


class Signals:
    """While a command runs: signals to us are for it; Ctrl-C it gets from the terminal.

    Handlers, not SIG_IGN: an ignored signal would be ignored by the command, too. What our
    caller ignored stays ignored.

    Once the command has ended, and only what it left behind is still traced, a signal means
    that we should end: that is let go, and runs on untraced. Under a seccomp filter it could
    not; there each of them gets the signal, and we end when they have.

    Ctrl-Z: the command gets it from the terminal, too, and may handle it before it stops, for
    which it needs us. So we stop after it, by the same signal: our caller sees a job that stops
    as the command alone would.
    """

    def __init__(self, run: NativeRun, *, records: bool = False) -> None:
        """`records`: SIGUSR1 asks for what the flight recorder has, and is not passed on."""
        self._run = run
        self._records = records
        self._before: dict[int, Any] = {}
        self._stop = 0  # the signal that asked for a stop
        self._since = 0.0
        self._continued: float | None = None
        self._to_pass_on: dict[int, int] = {}  # number: since when, ns
        self.let_go = False  # what the command left behind
        self.number = 0  # the command decides how we end
        self.stays = False  # it was to be let go, and cannot be

    def __enter__(self) -> Self:
        for number in _PASSED_ON:
            asks = self._records and number == signal.SIGUSR1
            self._install(number, self._run.fly if asks else self._pass_on)
        for number in _FROM_TERMINAL:
            self._install(number, self._leave)
        for number in _STOPS:
            self._install(number, self._ask_to_stop)
        return self

    def _install(self, number: int, handler: Any) -> None:
        if signal.getsignal(number) != signal.SIG_IGN:
            self._before[number] = signal.signal(number, handler)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        # A little later: the core then knows whether the command has had it, too.
        del frame
        self._to_pass_on.setdefault(number, time.monotonic_ns())

    def _leave(self, number: int, frame: FrameType | None) -> None:
        del frame
        if not self._run.signal(0, 0):
            self._end_by(number)

    def _end_by(self, number: int) -> None:
        if self._run.is_filtered():
            self._run.signal_all(number)
            self.stays = True
        else:
            self.let_go = True

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._stop, self._since, self._continued = number, time.monotonic(), None

    def follow(self) -> None:
        """Call often: stops us where a key has stopped the command, continues it where nobody
        else does, and lets go of what it left behind where we are to end."""
        now = time.monotonic()
        for number, since in tuple(self._to_pass_on.items()):
            if time.monotonic_ns() > since + _LATER_NS:
                del self._to_pass_on[number]
                if not self._run.signal(number, since):
                    self._end_by(number)
        if self.let_go:
            self._run.let_go()
        if self._stop:
            at_rest = self._run.at_rest()
            if at_rest == 2 or (at_rest and now > self._since + _ALL_STOP_WITHIN_S):
                number, self._stop = self._stop, 0
                handler = signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)  # returns when we are continued
                signal.signal(number, handler)
                self._continued = time.monotonic()
            elif now > self._since + _STOP_WITHIN_S:
                self._stop = 0  # it does not stop for that
        elif self._continued and now > self._continued + _ALL_STOP_WITHIN_S:
            # Who continues a job continues its whole group, but somebody may mean us alone.
            self._continued = None
            if self._run.at_rest():
                self._run.signal(signal.SIGCONT, time.monotonic_ns())

    def tracing_has_ended(self) -> None:
        """The command runs on untraced: a key that stops it stops us alike."""
        self.let_go = False
        self._stop = 0
        self._restore(_STOPS)

    def command_has_ended(self) -> None:
        """Nobody is left to pass a signal on to: a key stops us, or ends our waiting, at once."""
        self._restore(_STOPS)
        for number in (*_PASSED_ON, *_FROM_TERMINAL):
            asks = self._records and number == signal.SIGUSR1
            if number in self._before and not asks:
                signal.signal(number, self._give_up)

    def _give_up(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._run.give_up()

    def _restore(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if number in self._before:
                signal.signal(number, self._before.pop(number))

    def __exit__(self, *_: object) -> None:
        self._restore(tuple(self._before))
