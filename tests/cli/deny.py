# SPDX-License-Identifier: MIT
"""Runs a command under a seccomp filter that refuses some calls, as a container does.

    python deny.py NAME:ERRNO[:ARG0] ... -- COMMAND...

ARG0 limits the rule to calls with that first argument, e.g. ptrace:EIO:0x4206 (PTRACE_SEIZE).
Calls of another ABI pass: this is for tests, not for safety.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

NUMBERS = {
    "x86_64": {"ptrace": 101, "sched_setaffinity": 203, "process_vm_readv": 310,
               "memfd_create": 319},
    "aarch64": {"ptrace": 117, "sched_setaffinity": 122, "process_vm_readv": 270,
                "memfd_create": 279},
}  # fmt: skip

# <linux/bpf_common.h>, <linux/seccomp.h>, <linux/prctl.h>
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_AT, ARG0_AT = 0, 16
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
NO_NEW_PRIVS, SET_SECCOMP, FILTER = 38, 22, 2


def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One struct sock_filter."""
    return struct.pack("=HBBI", code, if_true, if_false, value)


def program(rules: list[str]) -> bytes:
    """The filter for these rules."""
    made = b""
    for rule in rules:
        name, error, *first = rule.split(":")
        refuse = instruction(RETURN, ERRNO | int(getattr(errno, error)))
        number = NUMBERS[platform.machine()][name]
        made += instruction(LOAD, NUMBER_AT)
        if first:
            made += instruction(EQUAL, number, 0, 3) + instruction(LOAD, ARG0_AT)
            made += instruction(EQUAL, int(first[0], 0), 0, 1) + refuse
        else:
            made += instruction(EQUAL, number, 0, 1) + refuse
    return made + instruction(RETURN, ALLOW)


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def main() -> None:
    """Installs the filter and becomes the command."""
    at = sys.argv.index("--")
    code = ctypes.create_string_buffer(program(sys.argv[1:at]))
    filter_program = Program((len(code) - 1) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for words in (
        (NO_NEW_PRIVS, 1, 0, 0, 0),
        (SET_SECCOMP, FILTER, ctypes.byref(filter_program), 0, 0),
    ):
        if libc.prctl(*words) != 0:
            raise OSError(ctypes.get_errno(), f"prctl({words[0]})")
    os.execvp(sys.argv[at + 1], sys.argv[at + 1 :])


if __name__ == "__main__":
    main()
