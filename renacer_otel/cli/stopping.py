# SPDX-License-Identifier: MIT
"""Signals to a command of ours that takes long or runs others: it stops whole, and leaves nothing.

While one of them runs, its Session has the signals (sidecar/ending.py).
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from renacer_otel.errors import END, Stopped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class _Asked:
    """`number`: the signal that came first, 0 = none; `later`: it is to wait."""

    number = 0
    later = False


_asked = _Asked()


@contextmanager
def stopping() -> Iterator[None]:
    """Meanwhile a signal that asks us to end raises Stopped; one that was ignored still is."""
    before = {
        number: signal.signal(number, _stop)
        for number in END
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    except Exception as error:
        if _asked.number:  # what DuckDB, for one, makes of Stopped
            raise Stopped(_asked.number) from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _asked.number = 0


@contextmanager
def whole() -> Iterator[None]:
    """Meanwhile such a signal waits: what is written is written whole."""
    _asked.later = True
    try:
        yield
    finally:
        _asked.later = False
    if _asked.number:
        raise Stopped(_asked.number)


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    if _asked.number:
        return  # we are at it
    _asked.number = number
    if not _asked.later:
        raise Stopped(number)
