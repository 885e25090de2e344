# SPDX-License-Identifier: MIT
"""`--capture hashes`: each engine and fallback gives the hash of just what was written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renacer_otel.spans import replay
from renacer_otel.spans.content import Content, of_bytes
from tests.compiling import compiled_once
from tests.engine.test_python_engine import PYTHON
from tests.engine.tools import environment, execute, record, traced
from tests.spans.test_carriers import QUEUE
from tests.spans.test_channels import PRELUDE
from tests.spans.test_lanes import LANES

if TYPE_CHECKING:
    from collections.abc import Sequence

HASHES = ("--capture", "hashes")
NAMES = {
    "write", "pwrite64", "writev", "pwritev", "pwritev2", "sendto", "sendmsg", "sendmmsg",
    "vmsplice", "mq_timedsend", "msgsnd", "sendfile", "splice", "socketcall",
}  # fmt: skip
SUBJECT = (
    PRELUDE
    + QUEUE
    + """
class Part(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]

class Head(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint), ("parts", ctypes.c_void_p),
                ("count", ctypes.c_size_t), ("control", ctypes.c_void_p),
                ("controllen", ctypes.c_size_t), ("flags", ctypes.c_long), ("sent", ctypes.c_long)]

BIG = bytes(range(256)) * 4099
file = os.open(sys.argv[1] + "/file", os.O_RDWR | os.O_CREAT, 0o600)
os.write(file, b"written")
os.write(file, b"")
os.pwrite(file, b"placed", 3)
os.writev(file, [b"a" * 5, b"", b"b" * 70000, b"c"])
os.writev(file, [bytes([n % 256]) * (n % 7) for n in range(1024)])
os.pwritev(file, [b"three", b"four"], 9, os.RWF_DSYNC)
os.write(file, BIG)
try:
    os.write(99, b"nowhere")
except OSError:
    pass
r, w = os.pipe()
os.set_blocking(w, False)
assert os.write(w, BIG) == 65536
one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
one.send(b"sent")
one.sendmsg([b"in", b" ", b"parts"])
text = ctypes.create_string_buffer(b"firstsecondthird")
at = ctypes.addressof(text)
parts = (Part * 3)(Part(at, 5), Part(at + 5, 6), Part(at + 11, 5))
assert libc.pwritev(file, parts, 2, ctypes.c_long(9)) == 11
size = ctypes.sizeof(Part)
heads = (Head * 2)(Head(parts=ctypes.addressof(parts), count=2),
                   Head(parts=ctypes.addressof(parts) + 2 * size, count=1))
assert libc.sendmmsg(one.fileno(), heads, 2, 0) == 2
r, w = os.pipe()
assert libc.vmsplice(w, parts, ctypes.c_ulong(2), 0) == 11
room = ctypes.create_string_buffer(20)
taken = (Part * 1)(Part(ctypes.addressof(room), 11))
assert libc.vmsplice(r, taken, ctypes.c_ulong(1), 0) == 11
there = opened(os.O_RDWR | os.O_CREAT | os.O_EXCL)
put(there, 1009, 1)
queue = libc.msgget(0, 0o600)
letter = struct.pack("l6s", 1, b"letter")
assert libc.msgsnd(queue, letter, ctypes.c_size_t(6), 0) == 0
libc.msgctl(queue, 0, None)
os.sendfile(one.fileno(), file, 0, 7)
assert libc.splice(file, ctypes.byref(ctypes.c_long(0)), w, None, ctypes.c_size_t(10), 0) == 10
"""
)
BIG = bytes(range(256)) * 4099
Told = tuple[str, int, Content | None]


def parts_of(number: int) -> bytes:
    return bytes([number % 256]) * (number % 7)


def whole(name: str, *parts: bytes) -> Told:
    """A call that wrote these, by its name and what is known of it."""
    return name, replay.CONTENT_HASHED, of_bytes(b"".join(parts))


EXPECTED: list[Told] = [
    whole("write", b"written"),
    whole("write"),
    whole("pwrite64", b"placed"),
    whole("writev", b"a" * 5, b"b" * 70000, b"c"),
    whole("writev", *map(parts_of, range(1024))),
    whole("pwritev2", b"three", b"four"),
    whole("write", BIG),
    ("write", replay.CONTENT_NONE, None),
    whole("write", BIG[:65536]),
    whole("sendto", b"sent"),
    whole("sendmsg", b"in parts"),
    whole("pwritev", b"firstsecond"),
    whole("sendmmsg", b"firstsecondthird"),
    whole("vmsplice", b"firstsecond"),
    ("vmsplice", replay.CONTENT_NONE, None),
    whole("mq_timedsend", bytes(1009)),
    whole("msgsnd", b"letter"),
    ("sendfile", replay.CONTENT_UNSEEN, None),
    ("splice", replay.CONTENT_UNSEEN, None),
]


def told(path: Path) -> list[Told]:
    """Of each call that writes: its name, and what is known of what it wrote."""
    run = replay.of_trace(path, details=True)
    assert run.complete
    assert not run.lost_events
    assert run.details is not None
    names = [replay.call_name(int(row["abi"]), int(row["nr"])) for row in run.calls]
    return [
        (name, int(run.details.rows["content"][at]), run.details.content(at))
        for at, name in enumerate(names)
        if name in NAMES
    ]


def recorded(folder: Path, words: Sequence[object], lane: str, *more: str) -> list[Told]:
    """What a command wrote, as one lane has recorded it. `lane`: of LANES."""
    options, disable = LANES[lane]
    run = record(folder, words, *options, *more, env=environment(RENACER_DISABLE=disable))
    if run.done.status == 77:
        pytest.skip("not on this kernel")
    assert (run.done.status, run.done.errors) == (0, "")
    return told(run.path)


@pytest.mark.parametrize("lane", ["plain", "process_vm_readv", "all", "python"])
def test_every_call_that_writes(tmp_path: Path, lane: str) -> None:
    words = [sys.executable, "-ISc", SUBJECT, tmp_path]
    assert recorded(tmp_path, words, lane, *HASHES) == EXPECTED


NAMES_FOLDER = """
import os
here = os.fsencode(os.getcwd())
out = os.open("out", os.O_WRONLY | os.O_CREAT, 0o600)
for before, after in PAIRS:
    os.write(out, before + here + after)
os.writev(out, [here + b"\\n", b" " * 70000, here])
os.write(out, here[:-1])
"""
#: What is around the folder's name, and whether it is the folder then.
AROUND = [
    (b"", b"", True), (b"in ", b"/file", True), (b'"', b'"', True), (b"\n", b"\0", True),
    (b"x", b"", False), (b"", b"x", False), (b"/", b"", False), (b"", b".old", False),
    (b"", b"-1", False), (b"\xc3\xa9", b"", False),
]  # fmt: skip


def test_the_folder_of_the_run_is_taken_out(tmp_path: Path) -> None:
    """Where paths are those of the run's folder, contents are, too."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    program = NAMES_FOLDER.replace("PAIRS", repr([pair[:2] for pair in AROUND]))
    command = [sys.executable, "-ISBc", program]
    run = record(tmp_path, command, *HASHES, cwd=folder)
    assert (run.done.status, run.done.errors) == (0, "")
    here, stands = os.fsencode(folder), b"\0<folder>\0"
    raw, portable = (
        replay.of_trace(run.path, details=True, portable=portable) for portable in (False, True)
    )
    for found, name in ((raw, here), (portable, stands)):
        written = [
            before + (name if is_folder else here) + after for before, after, is_folder in AROUND
        ]
        written += [name + b"\n" + b" " * 70000 + name, here[:-1]]
        details = found.details
        assert details is not None
        rows = [at for at in range(len(details.rows)) if details.rows["content"][at]]
        assert [details.content(row) for row in rows] == list(map(of_bytes, written))


def test_only_if_asked_for(tmp_path: Path) -> None:
    words = [sys.executable, "-ISc", "import os; os.write(1, b'')", tmp_path]
    assert recorded(tmp_path, words, "plain") == [("write", replay.CONTENT_NONE, None)]
    assert not replay.of_trace(tmp_path / "run.renacer").has_hashes
    assert recorded(tmp_path, words, "plain", *HASHES) == [whole("write")]
    assert replay.of_trace(tmp_path / "run.renacer").has_hashes


def test_only_of_calls_that_are_recorded(tmp_path: Path) -> None:
    words = [sys.executable, "-ISc", SUBJECT, tmp_path]
    found = recorded(tmp_path, words, "plain", *HASHES, "-e", "trace=sendto,vmsplice")
    assert found == [one for one in EXPECTED if one[0] in ("sendto", "vmsplice")]


def test_what_it_is_for() -> None:
    for words in ["-o", "/dev/null"], ["--format", "csv", "-o", "/dev/null"]:
        done = execute([*traced(*HASHES, *words), "true"])
        assert (done.status, done.errors.count("\n")) == (125, 1)
        assert "--capture is for TRACE files: add --format record -o FILE" in done.errors
    done = execute([*traced("--capture", "hash"), "true"])
    assert done.status == 125
    assert "did you mean hashes?" in done.errors


# What is not as it was, or never was.

PAGE = 4096
LONG = 64 * PAGE


@pytest.fixture(scope="module")
def hostile(shared_folder: Path) -> Path:
    source = Path(__file__).parent / "subjects" / "hashes.c"
    return compiled_once(shared_folder / "spans" / "hashes", source)


lanes = pytest.mark.parametrize("lane", ["plain", "process_vm_readv", "python"])


@lanes
def test_memory_that_is_gone(tmp_path: Path, hostile: Path, lane: str) -> None:
    found = recorded(tmp_path, [hostile, "gone"], lane, *HASHES)
    assert found == [("write", replay.CONTENT_UNREAD, None)]


@lanes
def test_memory_that_has_changed(tmp_path: Path, hostile: Path, lane: str) -> None:
    """It is hashed as it is when the call ends."""
    found = recorded(tmp_path, [hostile, "changed"], lane, *HASHES)
    assert found == [whole("write", b"b" * PAGE, b"a" * (LONG - PAGE))]


@lanes
def test_memory_that_was_not_there(tmp_path: Path, hostile: Path, lane: str) -> None:
    found = recorded(tmp_path, [hostile, "half"], lane, *HASHES)
    assert found == [
        whole("write", b"a" * PAGE),
        ("write", replay.CONTENT_NONE, None),
        whole("writev", b"a" * PAGE),
        whole("write", b"a" * PAGE),
        ("writev", replay.CONTENT_NONE, None),
        ("writev", replay.CONTENT_NONE, None),
    ]


@lanes
def test_results_that_are_made_up(tmp_path: Path, hostile: Path, lane: str) -> None:
    """By who answers calls in the kernel's place: seccomp_unotify(2)."""
    found = recorded(tmp_path, [hostile, "told"], lane, *HASHES)
    unread = replay.CONTENT_UNREAD
    assert found == [
        whole("write", b"abcde"),
        *[("write", unread, None)] * 2,
        ("writev", unread, None),
        *[("sendmmsg", unread, None)] * 2,
    ]


@lanes
def test_calls_of_32_bits(tmp_path: Path, hostile: Path, lane: str) -> None:
    found = recorded(tmp_path, [hostile, "int80"], lane, *HASHES)
    assert found == [
        whole("write", b"by another door"),
        whole("writev", b"byanother"),
        whole("socketcall", b"by a"),
        whole("socketcall", b"byanother"),
        ("socketcall", replay.CONTENT_NONE, None),
    ]


def test_processes_that_run(tmp_path: Path) -> None:
    code = "import os, sys; sys.stdin.read(1); os.write(1, b'attached')"
    words = [sys.executable, "-ISc", code]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        path = tmp_path / "run.renacer"
        options = ("--format", "record", "-o", str(path), *HASHES, "--verbose")
        tracer = subprocess.Popen(
            [sys.executable, "-m", "renacer_otel", "attach", *options, str(process.pid)],
            stderr=subprocess.PIPE, env=environment(), text=True,
        )  # fmt: skip
        assert tracer.stderr is not None
        for line in tracer.stderr:
            if "attached" in line:
                break
        process.stdin.write(b"x")
        process.stdin.close()
        assert process.wait(60) == 0
        tracer.communicate(timeout=60)
        assert tracer.returncode == 0
    assert ("write", replay.CONTENT_HASHED, of_bytes(b"attached")) in told(path)


def test_the_python_engine_alone(tmp_path: Path) -> None:
    """Where the core cannot be loaded, TRACE files have them, too."""
    words = [sys.executable, "-ISc", "import os; os.write(1, b'alone')"]
    env = environment(RENACER_DISABLE="core")
    run = record(tmp_path, words, *PYTHON, *HASHES, env=env)
    assert run.done.status == 0
    assert told(run.path) == [whole("write", b"alone")]
