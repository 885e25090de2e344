# SPDX-License-Identifier: MIT
"""Locks on files: who lets go of one, in every way there is, and who gets it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from renacer_otel.spans import replay
from tests.spans.test_channels import Traced, trace

if TYPE_CHECKING:
    from pathlib import Path

# One process locks a file and lets go of it, another one locks it; which of them waits, if any,
# makes no difference.
SUBJECT = """
import json
F_OFD_SETLKW = 38
path, pairs, kind = sys.argv[1] + "/file", {}, "KIND"

os.close(os.open(path, os.O_CREAT))

def lock(fd, command):
    if kind == "flock":
        fcntl.flock(fd, command)
    elif kind == "process":
        fcntl.lockf(fd, command, 10, 5)
    else:
        form = {fcntl.LOCK_EX: fcntl.F_WRLCK, fcntl.LOCK_UN: fcntl.F_UNLCK}[command]
        fcntl.fcntl(fd, F_OFD_SETLKW, struct.pack("hhqqi4x", form, os.SEEK_SET, 5, 10, 0))

ways = {
    "unlock": lambda fd: lock(fd, fcntl.LOCK_UN),
    "close": os.close,
    "dup2": lambda fd: os.dup2(0, fd),
    "exit_group": lambda fd: os._exit(0),
    "execve": lambda fd: os.execv("/bin/true", ["true"]),
    "kill": lambda fd: os.kill(os.getpid(), signal.SIGKILL),
}

def hold(way, ready):
    fd = os.open(path, os.O_RDWR)
    lock(fd, fcntl.LOCK_EX)
    os.write(ready, b"1")
    way(fd)

def take(ready):
    fd = os.open(path, os.O_RDWR)
    os.read(ready, 1)
    lock(fd, fcntl.LOCK_EX)

for name, way in ways.items():
    r, w = os.pipe()
    holder = child(lambda: hold(way, w))
    taker = child(lambda: take(r))
    os.waitpid(holder, 0)
    os.waitpid(taker, 0)
    os.close(r)
    os.close(w)
    pairs[name] = [holder, taker]
with open(sys.argv[1] + "/pairs", "w") as file:
    json.dump(pairs, file)
"""


def calls_of(run: Traced, pid: int, name: str) -> list[Any]:
    threads = run.run.threads
    return [
        row
        for row in sorted(run.run.calls, key=lambda row: int(row["seq"]))
        if threads[row["thread"]]["pid"] == pid
        and replay.call_name(int(row["abi"]), int(row["nr"])) == name
    ]


@pytest.mark.parametrize("kind", ["flock", "process", "description"])
def test_who_let_go_of_it(kind: str, tmp_path: Path) -> None:
    run = trace(tmp_path, "auto", SUBJECT.replace("KIND", kind))
    pairs = json.loads((tmp_path / "pairs").read_text())
    lock = "flock" if kind == "flock" else "fcntl"
    for way, (holder, taker) in pairs.items():
        got = [row for row in calls_of(run, taker, lock) if run.causes(row)]
        assert len(got) == 1, way
        ((edge, cause),) = run.causes(got[0])
        assert edge == "lock"
        assert not got[0]["incomplete"]
        ends = run.run.events[(run.run.events["kind"] == 6)]
        threads = run.run.threads
        if way == "kill":
            # Its end; where that is recorded later, its last call.
            of_holder = [int(row["seq"]) for row in calls_of(run, holder, "kill")]
            of_holder += [
                int(row["seq"]) for row in ends if threads[row["thread"]]["pid"] == holder
            ]
            assert cause in of_holder
        else:
            name = lock if way == "unlock" else way
            assert cause in [int(row["seq"]) for row in calls_of(run, holder, name)], way
        assert got[0]["lamport_end"] > max(
            int(row["lamport_start"]) for row in calls_of(run, holder, lock)
        )
