# SPDX-License-Identifier: MIT
"""Runs a command under a seccomp profile of containers, as far as ours has to do with it:

    python filtered.py PROFILE -- COMMAND...

Names become numbers by engine/calls.tsv. What is asked of an argument is SCMP_CMP_MASKED_EQ alone.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import struct
import sys
from pathlib import Path
from typing import Any

_TABLE = Path(__file__).resolve().parents[2] / "renacer_otel" / "engine" / "calls.tsv"
# <linux/bpf_common.h>, <linux/seccomp.h>, <linux/audit.h>, <linux/prctl.h>
_LOAD, _AND, _EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x06
_NUMBER_AT, _ARCH_AT, _ARGS_AT = 0, 4, 16
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_ENOSYS = 38


def numbers() -> dict[str, int]:
    """Of this machine's calls."""
    rows = [line.split("\t") for line in _TABLE.read_text(encoding="utf-8").splitlines()]
    head = next(row for row in rows if row[0] == "# name")
    column = head.index(platform.machine())
    return {row[0]: int(row[column]) for row in rows if row[0][0] != "#" and row[column].isdigit()}


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _action(name: str, error: int) -> int:
    return _ALLOW if name == "SCMP_ACT_ALLOW" else _ERRNO | error


def program(profile: dict[str, Any]) -> bytes:
    """The filter that a container runtime would make of it, a rule at a time."""
    known = numbers()
    made = _instruction(_LOAD, _ARCH_AT) + _instruction(_EQUAL, _ARCH[platform.machine()], 1, 0)
    made += _instruction(_RETURN, _ERRNO | _ENOSYS) + _instruction(_LOAD, _NUMBER_AT)
    for rule in profile["syscalls"]:
        verdict = _instruction(_RETURN, _action(rule["action"], rule.get("errnoRet", 1)))
        for name in rule["names"]:
            if name not in known:  # another architecture's
                continue
            body = verdict
            for arg in rule.get("args", ()):
                assert arg["op"] == "SCMP_CMP_MASKED_EQ"
                at = _ARGS_AT + 8 * arg["index"]  # its lower half: no mask of ours is wider
                body = _instruction(_LOAD, at) + _instruction(_AND, arg["value"])
                body += _instruction(_EQUAL, arg.get("valueTwo", 0), 0, 1) + verdict
                body += _instruction(_LOAD, _NUMBER_AT)
            made += _instruction(_EQUAL, known[name], 0, len(body) // 8) + body
    default = _action(profile["defaultAction"], profile.get("defaultErrnoRet", 1))
    return made + _instruction(_RETURN, default)


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def main() -> None:
    """Installs the filter and becomes the command."""
    path, _, *command = sys.argv[1:]
    code = program(json.loads(Path(path).read_text(encoding="utf-8")))
    content = ctypes.create_string_buffer(code, len(code))
    given = _Program(len(code) // 8, ctypes.addressof(content))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for words in ((_NO_NEW_PRIVS, 1, 0, 0, 0), (_SET_SECCOMP, _FILTER, ctypes.byref(given))):
        if prctl(*words) != 0:
            sys.exit(f"filtered.py: {os.strerror(ctypes.get_errno())}")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
