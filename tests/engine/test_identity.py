# SPDX-License-Identifier: MIT
"""Which objects descriptors are: what records tell is what the program itself finds by fstat."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.engine.identities import (
    ENGINES,
    EVENTFD,
    FILE,
    MQUEUE,
    NAMELESS,
    PIDFD,
    PIPE,
    READ,
    SOCKET,
    WRITE,
    Identity,
    told,
)
from tests.engine.test_python_captures import build
from tests.engine.tools import environment, record

CODE = """
import array, ctypes, fcntl, json, os, socket, sys
told = []
def tell(name, *descriptors, **more):
    for fd in descriptors:
        st = os.fstat(fd)
        told.append([name, fd, st.st_dev, st.st_ino, more])
def ends(one):
    return {'local': one.getsockname()[:2], 'remote': one.getpeername()[:2]}
os.chdir(sys.argv[1])
tell('pipe2', *os.pipe())
os.mkfifo('fifo')
tell('openat', os.open('fifo', os.O_RDWR))
tell('openat', os.open('file', os.O_CREAT | os.O_WRONLY))
tell('openat', os.open('.', os.O_RDONLY))
os.open('.', os.O_PATH)
tell('openat', os.open('/dev/null', os.O_RDWR))
tell('memfd_create', os.memfd_create('name'))
one, two = socket.socketpair()
tell('socketpair', one.fileno(), two.fileno())
kept = [one, two]
for family, host in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1')):
    try:
        listener = socket.create_server((host, 0), family=family)
    except OSError:
        continue
    client = socket.socket(family)
    tell('socket', client.fileno())
    client.setblocking(False)
    client.connect_ex(listener.getsockname())
    tell('connect', client.fileno(), **ends(client))
    server = listener.accept()[0]
    tell('accept4', server.fileno(), peer=os.fstat(client.fileno()).st_ino, **ends(server))
    datagrams = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(2)]
    datagrams[0].bind((host, 0))
    tell('bind', datagrams[0].fileno(), local=datagrams[0].getsockname()[:2])
    datagrams[1].connect(datagrams[0].getsockname())
    tell('connect', datagrams[1].fileno(), **ends(datagrams[1]))
    kept += listener, client, server, *datagrams
listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
listener.bind('name'); listener.listen()
client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
client.connect('name')
tell('connect', client.fileno())
server = listener.accept()[0]
tell('accept4', server.fileno(), peer=os.fstat(client.fileno()).st_ino)
datagrams = [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
datagrams[0].bind('letters')
tell('bind', datagrams[0].fileno())
datagrams[1].connect('letters')
tell('connect', datagrams[1].fileno(), peer=os.fstat(datagrams[0].fileno()).st_ino)
libc = ctypes.CDLL(None)
tell('eventfd2', libc.eventfd(0, 0), more=0)
tell('eventfd2', libc.eventfd(0, 1), more=1)
own = os.pidfd_open(os.getpid())
tell('pidfd_open', own, peer=os.getpid())
tell('pidfd_getfd', libc.syscall(438, own, told[0][1], 0))
queue = libc.mq_open(b'/renacer%d' % os.getpid(), os.O_CREAT | os.O_RDWR, 0o600, None)
if queue >= 0:
    libc.mq_unlink(b'/renacer%d' % os.getpid())
    tell('mq_open', queue)
sent = [told[0][1], told[1][1], own, queue if queue >= 0 else 0, two.fileno()]
one.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', sent))])
control = two.recvmsg(1, 99)[1][0][2]
tell('recvmsg', *array.array('i', control))
print(json.dumps(told))
"""

KINDS = {
    "pipe2": PIPE, "memfd_create": FILE, "socketpair": SOCKET, "socket": SOCKET, "connect": SOCKET,
    "accept4": SOCKET, "bind": SOCKET, "eventfd2": EVENTFD, "pidfd_open": PIDFD,
    "pidfd_getfd": PIPE, "mq_open": MQUEUE,
}  # fmt: skip


@pytest.mark.parametrize(("options", "disable"), ENGINES)
def test_what_calls_make(tmp_path: Path, options: tuple[str, ...], disable: str) -> None:
    """Device and inode as fstat says, addresses as getsockname and getpeername do."""
    folder = tmp_path / "work"
    folder.mkdir()
    words = [sys.executable, "-ISc", CODE, folder]
    run = record(tmp_path, words, *options, env=environment(RENACER_DISABLE=disable))
    assert run.done.status == 0, run.done
    # The same descriptor is told of by each call that makes it or gives it an address.
    seen: dict[tuple[str, int], list[Identity]] = {}
    calls = told(run.path)
    for name, found in calls:
        for fd, one in found.items():
            seen.setdefault((name, fd), []).append(one)
    words_of_it: list[tuple[str, int, int, int, dict[str, Any]]] = json.loads(run.done.output)
    for name, fd, device, inode, more in words_of_it:
        one = seen[name, fd][-1]
        if name in KINDS:
            assert one.kind == KINDS[name], name
        if one.kind not in NAMELESS:
            assert (one.device, one.inode) == (device, inode), name
        else:
            assert (one.device, one.inode) == (0, 0)
        for key, value in more.items():
            value = tuple(value) if isinstance(value, list) else value
            assert getattr(one, key) == value, (name, key)
    ways = [one.ways for (name, _), (one, *_) in seen.items() if name == "pipe2"][:2]
    assert ways == [READ, WRITE]
    first, second = next(list(found.values()) for name, found in calls if name == "socketpair")
    assert (first.peer, second.peer) == (second.inode, first.inode)
    assert (first.family, first.type) == (socket.AF_UNIX, socket.SOCK_STREAM)
    received = next(list(found.values()) for name, found in calls if name == "recvmsg")
    expected = [PIPE, PIPE, PIDFD, MQUEUE if os.path.ismount("/dev/mqueue") else None, SOCKET]
    for one, kind in zip(received, expected, strict=True):
        assert kind in (one.kind, None)
    assert [one.ways for one in received[:2]] == [READ, WRITE]
    assert received[2].peer
    assert received[4].inode == second.inode
    types = {one.type for name, found in calls if name == "accept4" for one in found.values()}
    assert types == {socket.SOCK_STREAM, socket.SOCK_SEQPACKET}
    # A name alone is no file: nothing goes through it.
    assert all(one.ways for name, found in calls if name == "openat" for one in found.values())


ALONE = """
import ctypes, json, os, socket, threading
told = []
def connect():
    # From here on the thread's descriptors are others than those of its process.
    if ctypes.CDLL(None, use_errno=True).unshare(0x400):
        raise OSError(ctypes.get_errno(), 'unshare')
    with socket.create_server(('127.0.0.1', 0)) as listener, socket.socket() as client:
        client.connect(listener.getsockname())
        server = listener.accept()[0]
        for name, one, other in (('connect', client, server), ('accept4', server, client)):
            told.append([name, one.fileno(), os.fstat(one.fileno()).st_ino,
                         *map(list, (one.getsockname(), one.getpeername()))])
        told[1].append(told[0][2])
        told[0].append(0)  # not accepted yet
thread = threading.Thread(target=connect)
thread.start()
thread.join()
print(json.dumps(told))
"""


@pytest.mark.parametrize(("options", "disable"), ENGINES)
def test_a_connection_of_a_thread_with_its_own_descriptors(
    tmp_path: Path, options: tuple[str, ...], disable: str
) -> None:
    words = [sys.executable, "-ISc", ALONE]
    run = record(tmp_path, words, *options, env=environment(RENACER_DISABLE=disable))
    assert run.done.status == 0, run.done
    calls = {name: found for name, found in told(run.path) if name in ("connect", "accept4")}
    for name, fd, inode, local, remote, peer in json.loads(run.done.output):
        one = calls[name][fd]
        assert (one.inode, one.local, one.remote) == (inode, tuple(local), tuple(remote))
        assert one.peer == peer


def shape(path: Path) -> list[tuple[str, list[tuple[int, tuple[object, ...]]]]]:
    """What is told, with inodes, pids and ports, which differ from run to run, by order."""
    order: dict[object, int] = {}

    def number(value: object, *space: object) -> int:
        # A pid, and an inode of another file system, may be the same number by chance.
        return order.setdefault((value, *space), len(order) + 1) if value else 0

    def of(one: Identity) -> tuple[object, ...]:
        ends = [end and (end[0], number(end)) for end in (one.local, one.remote)]
        device = 0 if one.kind == FILE else one.device
        # Files made at one tick of the clock have it in common.
        more = one.more != 0 if one.kind == FILE else one.more
        inode, peer = number(one.inode, one.device), number(one.peer, one.kind == PIDFD, one.device)
        return (*one[:4], device, inode, peer, *ends, more)

    return [(name, [(fd, of(one)) for fd, one in those.items()]) for name, those in told(path)]


def test_both_engines_agree(tmp_path: Path) -> None:
    shapes = []
    for engine in ("ptrace", "python"):
        folder = tmp_path / engine
        work = folder / "work"
        work.mkdir(parents=True)
        words = [sys.executable, "-ISc", CODE, work]
        run = record(folder, words, "--engine", engine)
        assert run.done.status == 0, run.done
        shapes.append(shape(run.path))
    native, ours = shapes
    assert ours == native
    assert len(native) > 30


NARROW = r"""
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
static long call(unsigned nr, unsigned a, unsigned b)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result)
             : "a"(nr), "b"(a), "c"(b), "d"(0) : "memory", "r8", "r9", "r10", "r11");
    return (int)result;
}
static void tell(const char *name, int fd)
{
    struct stat st;
    fstat(fd, &st);
    printf("%s %d %lu\n", name, fd, (unsigned long)st.st_ino);
}
int main(void)
{
    char *low = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    unsigned *words = (unsigned *)low, at = (unsigned)(unsigned long)low;
    int *pair = (int *)(low + 100), fd, *control = (int *)(low + 300);
    unsigned *head = (unsigned *)(low + 200);

    memcpy(words, (unsigned[]){AF_UNIX, SOCK_DGRAM, 0}, 12);
    fd = call(102, 1, at);
    if (fd < 0)
        return 1;
    tell("socket", fd);
    memcpy(words, (unsigned[]){AF_UNIX, SOCK_STREAM, 0, at + 100}, 16);
    if (call(102, 8, at))
        return 2;
    tell("pair", pair[0]);
    tell("pair", pair[1]);
    /* struct msghdr: name, namelen, iov, iovlen, control, controllen, flags */
    low[400] = 'x';
    memcpy(low + 250, (unsigned[]){at + 400, 1}, 8);
    memcpy(control, (int[]){16, SOL_SOCKET, SCM_RIGHTS, fd}, 16);
    memcpy(head, (unsigned[]){0, 0, at + 250, 1, at + 300, 16, 0}, 28);
    memcpy(words, (unsigned[]){pair[0], at + 200, 0}, 12);
    if (call(102, 16, at) != 1)
        return 3;
    memcpy(words, (unsigned[]){pair[1], at + 200, 0}, 12);
    if (call(102, 17, at) != 1)
        return 4;
    tell("received", control[3]);
    return 0;
}
"""


@pytest.mark.parametrize(("options", "disable"), ENGINES)
def test_calls_of_32_bits(tmp_path: Path, options: tuple[str, ...], disable: str) -> None:
    """Those of sockets are one call there, with its arguments in memory."""
    source, program = tmp_path / "narrow.c", tmp_path / "narrow"
    source.write_text(NARROW)
    build(source, program)
    run = record(tmp_path, [program], *options, env=environment(RENACER_DISABLE=disable))
    assert run.done.status == 0, run.done
    lines = [line.split() for line in run.done.output.splitlines()]
    found = [
        [str(fd), str(one.inode)]
        for name, those in told(run.path)
        if name == "socketcall"
        for fd, one in those.items()
    ]
    assert found == [line[1:] for line in lines]
    last = [list(those.values()) for name, those in told(run.path) if name == "socketcall"]
    assert last[0][0].type == last[2][0].type == socket.SOCK_DGRAM
    assert last[1][0].peer == last[1][1].inode


@pytest.mark.parametrize(("options", "disable"), ENGINES)
def test_the_pidfd_of_a_new_process(tmp_path: Path, options: tuple[str, ...], disable: str) -> None:
    """Of clone and of clone3."""
    source, program = tmp_path / "clone.c", tmp_path / "clone"
    source.write_text(CLONES)
    build(source, program)
    run = record(tmp_path, [program], *options, env=environment(RENACER_DISABLE=disable))
    assert run.done.status == 0, run.done
    expected = [tuple(map(int, line.split())) for line in run.done.output.splitlines()]
    found = [
        (fd, one.peer)
        for name, those in told(run.path)
        if name in ("clone", "clone3")
        for fd, one in those.items()
        if one.kind == PIDFD
    ]
    assert found == expected
    assert len(found) == 2


CLONES = r"""
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void)
{
    int fd = -1;
    unsigned long long args[8] = {0x1000, (unsigned long)&fd, 0, 0, SIGCHLD};

    for (int i = 0; i < 2; i++) {
        long pid = i ? syscall(SYS_clone3, args, sizeof(args))
                     : syscall(SYS_clone, 0x1000 | SIGCHLD, 0, &fd, 0, 0);
        if (pid == 0)
            pause();
        printf("%d %ld\n", fd, pid);
        kill(pid, SIGKILL);
        waitpid(pid, 0, 0);
    }
    return 0;
}
"""
