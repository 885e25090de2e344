# SPDX-License-Identifier: MIT
"""A user's hour at a shell with job control, in a real terminal."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.engine.terminal import LIMIT, Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

PROMPT = "prompt> "
_UP = "sh -c 'echo up; exec sleep 600'"


def _state(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "gone"
    return stat[stat.rindex(")") + 2]


class _User:
    """Types only when what is typed has somebody to go to."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self.shown = terminal.read_until(PROMPT)
        self._shell = terminal.foreground()

    def say(self, line: str, until: str = PROMPT) -> None:
        self._terminal.type(line + "\n")
        self.shown += self._terminal.read_until(until)

    def press(self, key: str, until: str = PROMPT) -> None:
        """Once a job is in the foreground and sleeps or waits."""
        deadline = time.monotonic() + LIMIT
        while (job := self._terminal.foreground()) == self._shell or _state(job) != "S":
            assert time.monotonic() < deadline, self.shown
            time.sleep(0.005)
        self._terminal.type(key)
        self.shown += self._terminal.read_until(until)


def talk(words: Sequence[object], folder: Path) -> tuple[int, str]:
    """The shell's exit code, and all that the terminal showed."""
    with Terminal(words, cwd=folder) as terminal:
        user = _User(terminal)
        user.say("ulimit -c 0")
        user.say(f"{_UP} > out & until grep -qs up out; do :; done; jobs")
        user.say("fg", until="out\r\n")
        user.press("\x1a")
        user.say("bg")
        user.say("jobs")
        user.say("kill %1; wait %1; echo killed $?")
        user.say(_UP, until="\nup\r\n")
        user.press("\x03")
        user.say("echo interrupted $?")
        user.say("sh -c 'trap \"echo caught; exit 7\" INT; echo up; while :; do read x; done'",
                 until="\nup\r\n")  # fmt: skip
        user.press("\x03")
        user.say("echo trapped $?")
        user.say(_UP, until="\nup\r\n")
        user.press("\x1c")
        user.say("echo quit $?")
        user.say("cat > copy & until jobs -s | grep -q cat; do :; done; jobs")
        user.say("fg", until="copy\r\n")
        user.press("typed\n", until="typed\r\n")
        user.press("\x04")
        user.say("cat copy")
        user.say("bash -c 'kill -STOP $$; echo resumed'")
        user.say("fg", until="\nresumed\r\n" + PROMPT)
        user.say("yes | head -n 1000 | tail -n 1; echo ${PIPESTATUS[*]}")
        user.say(_UP + " | cat", until="\nup\r\n")
        user.press("\x1a")
        user.say("jobs")
        user.say("fg", until="| cat\r\n")
        user.press("\x03")
        user.say("echo pipe ${PIPESTATUS[*]}")
        user.say("stty -a | grep -c isig; [ -t 0 ] && tty -s && echo terminal")
        terminal.type("exit 3\n")
        return terminal.wait(), user.shown + terminal.read_rest()
