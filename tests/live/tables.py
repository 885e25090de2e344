# SPDX-License-Identifier: MIT
"""The system call tables as data, read from native/tables without the core's help."""

from __future__ import annotations

import functools
import platform
import re
import signal
from dataclasses import dataclass

from tests.live.backend import REPOSITORY

#: enum rn_abi of this machine's own ABI; KeyError on a machine without a table.
NATIVE_ABI = {"x86_64": 1, "aarch64": 4}[platform.machine()]
_TABLES = REPOSITORY / "native" / "tables"
_CALL = re.compile(r"\[(\d+)\] = \{\"(\w+)\", (\d+), ([\w |]+), (\d+), (\w+)\}")
_ARGUMENTS = re.compile(r"rn_arg_desc (\w+)\[\] = \{(.*)\};")
_ARGUMENT = re.compile(r"\{\"(\w+)\", RN_ARG_(\w+), (\d+), ([\w |<]+)\}")
_ERRNO = re.compile(r"\[(\d+)\] = \{\"(\w+)\", \".*\", (true|false)\}")


@dataclass(frozen=True)
class Argument:
    """An argument: the kernel's name of it, its kind (rn_arg_kind without RN_ARG_), its aux, its
    form (as C)."""

    name: str
    kind: str
    aux: int
    form: str

    @property
    def is_named(self) -> bool:
        """Whether it is a number that is shown by the names of constants."""
        return "RN_SET_" in self.form or "RN_FORM_CHOICE" in self.form


@dataclass(frozen=True)
class CallTable:
    """Names and arguments of the calls of this machine's own ABI, by number."""

    names: dict[int, str]
    arguments: dict[int, tuple[Argument, ...]]


@functools.cache
def native_calls() -> CallTable:
    """Raises FileNotFoundError on a machine for which there is no table."""
    lists = {"NULL": ()} | {
        match[1]: tuple(
            Argument(name, kind, int(aux), form)
            for name, kind, aux, form in _ARGUMENT.findall(match[2])
        )
        for match in _ARGUMENTS.finditer((_TABLES / "args.inc").read_text(encoding="utf-8"))
    }
    names = {}
    arguments = {}
    text = (_TABLES / f"{platform.machine()}.inc").read_text(encoding="utf-8")
    for number, name, count, _flags, _result, arguments_name in _CALL.findall(text):
        names[int(number)] = name
        arguments[int(number)] = lists[arguments_name]
        assert len(lists[arguments_name]) == int(count), name
    assert len(names) > 300
    return CallTable(names, arguments)


@functools.cache
def errors() -> dict[int, tuple[str, bool]]:
    """Name of each errno, and whether to fail so is routine."""
    text = (_TABLES / "constants.inc").read_text(encoding="utf-8")
    found = {
        int(number): (name, routine == "true") for number, name, routine in _ERRNO.findall(text)
    }
    assert len(found) > 100
    return found


def signal_name(number: int) -> str:
    """ "SIGINT" of 2; real-time signals by their distance from 32, others as numbers."""
    if number == 32:
        return "SIGRTMIN"
    if 32 < number <= 64:
        return f"SIGRT_{number - 32}"
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
