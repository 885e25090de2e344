# SPDX-License-Identifier: MIT
"""Structures and lists in call spans: strace's notation, bounded, and no payload."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.encode.core import ATTR_MAX, Core, Piece
from tests.encode.model import MORE, attributes, encode
from tests.scale import examples

if TYPE_CHECKING:
    from tests.encode.model import Value

STRUCT, BUFFER, AT_EXIT, UNREAD = 5, 3, 4, 2
FAILED, TRUNCATED = 1, 16
SHOWN_MAX = 1024
ADDRESS = 0x7FFE_0000_1000
SECRET = b"a secret that must not leave"

TIMESPEC = struct.pack("<qq", 5, 7)
SOCKADDR = struct.pack("<H", socket.AF_INET) + struct.pack(">H", 443)
SOCKADDR += bytes([192, 0, 2, 1]) + bytes(8)


def span_of(
    core: Core,
    name: str,
    args: list[int],
    pieces: list[Piece],
    result: int = 0,
    flags: int = 0,
    string_limit: int = 32,
) -> dict[str, Value]:
    """The attributes of a call's span, encoded in both forms; ``syscall.args.`` left off."""
    number = core.lib.rn_syscall_number(core.lib.RN_ABI_X86_64, name.encode())
    assert number >= 0
    call = core.ffi.new("struct rn_call *")
    process = core.ffi.new("struct rn_process *")
    process.ctx.tracestate = core.text(b"")
    trace_id = core.ffi.new("uint8_t[16]", bytes(range(1, 17)))
    call.process, call.trace_id, call.span_id = process, trace_id, 1
    call.desc = core.lib.rn_syscall(core.lib.RN_ABI_X86_64, number)
    call.abi, call.nr, call.result, call.flags = core.lib.RN_ABI_X86_64, number, result, flags
    for i, value in enumerate(args):
        call.args[i] = value
    call.entry = core.record([piece for piece in pieces if not piece.flags & AT_EXIT])
    call.exit = core.record([piece for piece in pieces if piece.flags & AT_EXIT])
    core.keep += [process, trace_id, call]
    trace = core.trace(10**18, 0)
    trace.string_limit = string_limit
    try:
        span = encode(core, "call", trace, call)
    finally:
        core.forget()
    found = attributes(span.attributes)
    return {key.removeprefix("syscall.args."): value for key, value in found.items()}


def at_entry(arg: int, data: bytes, total: int = 0) -> Piece:
    return Piece(STRUCT, arg, data, total or len(data))


def at_exit(arg: int, data: bytes, total: int = 0) -> Piece:
    return Piece(STRUCT, arg, data, total or len(data), AT_EXIT)


CASES: dict[str, tuple[str, list[int], list[Piece], int, dict[str, Value]]] = {
    "structure": (
        "clock_nanosleep", [1, 0, ADDRESS, 0], [at_entry(2, TIMESPEC)], 0,
        {"rqtp": "{tv_sec=5, tv_nsec=7}", "rmtp": "0x0", "which_clock": "CLOCK_MONOTONIC"},
    ),
    "filled": (
        "prlimit64", [0, 7, 0, ADDRESS], [at_exit(3, struct.pack("<QQ", 4096, 1 << 64 - 1))], 0,
        {"old_rlim": "{rlim_cur=4*1024, rlim_max=9007199254740992*1024}", "new_rlim": "0x0"},
    ),
    "descriptors": (
        "pipe2", [ADDRESS, 0x80000], [at_exit(0, struct.pack("<ii", 3, 4))], 0,
        {"fildes": "[3, 4]", "flags": "O_CLOEXEC"},
    ),
    "status": (
        "wait4", [5, ADDRESS, 0, 0], [at_exit(1, struct.pack("<i", 0x100))], 5,
        {"stat_addr": "[{WIFEXITED(s) && WEXITSTATUS(s) == 1}]", "upid": 5},
    ),
    "address": (
        "connect", [3, ADDRESS, 16], [at_entry(1, SOCKADDR)], 0,
        {"uservaddr": '{sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("192.0.2.1")}',
         "network.peer.address": "192.0.2.1", "network.peer.port": 443, "addrlen": 16},
    ),
    "name with quotes": (
        "bind", [3, ADDRESS, 9], [at_entry(1, b'\x01\x00a"\\\n\xffb\0')], 0,
        {"umyaddr": r'{sa_family=AF_UNIX, sun_path="a\"\\\n\377b"}'},
    ),
    "list": (
        "poll", [ADDRESS, 2, 10], [at_entry(0, struct.pack("<ihhihh", 3, 1, 0, 4, 4, 0))], 0,
        {"ufds": "[{fd=3, events=POLLIN}, {fd=4, events=POLLOUT}]", "nfds": 2},
    ),
    "set": (
        "select", [8, ADDRESS, 0, 0, 0], [at_entry(1, struct.pack("<Q", 0x28))], 0,
        {"inp": "[3 5]", "outp": "0x0"},
    ),
    "CPUs": (
        "sched_setaffinity", [0, 8, ADDRESS], [Piece(BUFFER, 2, struct.pack("<Q", 5), 8)], 0,
        {"user_mask_ptr": "[0 2]"},
    ),
    "option": (
        "setsockopt", [3, 1, 2, ADDRESS, 4], [at_entry(3, struct.pack("<i", 1))], 0,
        {"optval": "[1]", "level": "SOL_SOCKET", "optname": "SO_REUSEADDR"},
    ),
    "not read": (
        "connect", [3, ADDRESS, 16], [Piece(STRUCT, 1, b"", 16, UNREAD)], 0,
        {"uservaddr": hex(ADDRESS)},
    ),
    "too short": (
        "clock_nanosleep", [1, 0, ADDRESS, 0], [at_entry(2, TIMESPEC[:9])], 0,
        {"rqtp": hex(ADDRESS)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_structures_are_text(core: Core, case: str) -> None:
    name, args, pieces, result, expected = CASES[case]
    found = span_of(core, name, args, pieces, result)
    assert {key: found.get(key) for key in expected} == expected
    assert "renacer.truncated" not in found


def test_what_a_failed_call_did_not_fill_is_an_address(core: Core) -> None:
    piece = at_exit(3, struct.pack("<QQ", 1, 1))
    found = span_of(core, "prlimit64", [0, 7, 0, ADDRESS], [piece], -14, FAILED)
    assert found["old_rlim"] == hex(ADDRESS)


def iovec(data: bytes) -> bytes:
    head = struct.pack("<QQQQ", ADDRESS, len(data), len(data), len(data))
    return head + data + bytes(-len(data) % 8)


def message(iov: bytes, control: bytes) -> bytes:
    return (
        struct.pack("<QQQQQ", 0, ADDRESS, 1, ADDRESS, len(control))
        + struct.pack("<IIIIII", 0, 0, 0, 0, len(iov), len(control))
        + iov
        + control
        + bytes(-len(control) % 8)
    )


def test_payload_stays(core: Core) -> None:
    ancillary = struct.pack("<Qii", 16 + len(SECRET), 999, 999) + SECRET
    there = hex(ADDRESS)
    cases: list[tuple[str, list[int], list[Piece], str, Value | None]] = [
        ("writev", [1, ADDRESS, 1], [at_entry(1, iovec(SECRET), 1)], "vec",
         f"[{{iov_base={ADDRESS:#x}, iov_len={len(SECRET)}}}]"),
        ("sendmsg", [3, ADDRESS, 0], [at_entry(1, message(iovec(SECRET), ancillary), 1)],
         "msg", None),
        ("setsockopt", [3, 1, 25, ADDRESS, len(SECRET)], [at_entry(3, SECRET)], "optval", None),
        ("setsockopt", [3, 282, 1, ADDRESS, len(SECRET)], [at_entry(3, SECRET)],
         "optval", there),
        ("getsockopt", [3, 1, 25, ADDRESS, ADDRESS],
         [at_exit(3, SECRET), at_exit(4, struct.pack("<i", len(SECRET)))], "optval", there),
        ("write", [1, ADDRESS, len(SECRET)], [Piece(BUFFER, 1, SECRET, len(SECRET))],
         "buf", there),
        ("read", [1, ADDRESS, 99], [Piece(BUFFER, 1, SECRET, len(SECRET), AT_EXIT)],
         "buf", there),
    ]  # fmt: skip
    for name, args, pieces, arg, expected in cases:
        found = span_of(core, name, args, pieces, len(SECRET), string_limit=4096)
        assert expected is None or found[arg] == expected
        assert not any("secret" in str(value) for value in found.values()), found


def test_a_long_one_is_cut(core: Core) -> None:
    fds = b"".join(struct.pack("<ihh", fd, 0x3FF, 0) for fd in range(128))
    found = span_of(core, "poll", [ADDRESS, 128, 0], [at_entry(0, fds)], string_limit=200)
    text = found["ufds"]
    assert isinstance(text, str)
    assert text.startswith("[{fd=0, events=POLLIN|")
    assert len(text) == SHOWN_MAX + 1
    assert text.endswith(MORE)
    assert found["renacer.truncated"] is True
    # Items of a list are counted as strings are.
    found = span_of(core, "poll", [ADDRESS, 128, 0], [at_entry(0, fds)], string_limit=2)
    assert str(found["ufds"]).count("fd=") == 2
    assert str(found["ufds"]).endswith("}, ...]")


CALLS = [
    "poll", "select", "pselect6", "connect", "accept4", "getsockname", "recvfrom", "sendmsg",
    "recvmsg", "sendmmsg", "recvmmsg", "rt_sigaction", "rt_sigprocmask", "clone3", "statx", "fstat",
    "epoll_wait", "ioctl", "fcntl", "setsockopt", "getsockopt", "readv", "writev", "getdents64",
    "wait4", "waitid", "semop", "io_uring_setup", "sched_getaffinity", "bpf", "perf_event_open",
    "mbind", "quotactl", "name_to_handle_at", "sendto",
]  # fmt: skip

REGISTERS = st.one_of(st.integers(1, 64), st.integers(0, (1 << 64) - 1))


@settings(max_examples=examples(300))
@given(
    name=st.sampled_from(CALLS),
    args=st.lists(
        st.one_of(st.integers(1, 64), st.integers(0, (1 << 64) - 1)), min_size=6, max_size=6
    ),
    data=st.binary(max_size=2000),
    limit=st.sampled_from([0, 3, 32, 4096]),
    result=st.integers(-40, 200),
)
def test_hostile_bytes(
    core: Core, name: str, args: list[int], data: bytes, limit: int, result: int
) -> None:
    pieces = [
        Piece(STRUCT, arg, data, len(data), when) for arg in range(6) for when in (0, AT_EXIT)
    ]
    flags = FAILED if result < 0 else 0
    found = span_of(core, name, args, pieces, result, flags, limit)
    for key, value in found.items():
        if isinstance(value, str) and not key.startswith(("network.", "file.")):
            assert value.removesuffix(MORE).isascii()
            assert value.removesuffix(MORE).isprintable()
            assert len(value) <= SHOWN_MAX + 1 < ATTR_MAX
