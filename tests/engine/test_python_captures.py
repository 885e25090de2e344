# SPDX-License-Identifier: MIT
"""What the python engine reads of arguments is what the native one reads."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from renacer_otel.engine import calls
from tests.engine.test_python_engine import ADDRESSES, BY_CHANCE, PYTHON
from tests.engine.tools import CALL, ENTER, EXIT, Event, read_events, record

UNREAD = 2
# What stands in a register beyond a call's own arguments is there by chance.
COUNTS = {
    call.name: call.arguments
    for (abi, _), call in calls.table().items()
    if abi == calls.native_abi()
}
CODE = """
import array, fcntl, os, select, socket, sys
folder = sys.argv[1]
os.chdir(folder)
fd = os.open('a', os.O_CREAT | os.O_RDWR, 0o640)
os.write(fd, b'z' * 100); os.pread(fd, 50, 0)
os.symlink('a', 'b'); os.readlink('b'); os.rename('b', 'c'); os.link('a', 'd'); os.unlink('d')
os.mkdir('e'); os.rmdir('e'); os.truncate('a', 3); os.getcwd()
try: os.stat('no' * 3000)
except OSError: pass
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
    one.bind('s'); one.sendto(b'hello', 's'); one.recv(9); one.connect('s')
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fd, 1]))]
    one.sendmsg([b'one', b'z' * 400], rights, 0, 's'); one.recvmsg(500, 100)
    poll = select.poll(); poll.register(one); poll.register(fd, select.POLLIN); poll.poll(0)
    select.select([one, fd], [one], [], 0)
fcntl.lockf(fd, fcntl.LOCK_EX, 3, 5)
os.execv('/bin/true', ['true', 'x' * 5, ''])
"""

Told = tuple[str, tuple[int, ...], dict[tuple[int, int], tuple[int, int, bytes]]]


def without_addresses(data: bytes) -> bytes:
    """Of a structure: they differ from run to run."""
    words = [data[at : at + 8] for at in range(0, len(data), 8)]
    return b"".join(bytes(8) if any(word[5:]) else word for word in words)


def told(events: list[Event]) -> list[list[Told]]:
    """Of each thread, each call: name, arguments that are no addresses, captured pieces."""
    threads: dict[int, list[Told]] = defaultdict(list)
    for event in events:
        if event.kind not in (ENTER, CALL, EXIT) or event.name in BY_CHANCE:
            continue
        if event.kind != EXIT:
            args = event.args[: COUNTS[event.name]]
            threads[event.tid].append(
                (event.name, tuple(a if a < ADDRESSES else 0 for a in args), {})
            )
        pieces = threads[event.tid][-1][2]
        for piece in event.pieces:
            if not piece.flags & UNREAD and piece.arg < 6:
                data = without_addresses(piece.data) if piece.type == 5 else piece.data
                pieces[piece.type, piece.arg] = (piece.flags, piece.total, data)
    return list(threads.values())


def both(tmp_path: Path, words: list[str | Path]) -> tuple[list[Told], list[Told]]:
    seen = []
    for engine in ("ptrace", "python"):
        folder = tmp_path / "work"
        folder.mkdir()
        run = record(tmp_path, [*words, folder], "--engine", engine)
        assert run.done.status == 0, run.done
        (calls_of_it,) = told(read_events(run.path, pieces=True))
        seen.append(calls_of_it)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    return seen[0], seen[1]


def test_arguments_and_captured_data(tmp_path: Path) -> None:
    native, ours = both(tmp_path, [sys.executable, "-ISc", CODE])
    assert [call[:2] for call in ours] == [call[:2] for call in native]
    kinds: Counter[tuple[str, int]] = Counter()
    for (name, _, theirs), (_, _, mine) in zip(native, ours, strict=True):
        if name == "getrandom":
            continue
        for (kind, arg), piece in mine.items():
            assert (name, theirs.get((kind, arg))) == (name, piece)
            kinds[name, kind] += 1
    # It did capture something of each kind.
    assert {kind for _, kind in kinds} == {1, 3, 4, 5}
    for name in (
        *("openat", "write", "pread64", "readlink", "getcwd", "bind", "sendto", "execve"),
        *("sendmsg", "recvmsg", "fcntl"),
    ):
        assert any(called == name for called, _ in kinds), name
    assert {"poll", "ppoll"} & {name for name, kind in kinds if kind == 5}
    assert {"select", "_newselect", "pselect6"} & {name for name, kind in kinds if kind == 5}


@pytest.mark.parametrize("engine", [PYTHON, ("--engine", "ptrace")])
def test_arguments_of_a_32_bit_program(tmp_path: Path, engine: tuple[str, ...]) -> None:
    """Its pointers are of four bytes: the vector of an exec is read so."""
    source = tmp_path / "narrow.c"
    source.write_text(NARROW)
    program = tmp_path / "narrow"
    build(source, program)
    run = record(tmp_path, [program], *engine)
    assert run.done.status == 0
    calls_of_it = [event for event in read_events(run.path, pieces=True) if event.name == "execve"]
    pieces = [p for event in calls_of_it[2:] for p in event.pieces if p.type == 4]
    assert [piece.data for piece in pieces] == [b"true\0narrow\0"]


NARROW = r"""
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
int main(void)
{
    char *low = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    unsigned *words = (unsigned *)low, at = (unsigned)(unsigned long)low;
    long result;

    strcpy(low + 100, "/bin/true");
    strcpy(low + 200, "true");
    strcpy(low + 300, "narrow");
    words[0] = at + 200;
    words[1] = at + 300;
    words[2] = 0;
    __asm__ volatile("int $0x80" : "=a"(result)
             : "a"(11), "b"(at + 100), "c"(at), "d"(0) : "memory", "r8", "r9", "r10", "r11");
    return 3;
}
"""


def build(source: Path, program: Path) -> None:
    """Skips where programs cannot make calls of 32 bits."""
    import shutil
    import subprocess

    if shutil.which("cc") is None or calls.native_abi() != 1:
        pytest.skip("needs cc and x86_64")
    subprocess.run(["cc", "-O1", "-w", "-o", program, source], check=True, timeout=60)
    if subprocess.run([program], timeout=60, check=False).returncode != 0:
        pytest.skip("needs a kernel with calls of 32 bits")
