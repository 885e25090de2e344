# SPDX-License-Identifier: MIT
"""Calls with structures, bad pointers and lengths that lie: line by line as strace shows them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.decode.normal import threads

RENACER = str(Path(sys.executable).parent / "renacer-otel")

# Everything between the two getpgid(0) is compared.
SUBJECT = r"""
import ctypes, fcntl, os, resource, select, signal, socket, time
libc = ctypes.CDLL(None, use_errno=True)
call = libc.syscall
call.argtypes = [ctypes.c_long] * 7
def buffer(data):
    kept.append(ctypes.create_string_buffer(data, len(data)))
    return ctypes.addressof(kept[-1])
kept = []
reader, writer = os.pipe()
os.getpgid(0)
os.writev(writer, [b"hello\x1b[2J", b"x\n\1" * 30, b""])
os.readv(reader, [bytearray(3), bytearray(40), bytearray(10)])
fcntl.fcntl(reader, fcntl.F_GETFD)
fcntl.fcntl(reader, fcntl.F_SETFD, 1)
fcntl.fcntl(writer, fcntl.F_GETFL)
fcntl.fcntl(writer, fcntl.F_DUPFD_CLOEXEC, 100)
poll = select.poll()
poll.register(reader, select.POLLIN | select.POLLPRI)
time.clock_gettime(time.CLOCK_TAI)
resource.getrlimit(resource.RLIMIT_CORE)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM, 40])
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
signal.pthread_sigmask(signal.SIG_SETMASK, [])
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
listener.bind(("127.0.0.1", 0))
listener.listen(1)
inet6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
inet6.connect_ex(("::1", 9))
unix = socket.socket(socket.AF_UNIX)
unix.connect_ex(b"\0abstract\1name")
unix.connect_ex("/nonexistent/" + "s" * 90)
os.stat("/dev/null")
os.stat("/tmp")
epoll = select.epoll()
epoll.register(reader, select.EPOLLIN | select.EPOLLET)
# Addresses and lengths that lie.
call(42, unix.fileno(), 1, 16, 0, 0, 0)
call(42, unix.fileno(), buffer(b"\1\0a\n\"b"), 0x7fffffff, 0, 0, 0)
call(42, unix.fileno(), buffer(b"\1\0a\n\"b"), 1, 0, 0, 0)
call(42, unix.fileno(), buffer(b"\xff\xffa\n\"b"), 6, 0, 0, 0)
call(35, 8, 0, 0, 0, 0, 0)
call(35, buffer(b"\xff" * 16), 0, 0, 0, 0, 0)
call(20, writer, 8, 3, 0, 0, 0)
call(13, 5, 8, 0, 8, 0, 0)
call(14, 77, buffer(b"\xff" * 8), 0, 8, 0, 0)
call(97, 99, 8, 0, 0, 0, 0)
os.getpgid(0)
"""


@pytest.mark.needs("strace")
def test_structures_are_shown_as_strace_shows_them(tmp_path: Path) -> None:
    subject = tmp_path / "subject.py"
    subject.write_text(SUBJECT)
    found = []
    for tool in (["strace", "-f"], [RENACER, "--no-propagate"]):
        log = tmp_path / "log"
        command = [*tool, "-o", str(log), "--", sys.executable, "-I", str(subject)]
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        (lines,) = threads(log.read_text())
        # What the interpreter does for itself: memory.
        own = [line for line in lines if not line.startswith(("brk(", "mmap(", "munmap("))]
        first, last = (i for i, line in enumerate(own) if line.startswith("getpgid(0)"))
        found.append(own[first:last])
    assert found[1] == found[0]
    assert len(found[0]) > 30
