# SPDX-License-Identifier: MIT
"""`allowed.py COMMAND…`: runs a command under the filter of `-e trace=openat`, with ALLOW where
that asks for a tracer, and without a tracer."""

from __future__ import annotations

import ctypes
import os
import sys

from renacer_otel.engine import native
from renacer_otel.sidecar import filters

_RET_ALLOW = 0x7FFF0000
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _MODE_FILTER = 22, 38, 2


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def main(command: list[str]) -> None:
    ffi, lib = native.load()
    wanted = ffi.new("uint64_t[]", filters.select(["trace=openat"]).wanted)
    code = ffi.new("uint64_t[]", 4096)
    count = lib.rn_filter_program(wanted, _RET_ALLOW, code, 4096)
    program = _Program(count, int(ffi.cast("uintptr_t", code)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program)) < 0:
        sys.exit(f"allowed.py: prctl: {os.strerror(ctypes.get_errno())}")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
