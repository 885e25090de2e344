# SPDX-License-Identifier: MIT
"""Locks on files: who lets go of one, in every way there is, and who gets it."""

from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING, Any

import pytest

from renacer_otel.spans import replay
from tests.cli.tool import renacer
from tests.compiling import compiled
from tests.spans.test_channels import Traced, trace

if TYPE_CHECKING:
    from pathlib import Path

# One process locks a file and lets go of it, another one locks it; which of them waits, if any,
# makes no difference.
SUBJECT = """
import json
import platform
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


# Calls of 32 bits, which have numbers of their own for a lock by 64-bit offsets, and another form.
NARROW = r"""
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct range { short type, whence; long long start, len; int pid; } __attribute__((packed));

static struct range *range;

static int lock(int fd, int command, short type, long long start)
{
    int result;

    *range = (struct range){.type = type, .start = start, .len = 10};
    __asm__ volatile("int $0x80" : "=a"(result)
             : "a"(221), "b"(fd), "c"(command), "d"(range) : "memory", "r8", "r9", "r10", "r11");
    return result;
}

int main(int argc, char **argv)
{
    int fd, ready[2], status = 1;
    char one;

    range = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    fd = open(argv[1], O_RDWR | O_CREAT, 0600);
    if (argc != 2 || fd < 0 || pipe(ready))
        return 1;
    if (fork() == 0) {
        if (read(ready[0], &one, 1) != 1 || lock(fd, 14, F_WRLCK, (1ll << 40) + 5))
            _exit(2);
        _exit(0);
    }
    /* Of these two the child needs the second. */
    if (lock(fd, 14, F_WRLCK, 1) || lock(fd, 14, F_WRLCK, 1ll << 40) || write(ready[1], "", 1) != 1)
        return 3;
    if (lock(fd, 13, F_UNLCK, 1) || lock(fd, 13, F_UNLCK, 1ll << 40))
        return 4;
    wait(&status);
    return status != 0;
}
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="calls of i386")
def test_calls_of_32_bits(tmp_path: Path) -> None:
    source = tmp_path / "narrow.c"
    source.write_text(NARROW)
    program = compiled(tmp_path / "narrow", source)
    path = tmp_path / "run.renacer"
    done = renacer("--format", "record", "-o", path, "--", program, tmp_path / "file")
    assert done.code == 0, done
    run = Traced(replay.of_trace(path))
    rows = sorted(run.run.calls, key=lambda row: int(row["seq"]))
    locks = [row for row in rows if replay.call_name(int(row["abi"]), int(row["nr"])) == "fcntl64"]
    assert len(locks) == 5
    (got,) = (row for row in locks if row["thread"] != locks[0]["thread"])
    let_go = [row for row in locks if row["thread"] == locks[0]["thread"]][3]
    assert run.causes(got) == [("lock", int(let_go["seq"]))]
