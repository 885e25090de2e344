# SPDX-License-Identifier: MIT
"""The seccomp program stops the calls that are wanted or needed, and no other, in few steps."""

from __future__ import annotations

import ctypes
import os
import platform
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renacer_otel.engine import native
from renacer_otel.engine.launch import WORDS_PER_ABI
from tests.engine.bpf import (
    ABIS,
    ARCHES,
    MAX_INSTRUCTIONS,
    OPERATIONS,
    RET_ALLOW,
    RET_TRACE,
    X32_BIT,
    build,
    parse,
    run,
    words_of,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

MACHINE = platform.machine()
OWN = {"x86_64": ("x86_64", "i386", "x32"), "aarch64": ("aarch64", "arm")}[MACHINE]
NUMBERS = 64 * WORDS_PER_ABI
WRITES = {"x86_64": 1, "x32": 1, "i386": 4, "aarch64": 64, "arm": 4}
# Each ABI in its own words: a machine's other ones must not leak in.
NEEDED = {
    "seccomp", "prctl", "clone", "clone3", "execve", "execveat", "rt_sigreturn", "restart_syscall",
    "sched_setaffinity", "sched_getaffinity", "sched_setattr", "sched_setscheduler", "unshare",
    "setns",
}  # fmt: skip

calls = st.sets(st.tuples(st.sampled_from(ABIS[1:]), st.integers(0, NUMBERS - 1)), max_size=400)
ranges = st.lists(
    st.tuples(st.sampled_from(ABIS[1:]), st.integers(0, NUMBERS - 1), st.integers(0, 80)),
    max_size=20,
)


def numbers_of(abi: str) -> Iterator[tuple[int, int, int]]:
    """(arch, number as the kernel has it, number) of all calls that an ABI can make, and more."""
    arch = ARCHES["x86_64" if abi == "x32" else abi]
    bit = X32_BIT if abi == "x32" else 0
    for number in range(NUMBERS + 100):
        yield arch, number | bit, number


def stopped(program: bytes) -> set[tuple[str, int]]:
    parsed = parse(program)
    found = set()
    for abi in OWN:
        for arch, raw, number in numbers_of(abi):
            action = run(parsed, arch, raw, 1 if number == WRITES[abi] else None).action
            assert action in (RET_ALLOW, RET_TRACE)
            if action == RET_TRACE:
                found.add((abi, number))
    return found


@pytest.fixture(scope="module")
def needed() -> set[tuple[str, int]]:
    """What is stopped where nothing is wanted."""
    return stopped(build(words_of([])))


def test_what_the_engine_needs(needed: set[tuple[str, int]]) -> None:
    lib = native.lib
    for abi in OWN:
        for name in NEEDED:
            assert (abi, lib.rn_table_number(ABIS.index(abi), name.encode())) in needed, name
    named = {lib.rn_table_name(ABIS.index(abi), number) for abi, number in needed}
    assert len(named) < 30
    if MACHINE == "x86_64":
        assert {("x32", 513), ("x32", 520), ("x32", 545), ("x32", 56)} <= needed
        assert {("i386", 2), ("i386", 119), ("i386", 190)} <= needed
    else:
        assert {("arm", 2), ("arm", 11), ("arm", 119), ("arm", 173), ("arm", 190)} <= needed


@settings(max_examples=60)
@given(chosen=calls, runs=ranges)
def test_exactly_what_is_wanted_or_needed(
    needed: set[tuple[str, int]], chosen: set[tuple[str, int]], runs: list[tuple[str, int, int]]
) -> None:
    wanted = set(chosen)
    for abi, first, count in runs:
        wanted |= {(abi, number) for number in range(first, min(first + count, NUMBERS))}
    program = build(words_of(wanted))
    check_shape(program)
    assert stopped(program) == {call for call in wanted if call[0] in OWN} | needed


def check_shape(program: bytes) -> None:
    """What the kernel demands of a program, and what lets it keep the verdicts (since 5.11)."""
    parsed = parse(program)
    assert 0 < len(parsed) <= MAX_INSTRUCTIONS
    for at, (code, yes, no, k) in enumerate(parsed):
        assert code in OPERATIONS
        reach = {0x15: max(yes, no), 0x35: max(yes, no), 0x05: k, 0x06: -1}.get(code, 0)
        assert at + 1 + reach < len(parsed)
    assert parsed[-1].code == 0x06


@pytest.mark.parametrize("chosen", ["none", "writes", "others"])
def test_a_write_that_may_be_a_marker_always_stops(chosen: str) -> None:
    calls = {(abi, WRITES[abi]) for abi in OWN} if chosen == "writes" else set()
    calls |= {(abi, WRITES[abi] + 1) for abi in OWN} if chosen == "others" else set()
    parsed = parse(build(words_of(calls)))
    for abi in OWN:
        arch = ARCHES["x86_64" if abi == "x32" else abi]
        raw = WRITES[abi] | (X32_BIT if abi == "x32" else 0)
        # A descriptor is 32 bits, whatever stands above them in the register.
        for descriptor in (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF, 0x5FFFFFFFF):
            assert run(parsed, arch, raw, descriptor).action == RET_TRACE
        for descriptor in (0, 1, 2, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF00000001):
            wanted = RET_TRACE if chosen == "writes" else RET_ALLOW
            assert run(parsed, arch, raw, descriptor).action == wanted


@pytest.mark.parametrize("number", [-1, -2, -4096, -(2**31)])
def test_numbers_that_no_call_has(number: int) -> None:
    everything = [2**64 - 1] * len(words_of([]))
    parsed = parse(build(everything))
    for abi in OWN:
        arch = ARCHES["x86_64" if abi == "x32" else abi]
        assert run(parsed, arch, number).action == RET_ALLOW
        assert run(parsed, arch, 0x3FFFFFFF).action == RET_ALLOW
        assert run(parsed, arch, 0x7FFFFFFF).action == RET_ALLOW


def test_another_architecture_is_none_of_ours() -> None:
    parsed = parse(build([2**64 - 1] * len(words_of([]))))
    others = [arch for name, arch in ARCHES.items() if name not in OWN]
    for arch in (*others, 0, 0xFFFFFFFF, 0xC0000016):
        assert run(parsed, arch, 0).action == RET_ALLOW


def every_other() -> set[tuple[str, int]]:
    """The set that takes the longest program: each call is a range of its own."""
    return {(abi, number) for abi in ABIS[1:] for number in range(0, NUMBERS, 2)}


def three_hundred() -> set[tuple[str, int]]:
    random.seed(300)
    return {(abi, number) for abi in ABIS[1:] for number in random.sample(range(460), 300)}


@pytest.mark.parametrize(
    ("chosen", "longest", "steps"),
    [(every_other(), 3600, 21), (three_hundred(), 1400, 18), (set(), 200, 14)],
    ids=["worst", "300 calls", "none"],
)
def test_small_and_quick(chosen: Collection[tuple[str, int]], longest: int, steps: int) -> None:
    program = build(words_of(chosen))
    parsed = parse(program)
    assert len(parsed) <= longest < MAX_INSTRUCTIONS
    most = max(run(parsed, arch, raw, 1).steps for abi in OWN for arch, raw, _ in numbers_of(abi))
    assert most <= steps
    check_shape(program)


def test_the_kernel_takes_the_longest() -> None:
    """Installed for real, in a child that then makes calls which it allows."""

    class Program(ctypes.Structure):
        _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    code = build(words_of(every_other()), RET_ALLOW)
    libc = ctypes.CDLL(None, use_errno=True)
    program = Program(len(code) // 8, code)
    pid = os.fork()
    if pid == 0:
        status = 9
        try:
            libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
            if libc.prctl(22, 2, ctypes.byref(program)) == 0:  # PR_SET_SECCOMP, filter
                status = 0 if os.getppid() else 8
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_too_little_room_is_told() -> None:
    ffi, lib = native.load()
    words = ffi.new("uint64_t[]", words_of(every_other()))
    room = ffi.new("uint64_t[]", [7] * 12)
    assert lib.rn_filter_program(words, RET_TRACE, room, 10) == 0
    assert list(room)[10:] == [7, 7]
