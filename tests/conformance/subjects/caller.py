# SPDX-License-Identifier: MIT
"""caller.py COMMAND...: becomes a command that is to inherit ignored and blocked signals."""

import os
import signal
import sys

for number in (signal.SIGUSR1, signal.SIGINT, signal.SIGTSTP, signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGUSR2, signal.SIGTERM, signal.SIGRTMIN + 3})
os.execvp(sys.argv[1], sys.argv[1:])
