# SPDX-License-Identifier: MIT
"""Records as plain text, without the core: names, numbers, and what was captured.

The form of the lines is strace's; flags, structures and constants are not decoded.
"""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING

from renacer_otel.engine import calls
from renacer_otel.engine import python_record as form

if TYPE_CHECKING:
    from renacer_otel.engine.python_record import Record

_COLUMN = 39
_NO_RETURN = ("exit", "exit_group")
# Where Python knows a number by its other name.
_ERRNOS = {11: "EAGAIN", 35: "EDEADLK", 95: "EOPNOTSUPP"}
_RESTARTS = {512: "ERESTARTSYS", 513: "ERESTARTNOINTR", 514: "ERESTARTNOHAND",
             516: "ERESTART_RESTARTBLOCK"}  # fmt: skip
_ESCAPES = {10: "\\n", 9: "\\t", 13: "\\r", 34: '\\"', 92: "\\\\"}
_UNFINISHED = " <unfinished ...>"
_SIGN = 1 << 63
_SMALL = 1 << 16  # from here on a number is rather an address or flags
_DETACHED = 1 << 6


class Text:
    """Each line begins with the id of its thread. `silent_exits`: no lines of exits."""

    def __init__(self, *, silent_exits: bool = False) -> None:
        self._silent = silent_exits
        self._open: dict[int, str] = {}  # threads in a call that has been shown as unfinished
        self._held: tuple[int, str] | None = None  # an exec's thread and line so far

    def lines(self, record: Record) -> list[str]:
        """The lines of a record, each with its newline."""
        kind, tid = record.kind, record.tid
        if kind == form.ENTER and _named(record)[0] in ("execve", "execveat"):
            # Between it and its exit stands the record of the exec, which is no line.
            lines = self._release()
            self._held = tid, self._call(record)
            return lines
        if kind == form.EXIT and self._held and self._held[0] == tid:
            head = self._held[1].removesuffix(_UNFINISHED) + ")"
            self._held = None
            self._open.pop(tid, None)
            return [f"{tid} {head:<{_COLUMN}} = {_result(record)}\n"]
        lines = self._lines(record)
        return [*self._release(), *lines] if lines else []

    def _release(self) -> list[str]:
        """What is held is shown as unfinished."""
        if not self._held:
            return []
        tid, line = self._held
        self._held = None
        return [f"{tid} {line}\n"]

    def _lines(self, record: Record) -> list[str]:
        kind, tid = record.kind, record.tid
        if kind in (form.ENTER, form.CALL):
            shown = [self._call(record)]
        elif kind == form.EXIT:
            shown = [self._exit(record)]
        elif kind == form.SIGNAL:
            code, pid, uid = record.args[:3]
            shown = [
                f"--- {signal_name(record.nr)} {{si_code={code}, si_pid={pid}, si_uid={uid}}} ---"
            ]
        elif kind == form.GROUP_STOP:
            shown = [f"--- stopped by {signal_name(record.nr)} ---"] if record.nr else []
        elif kind == form.END:
            shown = self._end(record)
        elif kind == form.GAP:
            return [f"*** {record.args[0]} events lost ***\n"]
        else:
            shown = []
        return [f"{tid} {line}\n" for line in shown]

    def _call(self, record: Record) -> str:
        name, count = _named(record)
        head = f"{name}({', '.join(_arguments(record, count))}"
        if name in _NO_RETURN:
            return f"{head + ')':<{_COLUMN}} = ?"
        if record.kind == form.ENTER:
            self._open[record.tid] = name
            return head + _UNFINISHED
        return f"{head + ')':<{_COLUMN}} = {_result(record)}"

    def _exit(self, record: Record) -> str:
        name = self._open.pop(record.tid, None) or _named(record)[0]
        read = [shown for _, shown in _pieces(record)]
        head = f"<... {name} resumed>{' ' if read else ''}{', '.join(read)})"
        return f"{head:<{_COLUMN}} = {_result(record)}"

    def _end(self, record: Record) -> list[str]:
        shown = []
        if name := self._open.pop(record.tid, None):
            shown.append(f"{f'<... {name} resumed>)':<{_COLUMN}} = ?")
        status = record.args[1]
        if record.flags & _DETACHED:
            shown.append("<detached ...>")
        elif self._silent:
            pass
        elif os.WIFSIGNALED(status):
            core = " (core dumped)" if os.WCOREDUMP(status) else ""
            shown.append(f"+++ killed by {signal_name(os.WTERMSIG(status))}{core} +++")
        else:
            shown.append(f"+++ exited with {os.WEXITSTATUS(status)} +++")
        return shown


def signal_name(number: int) -> str:
    """`SIGTERM`, or `SIGRT_3`."""
    if number >= 32:
        return f"SIGRT_{number - 32}"
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG_{number}"


def quoted(data: bytes) -> str:
    """As C writes it, in printable ASCII only."""
    shown = []
    for at, byte in enumerate(data):
        if byte in _ESCAPES:
            shown.append(_ESCAPES[byte])
        elif 32 <= byte < 127:
            shown.append(chr(byte))
        else:  # three digits where a digit follows
            digit = data[at + 1 : at + 2].isdigit()
            shown.append(f"\\{byte:03o}" if digit else f"\\{byte:o}")
    return '"' + "".join(shown) + '"'


def _named(record: Record) -> tuple[str, int]:
    call = calls.find(record.abi, record.nr)
    return (call.name, call.arguments) if call else (f"syscall_{record.nr:#x}", 6)


def _arguments(record: Record, count: int) -> list[str]:
    captured = dict(_pieces(record))
    return [captured.get(at) or _number(value) for at, value in enumerate(record.args[:count])]


def _pieces(record: Record) -> list[tuple[int, str]]:
    """(argument, how it is shown) of what was captured."""
    found = []
    for piece in record.pieces:
        kind, arg, flags, data = form.unpack_piece(piece)
        if arg == form.NO_ARG or flags & form.UNREAD:
            continue
        if kind == form.ARGV:
            words = data.split(b"\0")[:-1]
            shown = "[" + ", ".join(map(quoted, words)) + (", ...]" if flags & form.CUT else "]")
        else:
            shown = quoted(data) + ("..." if flags & form.CUT else "")
        found.append((arg, shown))
    return found


def _number(value: int) -> str:
    value &= (_SIGN << 1) - 1
    signed = value - (_SIGN << 1) if value & _SIGN else value
    low = value - (1 << 32) if value >> 31 == 1 else signed  # an int that is negative
    return str(low) if -4096 <= low < _SMALL else hex(value)


def _result(record: Record) -> str:
    if record.flags & (form.FAILED | form.INTERRUPTED):
        number = -record.result
        if number in _RESTARTS:
            return f"? {_RESTARTS[number]}"
        name = _ERRNOS.get(number) or errno.errorcode.get(number, f"E{number}")
        return f"-1 {name} ({os.strerror(number)})"
    return _number(record.result)
