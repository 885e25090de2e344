# SPDX-License-Identifier: MIT
"""Which objects the descriptors are that a process has when tracing begins."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from tests.engine.attaching import attached, detach
from tests.engine.identities import (
    CLOEXEC,
    CONTEXT,
    ENGINES,
    EVENTFD,
    NAMELESS,
    OBJECT,
    PIPE,
    READ,
    WRITE,
    objects,
)
from tests.engine.test_python_engine import PYTHON
from tests.engine.tools import (
    START,
    environment,
    execute,
    line_of,
    read_events,
    record,
    running,
    traced,
)


@pytest.mark.parametrize(("options", "disable"), ENGINES)
def test_what_the_command_starts_with(
    tmp_path: Path, options: tuple[str, ...], disable: str
) -> None:
    read, write = os.pipe()
    one, two = socket.socketpair()
    event = os.eventfd(0)
    own = [read, write, one.fileno(), two.fileno(), event]
    closed = os.pipe()
    try:
        run = record(
            tmp_path, ["true"], *options, env=environment(RENACER_DISABLE=disable), pass_fds=own
        )
        start = read_events(run.path, pieces=True)[0]
        found = objects(start)
        for fd in own:
            assert (found[fd].kind in NAMELESS) == (fd == event)
            if fd != event:
                st = os.fstat(fd)
                assert (found[fd].device, found[fd].inode) == (st.st_dev, st.st_ino)
    finally:
        for fd in (*closed, read, write, event):
            os.close(fd)
        one.close()
        two.close()
    assert start.kind == START
    assert found[event].kind == EVENTFD
    assert (found[read].ways, found[write].ways) == (READ, WRITE)
    assert found[own[2]].peer == found[own[3]].inode
    # Ours are not its own: it starts with what its exec leaves.
    assert set(found) == {0, 1, 2, *own}


def test_what_an_attached_process_has(tmp_path: Path) -> None:
    """Its connection too, with both ends; those that an exec closes are told as such."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        code = f"""
import socket, os
one = socket.create_connection(('127.0.0.1', {listener.getsockname()[1]}))
copies = [os.dup(one.fileno()) for _ in range(3)]
print(one.fileno(), one.getsockname()[1], os.fstat(one.fileno()).st_ino, *copies, flush=True)
os.read(0, 1)
"""
        path = tmp_path / "run.renacer"
        with running([sys.executable, "-ISc", code]) as process:
            fd, port, inode, *copies = map(int, line_of(process).split())
            with attached(process.pid, "--format", "record", "-o", path) as tracer:
                detach(tracer)
        start = read_events(path, pieces=True)[0]
        here = listener.getsockname()
    found = objects(start)
    for each in (fd, *copies):
        assert found[each].inode == inode
        assert (found[each].local, found[each].remote) == (("127.0.0.1", port), here)
    assert found[0].kind == PIPE
    assert found[0].ways == READ
    flags = {piece.total: piece.flags for piece in start.pieces if piece.type == OBJECT}
    assert flags[fd] & CLOEXEC
    assert not flags[0] & CLOEXEC


MANY = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (11_000, 11_000))
for fd in range(10, 10_000):
    os.dup2(0, fd, inheritable=fd % 2 == 0)
"""


def many(path: Path) -> dict[int, tuple[int, int]]:
    """Inode and flags of all that the first process is told to have."""
    found: dict[int, tuple[int, int]] = {}
    start, *others = read_events(path, pieces=True)
    assert start.kind == START
    for event in (start, *(other for other in others if other.kind == CONTEXT)):
        assert (event.tid, event.flags) == (start.tid, 0)
        flags = {piece.total: piece.flags for piece in event.pieces if piece.type == OBJECT}
        for fd, one in objects(event).items():
            assert fd not in found
            found[fd] = (one.inode, flags[fd])
    return found


@pytest.mark.parametrize("options", [(), PYTHON], ids=["ptrace", "python"])
def test_many_inherited_descriptors(tmp_path: Path, options: tuple[str, ...]) -> None:
    """More than a record holds."""
    path = tmp_path / "run.renacer"
    code = MANY + "os.execvp(sys.argv[1], sys.argv[1:])"
    before = traced("--format", "record", "-o", path, *options)
    done = execute([sys.executable, "-ISc", code, *before, "true"])
    assert done.status == 0, done
    null = os.stat(os.devnull).st_ino
    found = many(path)
    assert set(found) == {0, 1, 2, *range(10, 10_000, 2)}
    assert all(found[fd] == (null, 0) for fd in range(10, 10_000, 2))


def test_many_descriptors_of_an_attached_process(tmp_path: Path) -> None:
    path = tmp_path / "run.renacer"
    code = MANY + "print(os.fstat(0).st_ino, flush=True); sys.stdin.read()"
    with running([sys.executable, "-ISc", code]) as process:
        inode = int(line_of(process))
        with attached(process.pid, "--format", "record", "-o", path) as tracer:
            detach(tracer)
    found = many(path)
    assert set(found) == {0, 1, 2, *range(10, 10_000)}
    assert all(found[fd] == (inode, fd % 2 and CLOEXEC) for fd in range(10, 10_000))
