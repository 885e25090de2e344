# SPDX-License-Identifier: MIT
"""Bytes and messages between processes: which call caused which, told by the sizes they moved."""

from __future__ import annotations

import os
import socket
import sys
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from renacer_otel.spans import replay
from tests.cli.tool import renacer

if TYPE_CHECKING:
    from pathlib import Path

PRELUDE = """
import ctypes, fcntl, os, select, signal, socket, struct, sys
libc = ctypes.CDLL(None)

def child(work):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return pid

def send(fd, *sizes):
    for size in sizes:
        assert os.write(fd, bytes(size)) == size

def receive(fd, *sizes):
    for size in sizes:
        assert len(os.read(fd, size or 1)) == size
"""


class Call(NamedTuple):
    """A call of the subject, by what only it returned; None = whatever."""

    name: str
    result: int | None = None


@dataclass
class Traced:
    """A run of a subject."""

    run: replay.Replay

    def call(self, call: Call) -> Any:
        """The only one that there is."""
        rows = self.run.calls
        found = [
            row
            for row in rows
            if replay.call_name(int(row["abi"]), int(row["nr"])) == call.name
            and (call.result is None or row["result"] == call.result)
        ]
        assert len(found) == 1, (call, found)
        return found[0]

    def causes(self, effect: Any, certain: bool = True) -> list[tuple[str, int]]:
        names = replay.edge_names()
        return sorted(
            (names[edge["kind"]], int(edge["cause"]))
            for edge in self.run.edges
            if edge["effect"] == effect["seq"] and bool(edge["certain"]) == certain
        )

    def check(self, effect: Call, kind: str, *causes: Call) -> None:
        """These are the causes, all of them certain, and no others."""
        row = self.call(effect)
        found = [self.call(cause) for cause in causes]
        wanted = sorted((kind, int(cause["seq"])) for cause in found)
        assert self.causes(row) == wanted, (effect, causes)
        assert self.causes(row, certain=False) == []
        assert not row["incomplete"]
        assert all(row["lamport_end"] > cause["lamport_start"] for cause in found)


@pytest.fixture(params=["auto", "free"])
def cpu(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def trace(folder: Path, cpu: str, subject: str) -> Traced:
    code = PRELUDE + textwrap.dedent(subject)
    done = renacer(
        *("--cpu", cpu, "--format", "record", "-o", folder / "run.renacer"),
        *("--", sys.executable, "-S", "-c", code, str(folder)),
    )
    assert (done.code, done.out) == (0, ""), done.err
    found = replay.of_trace(folder / "run.renacer")
    assert found.is_whole
    return Traced(found)


def test_pipe(tmp_path: Path, cpu: str) -> None:
    run = trace(
        tmp_path,
        cpu,
        """
        r, w = os.pipe()
        pid = child(lambda: (os.close(r), send(w, 1009, 1013, 1019, 1021)))
        os.close(w)
        receive(r, 1009, 1013)
        os.waitpid(pid, 0)
        receive(r, 2040, 0)
        """,
    )
    run.check(Call("read", 1009), "pipe", Call("write", 1009))
    run.check(Call("read", 1013), "pipe", Call("write", 1013))
    run.check(Call("read", 2040), "pipe", Call("write", 1019), Call("write", 1021))


def test_fifo(tmp_path: Path, cpu: str) -> None:
    run = trace(
        tmp_path,
        cpu,
        """
        path = sys.argv[1] + "/fifo"
        os.mkfifo(path)
        child(lambda: send(os.open(path, os.O_WRONLY), 1009))
        receive(os.open(path, os.O_RDONLY), 1009, 0)
        """,
    )
    run.check(Call("read", 1009), "pipe", Call("write", 1009))


@pytest.mark.parametrize("kind", ["SOCK_STREAM", "SOCK_SEQPACKET", "SOCK_DGRAM"])
def test_socketpair(tmp_path: Path, cpu: str, kind: str) -> None:
    run = trace(
        tmp_path,
        cpu,
        f"""
        a, b = socket.socketpair(socket.AF_UNIX, socket.{kind})
        def work():
            assert len(b.recv(1009, socket.MSG_PEEK)) == 1009
            receive(b.fileno(), 1009, 1013)
            b.send(bytes(1019))
        child(work)
        send(a.fileno(), 1009, 1013)
        receive(a.fileno(), 1019)
        """,
    )
    run.check(Call("recvfrom", 1009), "unix", Call("write", 1009))
    run.check(Call("read", 1009), "unix", Call("write", 1009))
    run.check(Call("read", 1013), "unix", Call("write", 1013))
    run.check(Call("read", 1019), "unix", Call("sendto", 1019))


SERVER = """
server = socket.socket(socket.{family}, socket.{kind})
server.bind({address})
server.listen()
address = server.getsockname()
def work():
    client = socket.socket(socket.{family}, socket.{kind})
    client.connect(address)
    send(client.fileno(), 1009)
    receive(client.fileno(), 1013)
    client.shutdown(socket.SHUT_WR)
    receive(client.fileno(), 0)
child(work)
connection, _ = server.accept()
receive(connection.fileno(), 1009)
send(connection.fileno(), 1013)
connection.recv(1)
connection.close()
os.wait()
"""


@pytest.mark.parametrize("kind", ["SOCK_STREAM", "SOCK_SEQPACKET"])
def test_unix_server(tmp_path: Path, cpu: str, kind: str) -> None:
    address = 'sys.argv[1] + "/socket"'
    run = trace(tmp_path, cpu, SERVER.format(family="AF_UNIX", kind=kind, address=address))
    run.check(Call("accept4"), "connect", Call("connect", 0))
    run.check(Call("read", 1009), "unix", Call("write", 1009))
    run.check(Call("read", 1013), "unix", Call("write", 1013))
    run.check(Call("recvfrom", 0), "eof", Call("shutdown"))


def loopback(family: socket.AddressFamily, address: str) -> bool:
    try:
        with socket.socket(family) as there:
            there.bind((address, 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize(("family", "host"), [("AF_INET", "127.0.0.1"), ("AF_INET6", "::1")])
def test_tcp_server(tmp_path: Path, cpu: str, family: str, host: str) -> None:
    if not loopback(getattr(socket, family), host):
        pytest.skip(f"needs {host}")
    address = f'("{host}", 0)'
    run = trace(tmp_path, cpu, SERVER.format(family=family, kind="SOCK_STREAM", address=address))
    # The accept may be recorded before the connect has told of its end: then nothing is certain.
    accepted, connected = run.call(Call("accept4")), run.call(Call("connect", 0))
    assert accepted["lamport_end"] > connected["lamport_start"]
    assert run.causes(accepted) in ([], [("connect", connected["seq"])])
    run.check(Call("read", 1009), "tcp", Call("write", 1009))
    run.check(Call("read", 1013), "tcp", Call("write", 1013))
    run.check(Call("recvfrom", 0), "eof", Call("shutdown"))


def test_named_datagrams(tmp_path: Path, cpu: str) -> None:
    run = trace(
        tmp_path,
        cpu,
        """
        path = sys.argv[1] + "/socket"
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        receiver.bind(path)
        def work():
            sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            sender.sendto(bytes(1009), path)
            sender.sendmsg([bytes(1013)], [], 0, path)
        child(work)
        receive(receiver.fileno(), 1009, 1013)
        """,
    )
    run.check(Call("read", 1009), "unix", Call("sendto", 1009))
    run.check(Call("read", 1013), "unix", Call("sendmsg", 1013))


def test_relays(tmp_path: Path, cpu: str) -> None:
    """sendfile writes; splice and tee read, and write what they have read."""
    run = trace(
        tmp_path,
        cpu,
        """
        r, w = os.pipe()
        r2, w2 = os.pipe()
        with open(sys.argv[1] + "/file", "wb") as file:
            file.truncate(1009)
        def work():
            os.sendfile(w, os.open(sys.argv[1] + "/file", os.O_RDONLY), 0, 1009)
            send(w, 1013)
        def relay():
            assert os.splice(r, w2, 1009) == 1009
            assert libc.tee(r, w2, 1013, 0) == 1013
        child(relay)
        child(work)
        receive(r2, 1009, 1013)
        os.wait()
        os.wait()
        receive(r, 1013)
        """,
    )
    reads = [row for row in run.run.calls if row["result"] == 1013 and row["nr"] == 0]
    written, copied = run.call(Call("write", 1013)), run.call(Call("tee", 1013))
    run.check(Call("splice", 1009), "pipe", Call("sendfile", 1009))
    run.check(Call("read", 1009), "pipe", Call("splice", 1009))
    run.check(Call("tee", 1013), "pipe", Call("write", 1013))
    causes = sorted(run.causes(row) for row in reads)
    assert causes == sorted([[("pipe", written["seq"])], [("pipe", copied["seq"])]])


def test_descriptors_in_messages(tmp_path: Path, cpu: str) -> None:
    run = trace(
        tmp_path,
        cpu,
        """
        r, w = os.pipe()
        a, b = socket.socketpair()
        def work():
            os.close(r)
            os.close(w)
            _, (sent,), _, _ = socket.recv_fds(b, 1009, 1)
            send(sent, 1013)
        child(work)
        socket.send_fds(a, [bytes(1009)], [w])
        receive(r, 1013)
        """,
    )
    run.check(Call("recvmsg", 1009), "unix", Call("sendmsg", 1009))
    run.check(Call("read", 1013), "pipe", Call("write", 1013))


def test_end_by_close_and_by_death(tmp_path: Path, cpu: str) -> None:
    run = trace(
        tmp_path,
        cpu,
        """
        go, gone = os.pipe()
        first, w = os.pipe()
        def closes():
            os.close(gone)
            os.read(go, 1)  # the other end has been closed by the one who reads
            os.close(go)
            os.dup2(w, 77)
            os.close(w)
            os.close(77)
            signal.pause()
        one = child(closes)
        os.close(w)
        os.write(gone, b"x")
        assert os.read(first, 1009) == b""
        os.kill(one, signal.SIGKILL)
        os.wait()
        second, w = os.pipe()
        child(lambda: (os.close(gone), send(w, 1009), os.read(go, 1)))
        os.close(w)
        receive(second, 1009)
        os.close(gone)
        assert os.read(second, 1013) == b""
        """,
    )
    ends = [
        row
        for row in run.run.calls
        if replay.call_name(int(row["abi"]), int(row["nr"])) == "read"
        and row["result"] == 0
        and run.causes(row)
    ]
    causes = [run.causes(row) for row in ends]
    by_number = {
        int(row["seq"]): replay.call_name(int(row["abi"]), int(row["nr"])) for row in run.run.calls
    }
    assert all(len(found) == 1 and found[0][0] == "eof" for found in causes), causes
    assert sorted(by_number[found[0][1]] for found in causes) == ["close", "close", "exit_group"]


def test_overlapping_writers(tmp_path: Path, cpu: str) -> None:
    """Two that wait for room at the same time: no link, but clocks are joined; then it is known
    again who writes."""
    run = trace(
        tmp_path,
        cpu,
        """
        r, w = os.pipe()
        fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 4096)
        children = [child(lambda: send(w, 20011)), child(lambda: send(w, 20021))]
        for pid in children:
            while open(f"/proc/{pid}/syscall").read().split()[0] != "1":
                os.sched_yield()
        left = 20011 + 20021
        while left:
            left -= len(os.read(r, 997))
        for pid in children:
            os.waitpid(pid, 0)
        child(lambda: send(w, 1009))
        receive(r, 1009)
        """,
    )
    writes = [run.call(Call("write", 20011)), run.call(Call("write", 20021))]
    reads = [row for row in run.run.calls if row["nr"] == 0 and row["result"] == 997]
    assert len(reads) > 20
    both = sorted(("pipe", int(one["seq"])) for one in writes)
    for row in reads:
        assert run.causes(row) == []
        assert run.causes(row, certain=False) == both
        assert all(row["lamport_end"] > write["lamport_start"] for write in writes)
    run.check(Call("read", 1009), "pipe", Call("write", 1009))


@pytest.mark.parametrize("how", ["poll", "select", "epoll"])
def test_ready(tmp_path: Path, cpu: str, how: str) -> None:
    wait = {
        "poll": "p = select.poll(); p.register(r); p.poll()",
        "select": "select.select([r], [], [])",
        "epoll": "p = select.epoll(); p.register(r, select.EPOLLIN); p.poll()",
    }[how]
    run = trace(
        tmp_path,
        cpu,
        f"""
        r, w = os.pipe()
        def work():
            for _ in range(300):
                os.getppid()
            send(w, 1009)
        child(work)
        {wait}
        receive(r, 1009)
        """,
    )
    names = ("poll", "select", "pselect6", "epoll_wait", "epoll_pwait", "ppoll")
    ready = [
        row
        for row in run.run.calls
        if replay.call_name(int(row["abi"]), int(row["nr"])) in names and row["result"] == 1
    ]
    assert len(ready) == 1
    assert run.causes(ready[0]) == []
    assert ready[0]["lamport_end"] > run.call(Call("write", 1009))["lamport_start"]
    run.check(Call("read", 1009), "pipe", Call("write", 1009))


def test_from_outside(tmp_path: Path, cpu: str) -> None:
    """What untraced processes have an end of: nothing is certain, and the call says so."""
    there, ours = os.pipe()
    try:
        os.write(ours, bytes(1009))
        os.close(ours)
        done = renacer(
            *("--cpu", cpu, "--format", "record", "-o", tmp_path / "run.renacer", "--", "cat"),
            stdin=there,
        )
    finally:
        os.close(there)
    assert done.code == 0, done.err
    run = Traced(replay.of_trace(tmp_path / "run.renacer"))
    row = run.call(Call("read", 1009))
    assert row["incomplete"]
    assert run.causes(row) == []
