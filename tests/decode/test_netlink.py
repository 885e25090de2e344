# SPDX-License-Identifier: MIT
"""Messages of netlink sockets: as strace shows them, and none of it in spans."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.decode.normal import threads

RENACER = str(Path(sys.executable).parent / "renacer-otel")

# It only asks: what it sends changes nothing, or is refused. `ask` takes the answers up to the
# last one; what the kernel ignores has none.
SUBJECT = r"""
import os, socket, struct
def message(kind, flags, body, length=None):
    length = 16 + len(body) if length is None else length
    return struct.pack("=IHHII", length, kind, flags, 1, 0) + body
def answers(sock):
    while True:
        try:
            answer = sock.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        if answer[4:6] in (b"\3\0", b"\2\0"):
            return
def ask(sock, *parts, **kwargs):
    sock.send(message(*parts, **kwargs))
    answers(sock)
route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
route.bind((0, 0))
family = struct.pack("=Bxxx", 0)
loopback = struct.pack("=BxHiII", 0, 0, socket.if_nametoindex("lo"), 0, 0)
nowhere = struct.pack("=BxHiII", 0, 0, 0x7FFFFFF0, 0, 0)
os.getpgid(0)
ask(route, 18, 1, loopback)
ask(route, 18, 1, loopback + struct.pack("=HHI", 8, 29, 9))
ask(route, 18, 5, nowhere)
ask(route, 22, 0x301, family)
ask(route, 26, 0x301, family)
ask(route, 26, 0x301, struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 0, 0, 0, 0))
ask(route, 34, 0x301, family)
ask(route, 999, 0x301, b"")
route.sendmsg([message(22, 0x301, b"\2\0\0\0"), b""], [], 0, (0, 0))
for _ in range(2):
    route.recvmsg(65536)
# Lengths that lie, attributes too, and what is not for the kernel to answer.
ask(route, 0, 0, b"", length=0)
ask(route, 18, 1, b"", length=8)
ask(route, 18, 0x301, b"", length=100)
ask(route, 18, 0, b"\2")
ask(route, 3, 0, b"abcd")
ask(route, 2, 0, b"ab")
ask(route, 2, 0, struct.pack("=i", -13) + b"\0" * 16)
ask(route, 2, 0, struct.pack("=i", -4000) + b"\0" * 9)
ask(route, 1, 1, b"payload")
ask(route, 18, 0, loopback + struct.pack("=HH", 3, 1) + b"abcd")
ask(route, 18, 0, loopback + struct.pack("=HH", 5, 3) + b"a")
ask(route, 18, 0, loopback + struct.pack("=HH", 50, 3) + b"a")
ask(route, 18, 0, loopback + struct.pack("=HHI", 8, 0x8000 | 18, 0x10005) + b"a\0\0\0" + b"ab")
diag = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4)
diag.bind((0, 0))
pair = socket.socketpair()
listener = socket.create_server(("127.0.0.1", 0))
inode = os.fstat(pair[0].fileno()).st_ino
where = struct.pack(">HH4s12x4s12x", listener.getsockname()[1], 0, b"\x7f\0\0\1", b"")
where += struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
ask(diag, 20, 1, struct.pack("=BBxxIIIII", 1, 0, 0xFFFFFFFF, inode, 0x5F, 0xFFFFFFFF, 0xFFFFFFFF))
ask(diag, 20, 1, struct.pack("=BBBxI", 2, 6, 0, 1 << 10) + where)
ask(diag, 20, 5, struct.pack("=BBBxI", 10, 6, 0x88, 0) + b"\0" * 48)
ask(diag, 20, 1, b"\2\6\0\0")
os.getpgid(0)
"""

# Counters, times, lifetimes.
_CHANGING = re.compile(
    r"((?:\b[rt]x_\w+|\bnlmsg_pid|\bnl_pid|\b[ct]stamp|\breachable_time|\bifa_(?:valid|prefered)"
    r"|\brta_\w+|\b\w+_ino(?:de)?)=|MIB_[\w?]+(?: \*/)?\]=)-?\d+"
)
_SOCKET = re.compile(r"htons\(\d+\)|_cookie=\[\d+, \d+\]|_PEER\}, \d+|_VFS\}, [^}]*\}")
# Python leaves it as it was in its memory.
_PADDING = re.compile(r"nl_pad=0x\w+, ")
_MEMORY = ("brk(", "mmap(", "munmap(", "mremap(", "madvise(")
_INTERFACE = re.compile(r'if_nametoindex\("([^"]*)"\)')


def _trace(tmp_path: Path, tool: list[str]) -> list[str]:
    subject, log = tmp_path / "subject.py", tmp_path / "log"
    subject.write_text(SUBJECT)
    command = [*tool, "-o", str(log), "--", sys.executable, "-I", str(subject)]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    (lines,) = threads(log.read_text())
    first, last = (n for n, line in enumerate(lines) if line.startswith("getpgid(0)"))
    # What the interpreter asks for memory, and when, hangs on where its heap lies.
    between = (line for line in lines[first + 1 : last] if not line.startswith(_MEMORY))
    shown = (_SOCKET.sub("N", _CHANGING.sub(r"\1N", line)) for line in between)
    return [_PADDING.sub("", line) for line in shown]


@pytest.mark.needs("strace")
@pytest.mark.parametrize("verbose", [False, True], ids=["short", "verbose"])
def test_messages_are_shown_as_strace_shows_them(tmp_path: Path, verbose: bool) -> None:
    flags = ["-v"] if verbose else []
    wanted = _trace(tmp_path, ["strace", "-f", *flags])
    # An interface is its number: which name that has hangs on the program's namespace.
    wanted = [_INTERFACE.sub(lambda m: str(socket.if_nametoindex(m[1])), line) for line in wanted]
    found = _trace(tmp_path, [RENACER, "-f", "--no-propagate", *flags])
    assert found == wanted
    assert sum("nla_type=IFLA_IFNAME" in line for line in found) >= 2


def test_a_short_limit_hides_no_head(tmp_path: Path) -> None:
    lines = _trace(tmp_path, [RENACER, "--no-propagate", "-s", "3"])
    assert "nlmsg_type=RTM_GETLINK" in lines[0]
    assert 'nla_type=IFLA_IFNAME}, "lo"' in lines[1]


def test_other_datagrams_are_strings(tmp_path: Path) -> None:
    """A length at its beginning makes no netlink message of one."""
    program = (
        "import socket; a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM);"
        r"a.send(b'\x14\0\0\0\x12\0\1\3\1\0\0\0\0\0\0\0\0\0\0\0'); b.recv(99)"
    )
    log = tmp_path / "log"
    command = [RENACER, "-o", str(log), "-e", "trace=sendto,recvfrom", "--", sys.executable, "-c"]
    subprocess.run([*command, program], check=True, timeout=60, capture_output=True)
    text = log.read_text()
    assert "nlmsg" not in text
    assert r'"\24\0\0\0\22\0\1\3\1\0\0\0\0\0\0\0\0\0\0\0", 20, 0, NULL, 0) = 20' in text


def test_spans_hold_no_messages(tmp_path: Path) -> None:
    subject, spans = tmp_path / "subject.py", tmp_path / "spans.json"
    subject.write_text(SUBJECT)
    command = [RENACER, "--format", "otlp-json", "-o", str(spans), "--"]
    subprocess.run([*command, sys.executable, "-I", str(subject)], check=True, timeout=60)
    text = spans.read_text()
    assert "sendmsg" in text
    assert "nlmsg" not in text
    assert "IFLA" not in text
