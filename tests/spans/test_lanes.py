# SPDX-License-Identifier: MIT
"""Older kernels, tighter sandboxes and the other engine: each tells of the same causes."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from renacer_otel.spans import replay
from tests.engine.test_python_engine import PYTHON
from tests.engine.tools import environment, record
from tests.spans.test_carriers import QUEUE
from tests.spans.test_channels import PRELUDE

if TYPE_CHECKING:
    from pathlib import Path

SUBJECT = PRELUDE + textwrap.dedent("""
    r, w = os.pipe()
    a, b = socket.socketpair()
    other = os.pipe()
    path = sys.argv[1] + "/socket"
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()

    def work():
        os.close(w)
        receive(r, 1009)
        b.send(bytes(1013))
        _, (fd,), _, _ = socket.recv_fds(b, 1, 1)
        send(fd, 1019)
        one, _ = server.accept()
        one.send(bytes(1021))
        receive(r, 0)

    pid = child(work)
    send(w, 1009)
    receive(a.fileno(), 1013)
    socket.send_fds(a, [b"x"], [other[1]])
    receive(other[0], 1019)
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    receive(client.fileno(), 1021)
    os.close(w)
    os.waitpid(pid, 0)
""")
# What only structures tell: whom a call is about, what it takes.
STRUCTURES = textwrap.dedent("""
    folder = sys.argv[1]
    there = opened(os.O_RDWR | os.O_CREAT | os.O_EXCL)
    letters = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    letters.bind(folder + "/letters")
    file = os.open(folder + "/file", os.O_RDWR | os.O_CREAT)
    r, w = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])

    def work():
        one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        one.sendmsg([bytes(1000), bytes(9)], [], 0, folder + "/letters")
        put(there, 1013, 1)
        put(there, 1013, 7)
        fcntl.lockf(file, fcntl.LOCK_EX, 10, 5)
        fcntl.lockf(file, fcntl.LOCK_EX, 10, 50)
        fcntl.lockf(file, fcntl.LOCK_UN, 10, 5)
        os.write(w, bytes(1))
        libc.sigqueue(os.getppid(), signal.SIGUSR1, ctypes.c_void_p(7))

    pid = child(work)
    assert signal.sigwaitinfo([signal.SIGUSR1]).si_pid == pid
    os.waitid(os.P_PID, pid, os.WEXITED)
    assert len(letters.recvmsg(2000)[0]) == 1009
    room, priority = ctypes.create_string_buffer(1024), ctypes.c_uint()
    for wanted in 7, 1:
        assert libc.mq_receive(there, room, 1024, ctypes.byref(priority)) == 1013
        assert priority.value == wanted
    fcntl.lockf(file, fcntl.LOCK_EX, 10, 5)
""")
SIZES = (0, 1, 1009, 1013, 1019, 1021)
LANES = {
    "plain": ((), ""),
    "seccomp": ((), "seccomp"),
    "sealing": ((), "sealing"),
    "process_vm_readv": ((), "process_vm_readv"),
    "get_syscall_info": ((), "get_syscall_info"),
    "all": ((), "seccomp,sealing,process_vm_readv,get_syscall_info"),
    "python": (PYTHON, ""),
}
Edge = tuple[str, str, str]


def edges(path: Path) -> list[Edge]:
    """Kind, cause and effect of each that is certain, but for what Python's own work has."""
    run = replay.of_trace(path)
    assert run.is_whole
    names = replay.edge_names()
    ends = {int(row["seq"]): f"event {row['kind']}" for row in run.events}
    for row in run.calls:
        name = replay.call_name(int(row["abi"]), int(row["nr"]))
        size = f" {row['result']}" if row["result"] in SIZES else ""
        ends[int(row["seq"])] = name + size
    return sorted(
        (names[edge["kind"]], ends[int(edge["cause"])], ends[int(edge["effect"])])
        for edge in run.edges
        if edge["certain"]
        # A SIGCHLD comes into whichever call.
        and (names[edge["kind"]] != "wait" or ends[int(edge["effect"])].startswith("wait"))
    )


@pytest.mark.parametrize("lane", LANES)
def test_the_same_causes(tmp_path: Path, lane: str) -> None:
    options, disable = LANES[lane]
    words = [sys.executable, "-ISc", SUBJECT, tmp_path]
    run = record(tmp_path, words, *options, env=environment(RENACER_DISABLE=disable))
    assert (run.done.status, run.done.errors) == (0, "")
    assert edges(run.path) == [
        ("connect", "connect 0", "accept4"),
        ("eof", "close 0", "read 0"),
        ("fork", "clone", "event 4"),
        ("pipe", "write 1009", "read 1009"),
        ("pipe", "write 1019", "read 1019"),
        ("unix", "sendmsg 1", "recvmsg 1"),
        ("unix", "sendto 1013", "read 1013"),
        ("unix", "sendto 1021", "read 1021"),
        ("wait", "event 6", "wait4"),
    ]


@pytest.mark.parametrize("lane", ["plain", "all", "python"])
def test_causes_that_structures_tell(tmp_path: Path, lane: str) -> None:
    options, disable = LANES[lane]
    words = [sys.executable, "-ISc", PRELUDE + QUEUE + STRUCTURES, tmp_path]
    run = record(tmp_path, words, *options, env=environment(RENACER_DISABLE=disable))
    assert (run.done.status, run.done.errors) == (0, "")
    assert edges(run.path) == [
        ("fork", "clone", "event 4"),
        ("lock", "fcntl 0", "fcntl 0"),
        ("mqueue", "mq_timedsend 0", "mq_timedreceive 1013"),
        ("mqueue", "mq_timedsend 0", "mq_timedreceive 1013"),
        ("signal", "rt_sigqueueinfo 0", "rt_sigtimedwait"),
        ("unix", "sendmsg 1009", "recvmsg 1009"),
        ("wait", "event 6", "waitid 0"),
    ]
