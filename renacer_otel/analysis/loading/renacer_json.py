# SPDX-License-Identifier: MIT
"""renacer-json-v1 as columns: what Renacer's `--format json` prints, and NAME.json of a golden.

    {"version": "0.10.2", "format": "renacer-json-v1",
     "syscalls": [{"name": "openat", "args": ["0xffffff9c", "\\"/etc/hosts\\"", "0x0"], "result": 3,
                   "duration_us": 12, "source": {"file": "a.c", "line": 3, "function": "main"},
                   "ts_us": 1200, "tid": 7}],
     "summary": {"total_syscalls": 1, "total_time_us": 12, "exit_code": 0}}

`duration_us`, `source`, `ts_us` and `tid` may be absent (the last two are so in Renacer up to
0.10). There are three arguments of each call, in hex; only the path of an openat is a text, put
between quotes and not escaped. It stands in the traced program's own output, with which Renacer
shares standard output.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from renacer_otel.analysis.loading import names
from renacer_otel.analysis.loading.columns import Rows, Texts, no_details
from renacer_otel.analysis.loading.descriptors import Descriptors
from renacer_otel.analysis.loading.stream import Stream
from renacer_otel.errors import TraceUnreadable, one_line
from renacer_otel.spans import replay

if TYPE_CHECKING:
    from io import BufferedReader

    from numpy.typing import NDArray

FORM = "renacer-json"
VERSION = "renacer-json-v1"
#: Of other output before it that is looked through, bytes.
MOST_BEFORE = 64 << 20
_MARK = b'"renacer-json-v'
# What its first keys are, up to the mark.
_BEGIN = re.compile(rb'\{\s*(?:"version"\s*:\s*"[^"\\]{0,80}"\s*,\s*)?"format"\s*:\s*$')
_REACH = 256
_MOST_TRIES = 16
_MOST_US = 1 << 53
_MAX_ERRNO = 4095
_INTERRUPTED = range(-516, -511)  # ERESTART* of the kernel
_MORE_THREADS = ("clone", "clone3", "fork", "vfork")
# What it returns is a register of the code that it goes back to.
_NO_RESULT = ("rt_sigreturn", "sigreturn")
START, EXIT = 4, 6  # RN_PROCESS_START, RN_EXIT
_HEX = re.compile(r"0x[0-9a-f]{1,16}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_KINDS = {dict: "object", list: "array", str: "text", int: "whole number"}
_ROW = np.dtype(
    [
        ("nr", "<i4"),
        ("tid", "<i4"),  # 0 = not told
        ("result", "<i8"),
        ("duration", "<i8"),  # us; -1 = not told
        ("start", "<i8"),  # us; -1 = not told
        ("flags", "<u2"),
        ("path", "<u4"),
        ("other_path", "<u4"),
        ("object_path", "<u4"),  # by which its descriptor's file was opened
        ("object", "<u8"),
        ("fd", "<i4"),
        ("args", "<u8", (6,)),
    ]
)


def find(file: BufferedReader, begin: int = 0) -> int | None:
    """Where in the file it begins, at or after a byte; None: it does not.

    At most MOST_BEFORE bytes are looked through.
    """
    file.seek(begin)
    at, kept = begin, b""
    while at - begin < MOST_BEFORE:
        data = file.read(1 << 20)
        if not data:
            return None
        text = kept + data
        start = at - len(kept)
        found = text.find(_MARK)
        while found >= 0:
            match = _BEGIN.search(text, max(found - _REACH, 0), found)
            if match:
                return start + match.start()
            found = text.find(_MARK, found + 1)
        kept = text[-_REACH - len(_MARK) :]
        at += len(data)
    return None


def load(file: BufferedReader, name: str, begin: int, *, details: bool) -> replay.Replay:
    """The trace that begins at a byte of the file. Raises TraceUnreadable.

    The last one counts: one before it is the traced program's own output.
    """
    for _ in range(_MOST_TRIES):
        file.seek(begin)
        stream = Stream(file, name)
        reader, error = _Reader(stream), None
        try:
            reader.read()
        except TraceUnreadable as caught:
            error = caught
        after = max(begin + stream.bytes_used(), begin + 1)
        again = find(file, after)
        if again is None:
            if error is not None:
                raise error
            return reader.columns(details=details)
        begin = again
    raise stream.wrong(f"{_MOST_TRIES} beginnings of {VERSION} are in it")


class _Reader:
    """One such object."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._rows = Rows(_ROW)
        self._texts = Texts()
        self._descriptors = Descriptors()
        self._summary: dict[str, Any] | None = None
        self._unnamed = 0
        self._makes_threads = False
        self._untold: set[str] = set()

    def read(self) -> None:
        """All of it. Raises TraceUnreadable."""
        stream, form = self._stream, ""
        for key in stream.members():
            if key == "syscalls":
                if form != VERSION:
                    raise stream.wrong(f'"format" does not come before "{key}"')
                for _ in stream.elements():
                    self._call(stream.value())
            elif key == "format":
                form = str(stream.value())
                if form != VERSION:
                    raise TraceUnreadable(
                        f"{stream.name}: of another format, '{one_line(form, 40)}'; this program"
                        f" reads {VERSION}; use a newer renacer-otel"
                    )
            elif key == "summary":
                self._summary = self._checked(stream.value(), dict, key)
            else:
                stream.skip()

    def _checked(self, value: Any, kind: type, what: str) -> Any:
        if type(value) is not kind:
            raise self._stream.wrong(f'"{what}" is no {_KINDS[kind]}')
        return value

    def _whole(self, call: dict[str, Any], key: str, least: int, most: int) -> int:
        """A whole number that need not be there: -1."""
        value = call.get(key)
        if value is None:
            return -1
        self._checked(value, int, key)
        if not least <= value <= most:
            raise self._stream.wrong(f'"{key}" is out of range')
        return int(value)

    def _call(self, call: Any) -> None:
        self._checked(call, dict, "syscalls[]")
        name = self._checked(call.get("name"), str, "name")
        result = self._checked(call.get("result"), int, "result")
        if not -(1 << 63) <= result < 1 << 63:
            raise self._stream.wrong('"result" is out of range')
        known = names.call(name)
        self._unnamed += known.nr < 0
        args, paths = self._arguments(known, self._checked(call.get("args"), list, "args"))
        fd = -1
        if known.descriptor >= 0:
            fd = _signed(args[known.descriptor])
        opened = self._descriptors.follow(
            name, args, result, makes=known.makes, fd=fd, path=paths[0]
        )
        if known.makes and result >= 0:
            fd = result
        flags = 0
        if result in _INTERRUPTED:
            flags = replay.INTERRUPTED
        elif -_MAX_ERRNO <= result < 0 and name not in _NO_RESULT:
            flags = replay.FAILED
        self._makes_threads |= name in _MORE_THREADS and result > 0
        self._rows.add((
            known.nr, max(self._whole(call, "tid", 0, (1 << 31) - 1), 0), result,
            self._whole(call, "duration_us", 0, _MOST_US), self._whole(call, "ts_us", 0, _MOST_US),
            flags, paths[0], paths[1], opened.path, opened.object, fd, args,
        ))  # fmt: skip

    def _arguments(
        self, known: names.Call, given: list[Any]
    ) -> tuple[tuple[int, ...], tuple[int, int]]:
        """Six words, and the indexes of two paths."""
        words, paths, told = [0] * 6, [0, 0], 0
        for place, text in enumerate(given):
            self._checked(text, str, "args[]")
            if place >= 6:
                break
            if _HEX.fullmatch(text):
                words[place] = int(text, 16)
            elif place in known.paths[:2] and len(text) > 1 and text[0] == text[-1] == '"':
                paths[known.paths.index(place)] = self._texts.add(self._bytes(text[1:-1]))
                told += 1
            elif _DECIMAL.fullmatch(text):
                words[place] = int(text) & (1 << 64) - 1
            else:
                value = names.value(known.abi, known.nr, place, text)
                words[place] = value or 0
                if value is None:
                    self._untold.add("arguments")
        if len(given) < len(known.arguments):
            self._untold.add("arguments")
        if told < len(known.paths[:2]):
            self._untold.add("paths")
        return tuple(words), (paths[0], paths[1])

    def columns(self, *, details: bool) -> replay.Replay:
        """What was read."""
        rows = self._rows.all()
        self._judge(rows)
        rows, calls = self._timed(rows)
        first = int(calls["t0"].min()) if len(calls) else 0
        last = int(calls["t1"].max(initial=0))
        tids, of_thread = np.unique(rows["tid"], return_inverse=True)
        calls["thread"] = of_thread.reshape(-1)
        threads = np.zeros(max(len(tids), 1), replay.THREAD)
        threads["ordinal"], threads["maker"] = 1, replay.NO_THREAD
        threads["tid"][: len(tids)] = tids
        pid = int(rows["tid"][0]) if len(rows) else 0
        threads["pid"] = pid
        summary = self._summary
        status = None
        if summary is not None:
            code = self._checked(summary.get("exit_code", 0), int, "exit_code")
            status = (code & 0xFF) << 8
        events = np.zeros(2 if summary is not None else 1, replay.EVENT)
        events["thread"] = np.argmax(threads["tid"] == pid)
        events["kind"][0], events["seq"][0], events["t"][0] = START, 1, first
        if status is not None:
            events["kind"][1], events["seq"][1] = EXIT, 2 * len(rows) + 2
            events["t"][1], events["value"][1], events["last"][1] = last, status, 1
        process = replay.Process(
            1, pid, 0, "", status, first, last, 1, 2 * len(rows) + 2, len(rows),
            int(np.count_nonzero(rows["flags"] & replay.FAILED)),
        )  # fmt: skip
        return replay.Replay(
            {"engine": FORM, "id_key": [0, 0], "lamport_seed": 0, "machine": "x86_64"},
            calls, events, np.zeros(0, replay.EDGE), threads, {1: process},
            complete=True, lost_events=0, lost_calls=0,
            missed=self._rows.missed + self._texts.missed,
            details=self._details(rows) if details else None,
            form=FORM, lacks=self._lacks(), unknown=frozenset(self._untold),
        )  # fmt: skip

    def _judge(self, rows: NDArray[Any]) -> None:
        """What is not told, of UNKNOWN."""
        untold = self._untold
        untold |= {"causes", "signals", "peers"}
        if not len(rows) or rows["start"].min() < 0:
            untold.add("times")
        if not len(rows) or rows["duration"].max() < 0:
            untold.add("durations")
        if self._makes_threads or len(np.unique(rows["tid"])) > 1:
            untold |= {"processes", "objects"}
        total = None if self._summary is None else self._summary.get("total_syscalls")
        if total != len(rows) or self._unnamed:
            untold.add("calls")

    def _timed(self, rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """The rows in the order of their ends, and CALL, without threads.

        Where it is not told when a call was, it follows the one before it at once.
        """
        spent = np.maximum(rows["duration"], 0) * 1000
        known = "times" not in self._untold
        begin = rows["start"] * 1000 if known else np.cumsum(spent) - spent
        if known:
            order = np.argsort(begin + spent, kind="stable")
            rows, begin, spent = rows[order], begin[order], spent[order]
        calls = np.zeros(len(rows), replay.CALL)
        calls["t0"], calls["t1"] = begin, begin + spent
        calls["abi"], calls["nr"] = names.X86_64, rows["nr"]
        calls["result"], calls["flags"] = rows["result"], rows["flags"]
        calls["incomplete"] = 1
        # Of one instant, a call is over before the next begins.
        row = np.concatenate([np.arange(len(rows))] * 2)
        is_exit = np.repeat([0, 1], len(rows))
        keys = [is_exit, row]
        if known:
            keys.append(np.concatenate([calls["t0"], calls["t1"]]))
        numbers = np.empty(2 * len(rows), np.uint64)
        numbers[np.lexsort(keys)] = np.arange(2, 2 * len(rows) + 2)
        calls["seq"], calls["end"] = numbers[: len(rows)], numbers[len(rows) :]
        calls["lamport_start"], calls["lamport_end"] = calls["seq"], calls["end"]
        return rows, calls

    def _details(self, rows: NDArray[Any]) -> replay.Details:
        found = no_details(len(rows))
        found["args"], found["fd"] = rows["args"], rows["fd"]
        found["path"], found["other_path"] = rows["path"], rows["other_path"]
        if "objects" not in self._untold:
            found["object"] = rows["object"]
            found["path"] = np.where(rows["path"] != 0, rows["path"], rows["object_path"])
        return self._texts.details(found)

    def _lacks(self) -> list[str]:
        """In words, with what is lost by it."""
        said = {
            "processes": "which process or thread made a call (there are several)",
            "times": "when calls were made",
            "durations": "how long calls took",
            "arguments": "arguments after the third",
            "paths": "paths other than openat's",
            "peers": "addresses of connections",
            "causes": "what caused what",
            "signals": "signals",
        }
        found = [words for what, words in said.items() if what in self._untold]
        if self._unnamed:
            found.append(f"which calls {self._unnamed:,} are, whose names are not known")
        if self._summary is None:
            found.append("whether these are all calls (it has no summary)")
        elif "calls" in self._untold and not self._unnamed:
            found.append("all calls: its summary counts others")
        return found

    def _bytes(self, text: str) -> bytes:
        try:
            return text.encode()
        except UnicodeEncodeError as error:
            raise self._stream.wrong("half of a surrogate pair") from error


def _signed(word: int) -> int:
    """An int in a word of 64 bits."""
    low = word & 0xFFFFFFFF
    return low - (1 << 32) if low >> 31 else low
