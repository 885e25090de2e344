# SPDX-License-Identifier: MIT
"""The filter's program, taken from the core, and a machine that runs it (classic BPF)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.engine import native
from renacer_otel.engine.launch import ABI_COUNT, WORDS_PER_ABI

if TYPE_CHECKING:
    from collections.abc import Iterable

# <linux/seccomp.h>, <linux/audit.h>
RET_ALLOW = 0x7FFF0000
RET_TRACE = 0x7FF00000
ARCHES = {"x86_64": 0xC000003E, "i386": 0x40000003, "aarch64": 0xC00000B7, "arm": 0x40000028}
ABIS = ("unknown", "x86_64", "i386", "x32", "aarch64", "arm")
X32_BIT = 0x40000000
MAX_INSTRUCTIONS = 4096

# <linux/bpf_common.h>: what the kernel can evaluate in advance (seccomp_is_const_allow), but for
# a load of an argument.
_LOAD, _AND, _JUMP, _JEQ, _JGE, _RETURN = 0x20, 0x54, 0x05, 0x15, 0x35, 0x06
FIRST = 16  # struct seccomp_data: the low half of args[0]
OPERATIONS = {_LOAD, _AND, _JUMP, _JEQ, _JGE, _RETURN}


class Instruction(NamedTuple):
    """struct sock_filter."""

    code: int
    yes: int
    no: int
    k: int


class Verdict(NamedTuple):
    """What a call gets, and after how many instructions."""

    action: int
    steps: int


def words_of(calls: Iterable[tuple[str, int]]) -> list[int]:
    """The core's bitmaps of calls, as (ABI, number)."""
    words = [0] * (ABI_COUNT * WORDS_PER_ABI)
    for abi, number in calls:
        words[ABIS.index(abi) * WORDS_PER_ABI + number // 64] |= 1 << number % 64
    return words


def build(words: list[int], action: int = RET_TRACE) -> bytes:
    """The program as the kernel takes it; b"" if it were too long."""
    ffi, lib = native.load()
    room = ffi.new("uint64_t[]", MAX_INSTRUCTIONS)
    count = lib.rn_filter_program(ffi.new("uint64_t[]", words), action, room, MAX_INSTRUCTIONS)
    return bytes(ffi.buffer(room, 8 * count))


def parse(program: bytes) -> list[Instruction]:
    return [Instruction(*fields) for fields in struct.iter_unpack("<HBBI", program)]


def run(program: list[Instruction], arch: int, number: int, first: int | None = None) -> Verdict:
    """One call through the program; with no `first` argument, it must not be looked at."""
    accumulator, at, steps = 0, 0, 0
    while True:
        code, yes, no, k = program[at]
        at += 1
        steps += 1
        if code == _LOAD:
            assert k != FIRST or first is not None
            accumulator = {0: number & 0xFFFFFFFF, 4: arch, FIRST: (first or 0) & 0xFFFFFFFF}[k]
        elif code == _AND:
            accumulator &= k
        elif code == _JUMP:
            at += k
        elif code == _JEQ:
            at += yes if accumulator == k else no
        elif code == _JGE:
            at += yes if accumulator >= k else no
        elif code == _RETURN:
            return Verdict(k, steps)
        else:
            raise AssertionError(f"operation {code:#x}")
