# SPDX-License-Identifier: MIT
"""terminal.py SCRIPT COMMAND...: the command as a job of bash at a terminal, with keys typed.

SCRIPT is of steps with commas: `text=` types that and Return, `C`, `Z` and `Q` are keys with
Ctrl, anything else is waited for on the screen. Prints the steps that were seen.
"""

import fcntl
import os
import pty
import select
import shlex
import signal
import sys
import termios
import time

KEYS = {"C": b"\x03", "Z": b"\x1a", "Q": b"\x1c"}
LIMIT = 30.0


def main() -> int:
    """Plays the script; 0 if all was seen."""
    master, slave = pty.openpty()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for number in range(3):
            os.dup2(slave, number)
        os.closerange(3, 100)
        env = {**os.environ, "PS1": "prompt> ", "TERM": "dumb", "HISTFILE": ""}
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], env)
    os.close(slave)
    screen = ""

    def until(text: str) -> bool:
        nonlocal screen
        deadline = time.monotonic() + LIMIT
        while text not in screen:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([master], [], [], left)[0]:
                break
            try:
                screen += os.read(master, 4096).decode(errors="replace")
            except OSError:
                break
        before, found, screen = screen.partition(text)
        if not found:
            print(f"no {text!r}; seen: {before!r}")
        return bool(found)

    good = until("prompt> ")
    os.write(master, (shlex.join(sys.argv[2:]) + "\n").encode())
    for step in sys.argv[1].split(","):
        if step in KEYS:
            os.write(master, KEYS[step])
        elif step.endswith("="):
            os.write(master, (step[:-1] + "\n").encode())
        elif not until(step):
            good = False
            break
        print("step", step)
    if good:
        os.write(master, b"exit 3\n")
        print("bash ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        return 0
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(master)  # whoever is left at it is hung up
    return 1


sys.exit(main())
