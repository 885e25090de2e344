# SPDX-License-Identifier: MIT
"""Files that are no traces, or are made to harm: by name, what each is made by."""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING, Any

import zstandard

from renacer_otel.ring import trace_format
from tests.loading.made import CALLS, call, opened, printed, request, span, whole
from tests.ring import traces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HEAD = '{"version": "0.10.2", "format": "renacer-json-v1", "syscalls": ['
CALL = span(
    3, 2, 10, 12,
    {"syscall.name": "read", "syscall.number": 0, "syscall.tid": 10, "syscall.result": 11},
)  # fmt: skip


def one(**changes: Any) -> bytes:
    """A trace of one call, that has been changed."""
    return printed(whole([{**CALLS[2], **changes}]))


def replaced(old: str, new: str) -> bytes:
    """The text of a sound trace, changed."""
    text = printed(whole(CALLS)).decode()
    assert old in text
    return text.replace(old, new, 1).encode()


def spans(old: str, new: str) -> bytes:
    """The text of sound spans, changed."""
    text = request([CALL])
    assert old in text
    return text.replace(old, new, 1).encode()


def claiming(size: int) -> bytes:
    """A TRACE whose frame of records is of zeros, packed."""
    stored = zstandard.compress(bytes(size))
    return traces.head() + traces.frame(2, stored, size, 1) + traces.end()


def again_and_again() -> bytes:
    """A TRACE of gigabytes: one sound record, a frame full of it, and that many times."""
    return traces.head() + traces.packed(traces.record(1) * 160_000) * 100 + traces.end()


def described(more: str) -> bytes:
    """A TRACE with more in its description, as it stands there."""
    text = json.dumps(traces.METADATA)[:-1] + ', "more": ' + more + "}"
    magic = trace_format.FILE_HEADER.pack(trace_format.MAGIC, trace_format.VERSION, 0)
    return magic + traces.frame(1, text.encode()) + traces.end()


def many_keys() -> str:
    return ", ".join(f'"k{n}": 0' for n in range(20_000))


#: What is in the file. All of them are unreadable.
CONTENTS: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "zeros": lambda: bytes(1 << 20),
    "text": lambda: b"hello\n" * 1000,
    "binary": lambda: random.Random(1).randbytes(1 << 16),
    "begin of a TRACE": lambda: b"RNCR",
    "newer TRACE": lambda: b"RNCRTRC\x02" + bytes(100),
    "TRACE without a key": lambda: traces.head() + traces.end(),
    "TRACE with NaN": lambda: traces.head({**traces.METADATA, "lamport_seed": float("nan")}),
    "TRACE of 64 MiB of zeros": lambda: claiming(64 << 20),
    "TRACE of 16 MiB of zeros": lambda: claiming(16 << 20),
    "TRACE of one record, gigabytes of it": again_and_again,
    "TRACE of a description of lists": lambda: described("[" + "[]," * (12 << 20) + "1]"),
    "TRACE of a description of brackets": lambda: described("[" * (30 << 20)),
    "TRACE of a description of emoji": lambda: described(
        '"\\ud83d\\ude00' + "x" * (38 << 20) + '"'
    ),
    "TRACE of a description with a key twice": lambda: described('1, "more": 1'),
    "a number": lambda: b"1",
    "null": lambda: b"null",
    "an empty object": lambda: b"{}",
    "other JSON": lambda: b'{"version": 1, "calls": []}',
    "newer renacer-json": lambda: replaced("renacer-json-v1", "renacer-json-v7"),
    "cut in a call": lambda: printed(whole(CALLS))[:700],
    "cut in a text": lambda: replaced('"/etc/hosts', '"/etc/hosts')[:400],
    "cut before its end": lambda: printed(whole(CALLS)).rstrip()[:-1],
    "cut after its format": lambda: HEAD[:50].encode(),
    "missing comma": lambda: replaced("},", "}"),
    "comma too much": lambda: replaced("}\n  ],", "},\n  ],"),
    "no quotes": lambda: replaced('"name"', "name"),
    "calls in an object": lambda: b'{"version": "1", "format": "renacer-json-v1", "syscalls": {}}',
    "calls are null": lambda: b'{"version": "1", "format": "renacer-json-v1", "syscalls": null}',
    "call is a list": lambda: HEAD.encode() + b'["read"]]}',
    "call without a name": lambda: HEAD.encode() + b'{"args": [], "result": 0}]}',
    "name is a number": lambda: one(name=7),
    "args are a text": lambda: one(args="0x3"),
    "args are pairs": lambda: one(args=[["fd", "1"]]),
    "arg is null": lambda: one(args=[None]),
    "result is a text": lambda: one(result="832"),
    "result is true": lambda: one(result=True),
    "result is a fraction": lambda: one(result=1.5),
    "result is missing": lambda: replaced('"result": 832', '"other": 832'),
    "result beyond 64 bits": lambda: one(result=1 << 63),
    "duration is negative": lambda: one(duration_us=-1),
    "duration is huge": lambda: one(duration_us=1 << 62),
    "time is huge": lambda: one(ts_us=1 << 63),
    "tid is huge": lambda: one(tid=1 << 40),
    "exit code is a text": lambda: replaced('"exit_code": 0', '"exit_code": "0"'),
    "summary is a list": lambda: printed({**whole(CALLS), "summary": []}),
    "NaN": lambda: one(result=float("nan")),
    "Infinity": lambda: one(result=float("inf")),
    "minus Infinity": lambda: one(duration_us=float("-inf")),
    "infinite by its exponent": lambda: replaced('"result": 832', '"result": 1e999'),
    "number of a million digits": lambda: replaced('"result": 832', '"result": ' + "9" * 10**6),
    "fraction of a million digits": lambda: replaced('"result": 832', '"result": 0.' + "9" * 10**6),
    "leading zero": lambda: replaced('"result": 832', '"result": 0832'),
    "key twice": lambda: replaced('"result": 832', '"result": 832, "result": 1'),
    "calls twice": lambda: replaced('"summary"', '"syscalls": [], "summary"'),
    "many keys": lambda: replaced('"summary"', many_keys() + ', "summary"'),
    "no UTF-8": lambda: replaced("/etc/hosts", "@").replace(b"@", b"\xff\xfe"),
    "UTF-8 of a surrogate": lambda: replaced("/etc/hosts", "@").replace(b"@", b"\xed\xa0\x80"),
    "cut UTF-8": lambda: printed(whole(CALLS)).rstrip()[:-1] + b"\xc3",
    "half of a surrogate pair": lambda: replaced("/etc/hosts", "\\ud800"),
    "control character in a text": lambda: replaced("/etc/hosts", "\x01"),
    "NUL in a text": lambda: replaced("/etc/hosts", "\x00"),
    "wrong escape": lambda: replaced("/etc/hosts", "\\x41"),
    "brackets in calls": lambda: HEAD.encode() + b"[" * (8 << 20),
    "braces in calls": lambda: HEAD.encode() + b'{"a":' * (1 << 20),
    "brackets in a call": lambda: HEAD.encode() + b'{"args":' + b"[" * (8 << 20),
    "brackets in what nobody reads": lambda: HEAD.encode() + b'], "x": ' + b"[" * (8 << 20),
    "empty lists in a call": lambda: HEAD.encode() + b'{"args": [' + b"[]," * (4 << 20),
    "white space in a list": lambda: HEAD.encode() + b"\n" * (8 << 20),
    "white space between values": lambda: (
        HEAD.encode()[:-1] + b"[]," + b'"x": [' + (b" " * 1000 + b"1,") * (8 << 10)
    ),
    "a text of 8 MiB": lambda: HEAD.encode() + b'{"name": "' + b"x" * (8 << 20) + b'"',
    "a text without an end": lambda: HEAD.encode() + b'{"name": "' + b"x" * (8 << 20),
    "a thousand beginnings": lambda: HEAD.encode() * 1000,
    "spans: cut": lambda: request([CALL])[:-10].encode(),
    "spans: of others": lambda: request([CALL], scope="other").encode(),
    "spans: none": lambda: b'{"resourceSpans": []}',
    "spans: brackets": lambda: b'{"resourceSpans":' + b"[" * (8 << 20),
    "spans: brackets in a resource": lambda: b'{"resourceSpans":[{"resource":' + b"[" * (8 << 20),
    "spans: 64 MiB of white space": lambda: b'{"resourceSpans": [' + b" " * (64 << 20),
    "spans: two runs": lambda: (request([CALL], "a") + request([span(9, 2, 1, 2, {
        "syscall.name": "read"})], "b")).encode(),
    "spans: key twice": lambda: spans('"kind": 1', '"kind": 1, "kind": 1'),
    "spans: NaN": lambda: spans('"kind": 1', '"kind": NaN'),
    "spans: no id": lambda: spans('"spanId": "0000000000000003"', '"spanId": 3'),
    "spans: time in words": lambda: spans('TimeUnixNano": "1', 'TimeUnixNano": "x1'),
    "spans: time beyond 64 bits": lambda: spans('TimeUnixNano": "1', 'TimeUnixNano": "99999999991'),
    "spans: number of an unknown call beyond 32 bits": lambda: request([span(
        3, 2, 10, 12, {"syscall.name": "new", "syscall.number": 1 << 53})]).encode(),
    "spans: result beyond 64 bits": lambda: spans('ue": "11"', 'ue": "' + "9" * 20 + '"'),
    "spans: result of a million digits": lambda: spans('ue": "11"', 'ue": ' + "9" * 10**6),
    "spans: half of a surrogate pair": lambda: request([{**CALL, "attributes": [
        *CALL["attributes"], {"key": "file.path", "value": {"stringValue": "\ud800"}}]}]).encode(),
    "spans: lists in what nobody reads, 8 MiB": lambda: (
        b'{"resourceSpans":[],"x":[' + b"[]," * (3 << 20) + b"1]}"
    ),
    "spans: no UTF-8": lambda: spans('"kind"', '"@"').replace(b"@", b"\xff"),
}  # fmt: skip


def brackets(size: int) -> Iterator[bytes]:
    """So many of them, a piece at a time."""
    piece = b"[" * (1 << 20)
    for _ in range(size >> 20):
        yield piece


def odd_paths(folder: Path) -> dict[str, tuple[str, int]]:
    """Paths that are no files, and the exit code for each."""
    os.mkfifo(folder / "fifo")
    (folder / "loop").symlink_to("loop")
    (folder / "secret").touch(0)
    (folder / "file").touch()
    return {
        "FIFO": (str(folder / "fifo"), 3),
        "directory": (str(folder), 3),
        "device": ("/dev/zero", 3),
        "terminal": ("/dev/ptmx", 3),
        "loop": (str(folder / "loop"), 3),
        "long name": ("x" * 5000, 3),
        "absent": (str(folder / "absent"), 2),
        "absent folder": (str(folder / "absent" / "trace"), 2),
        "below a file": (str(folder / "file" / "trace"), 2),
        "no name": ("", 2),
    }


def big(calls: int) -> bytes:
    """A sound trace of many calls."""
    rows = [opened("/etc/hosts", 3), call("read", "0x3", result=1), call("close", "0x3")]
    return json.dumps(whole(rows * (calls // 3))).encode()
