# SPDX-License-Identifier: MIT
"""What is started in the background, or by nohup, ignores signals that tests send."""

from __future__ import annotations

import signal


def take_signals() -> None:
    """Ignores none of them any more, so that no subject does."""
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
