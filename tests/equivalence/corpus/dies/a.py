# SPDX-License-Identifier: MIT
import os
import signal

with open("lock", "w") as file:
    file.write("locked")
os.unlink("lock")
os.kill(os.getpid(), signal.SIGTERM)
