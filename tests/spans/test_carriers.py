# SPDX-License-Identifier: MIT
"""Eventfds, message queues and signalfds between processes: which call caused which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from renacer_otel.spans import replay
from tests.spans.test_channels import Call, trace

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.parametrize("cpu", ["auto", "free"])


def test_eventfd(tmp_path: Path, cpu: str) -> None:
    """One that was inherited and copied, one that came in a message."""
    run = trace(
        tmp_path,
        cpu,
        """
        import array
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        inherited = os.dup(os.eventfd(0))
        def work():
            _, control, _, _ = a.recvmsg(1, 64)
            sent = array.array("i", control[0][2])[0]
            for _ in range(300):
                os.getppid()
            os.eventfd_write(sent, 3)
            os.eventfd_read(inherited)
        child(work)
        sent = array.array("i", [os.eventfd(0)])
        b.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, sent)])
        ready = select.epoll()
        ready.register(sent[0], select.EPOLLIN)
        assert len(ready.poll()) == 1
        assert os.readv(sent[0], [bytearray(8)]) == 8
        assert os.writev(inherited, [struct.pack("=Q", 1)]) == 8
        os.wait()
        """,
    )
    run.check(Call("readv", 8), "eventfd", Call("write", 8))
    run.check(Call("read", 8), "eventfd", Call("writev", 8))
    names = ("epoll_wait", "epoll_pwait")
    calls = run.run.calls
    (ready,) = [row for row in calls if replay.call_name(int(row["abi"]), int(row["nr"])) in names]
    assert run.causes(ready) == []
    assert ready["lamport_end"] > run.call(Call("write", 8))["lamport_start"]


def test_sum(tmp_path: Path, cpu: str) -> None:
    """Of two writes each may be it."""
    run = trace(
        tmp_path,
        cpu,
        """
        there = os.eventfd(0)
        child(lambda: os.eventfd_write(there, 1))
        child(lambda: os.writev(there, [struct.pack("=Q", 2)]))
        os.wait(), os.wait()
        assert os.eventfd_read(there) == 3
        """,
    )
    read = run.call(Call("read", 8))
    writes = [run.call(Call("write", 8)), run.call(Call("writev", 8))]
    assert run.causes(read) == []
    assert run.causes(read, certain=False) == [
        ("eventfd", seq) for seq in sorted(int(write["seq"]) for write in writes)
    ]
    assert not read["incomplete"]


QUEUE = """
import atexit
libc = ctypes.CDLL("librt.so.1", use_errno=True)
name = b"/renacer-%d" % os.getpid()
atexit.register(libc.mq_unlink, name)
form = (ctypes.c_long * 8)(0, 4, 1024)  # flags, messages, bytes of each
def opened(flags):
    fd = libc.mq_open(name, flags, 0o600, form)
    assert fd >= 0, os.strerror(ctypes.get_errno())
    return fd
def put(fd, size, priority=0):
    assert libc.mq_send(fd, bytes(size), size, priority) == 0
def got(fd):
    return libc.mq_receive(fd, ctypes.create_string_buffer(1024), 1024, None)
"""


def test_message_queue(tmp_path: Path, cpu: str) -> None:
    """By its name in the one process, by what it inherited in the other."""
    subject = (
        QUEUE
        + """
there = opened(os.O_RDWR | os.O_CREAT | os.O_EXCL)
def work():
    fd = opened(os.O_WRONLY)
    put(fd, 1009)
    put(fd, 1013, 7)
    put(fd, 1019, 7)
pid = child(work)
os.waitpid(pid, 0)
assert [got(there) for _ in range(3)] == [1013, 1019, 1009]
child(lambda: got(there) == 1021 or os._exit(1))
put(there, 1021)
assert os.wait()[1] == 0
"""
    )
    run = trace(tmp_path, cpu, subject)
    sends = [
        row
        for row in run.run.calls
        if replay.call_name(int(row["abi"]), int(row["nr"])) == "mq_timedsend"
    ]
    for size, send in zip((1009, 1013, 1019, 1021), sends, strict=True):
        received = run.call(Call("mq_timedreceive", size))
        assert run.causes(received) == [("mqueue", int(send["seq"]))]
        assert run.causes(received, certain=False) == []
        assert not received["incomplete"]


def test_message_queue_that_was_there(tmp_path: Path, cpu: str) -> None:
    """It may hold messages that nobody saw being sent: until it is empty."""
    subject = (
        QUEUE
        + """
there = opened(os.O_RDWR | os.O_CREAT | os.O_NONBLOCK)
for size in 1009, 1013:
    os.waitpid(child(lambda: put(there, size)), 0)
    assert got(there) == size
    assert got(there) == -1
"""
    )
    run = trace(tmp_path, cpu, subject)
    first = run.call(Call("mq_timedreceive", 1009))
    assert run.causes(first) == []
    assert len(run.causes(first, certain=False)) == 1
    assert first["incomplete"]
    second = run.call(Call("mq_timedreceive", 1013))
    assert [kind for kind, _ in run.causes(second)] == ["mqueue"]
    assert not second["incomplete"]


def test_signalfd(tmp_path: Path, cpu: str) -> None:
    run = trace(
        tmp_path,
        cpu,
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGCHLD])
        def opened(sig):
            fd = libc.signalfd(-1, (ctypes.c_uint64 * 16)(1 << sig - 1), 0)
            assert fd >= 0
            return fd
        fd = opened(signal.SIGUSR1)
        pid = child(lambda: os.kill(os.getppid(), signal.SIGUSR1))
        assert len(os.read(fd, 256)) == 128
        fd = opened(signal.SIGCHLD)
        assert os.readv(fd, [bytearray(128)]) == 128
        os.waitpid(pid, 0)
        """,
    )
    run.check(Call("read", 128), "signal", Call("kill"))
    # What it read is not captured: whatever was before, the end of the child, too.
    readv = run.call(Call("readv", 128))
    assert run.causes(readv) == []
    assert readv["lamport_end"] > run.call(Call("kill"))["lamport_end"]
