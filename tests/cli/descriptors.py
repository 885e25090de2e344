# SPDX-License-Identifier: MIT
"""A subject: descriptors of every kind, with names meant to do harm. Argument: a folder."""

import fcntl
import mmap
import os
import select
import signal
import socket
import sys
from contextlib import suppress

HOSTILE = b'<x>\n\x1b]0;t\x07\xff\xc3(1 \\"(deleted)'


def files(folder: str) -> None:
    os.chdir(folder)
    null = os.open("/dev/null", os.O_RDWR)
    os.write(null, b"1")
    file = os.open(HOSTILE, os.O_RDWR | os.O_CREAT)
    os.write(file, b"1")
    other = os.dup(file)
    fcntl.fcntl(file, fcntl.F_DUPFD, 50)
    os.dup2(file, other)
    mmap.mmap(file, 1).close()
    os.unlink(HOSTILE)
    os.write(file, b"2")
    named = os.open("named (deleted)", os.O_RDWR | os.O_CREAT)  # and it is not
    os.write(named, b"1")
    linked = os.open("linked", os.O_RDWR | os.O_CREAT)
    os.link("linked", "elsewhere")
    os.unlink("linked")
    os.write(linked, b"1")
    reader, writer = os.pipe()
    os.write(writer, b"1")
    waiting = select.poll()
    waiting.register(reader, select.POLLIN)
    waiting.register(writer, select.POLLOUT)
    waiting.poll(0)
    select.select([reader], [writer], [], 0)
    with select.epoll() as epoll:
        epoll.register(reader, select.POLLIN)
    os.read(reader, 1)
    one, two = socket.socketpair()
    socket.send_fds(one, [b"1"], [null, file])
    socket.recv_fds(two, 1, 2)
    pid = os.pidfd_open(os.getpid())
    signal.pidfd_send_signal(pid, 0)
    os.close(pid)
    os.eventfd(1)
    os.mkdir("gone")
    os.chdir("gone")
    os.rmdir("../gone")
    with suppress(OSError):
        os.open("nothing", os.O_RDONLY)
    with suppress(OSError):
        os.read(999, 1)
    os.chdir(folder)


def tcp(family: int, address: str) -> None:
    listening = socket.socket(family)
    listening.bind((address, 0))
    listening.listen()
    near = socket.create_connection(listening.getsockname()[:2])
    far, _ = listening.accept()
    near.send(b"1")
    far.recv(1)
    near.close()
    far.send(b"1")
    far.close()
    listening.close()


def sockets(folder: str) -> None:
    tcp(socket.AF_INET, "127.0.0.1")
    if socket.has_ipv6:
        with suppress(OSError):
            tcp(socket.AF_INET6, "::1")
    one, two = socket.socketpair()
    one.send(b"1")
    two.recv(1)
    one.close()
    two.close()
    for name in (os.fsencode(folder) + b"/" + HOSTILE, b"\0" + HOSTILE + b"%010d" % os.getpid()):
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(name)
        listening.listen()
        near = socket.socket(socket.AF_UNIX)
        near.connect(name)
        far, _ = listening.accept()
        near.send(b"1")
        far.recv(1)
        for each in (near, far, listening):
            each.close()
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.connect(("127.0.0.1", 9))
    datagrams.getsockname()
    datagrams.close()
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    netlink.bind((0, 0))
    netlink.getsockname()


if __name__ == "__main__":
    files(sys.argv[1])
    sockets(sys.argv[1])
