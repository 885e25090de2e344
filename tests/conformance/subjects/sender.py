# SPDX-License-Identifier: MIT
"""sender.py SIGNAL COMMAND...: sends it a signal as soon as it says that it is ready.

Tells what it says then, and how it ends.
"""

import os
import signal
import subprocess
import sys

number = signal.Signals[sys.argv[1]]
process = subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE, text=True)
assert process.stdout is not None
for line in process.stdout:
    print(line, end="", flush=True)
    if line == "ready\n":
        os.kill(process.pid, number)
print("ended", process.wait())
