# SPDX-License-Identifier: MIT
"""Where bytes are written, and from where the kernel moves them: the same elsewhere is found."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from renacer_otel.analysis.golden import differences, golden_file, learning, places
from tests.golden.runs import traced

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HEAD = """
import fcntl, os
def new(name):
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
source = os.open("source", os.O_RDONLY)
"""
CHILD = """if not os.fork(): {}; os._exit(0)
os.wait()"""
# One after the other, which the calls on the file do not tell.
TWICE = "f = new('twice')\n" + 2 * (CHILD.format("os.lseek(f, 10, 0); os.write(f, b'a')") + "\n")
# ruff: noqa: ISC004
# By the name of the file: as it is, as it is changed, and another way to the same.
WAYS = {
    "said": (
        "os.pwrite(f, b'abc', 10)",
        "os.pwrite(f, b'abc', 20)",
        "os.pwrite(f, b'ab', 10); os.pwrite(f, b'c', 12)",
    ),
    "vector": (
        "os.pwritev(f, [b'ab', b'c'], 10)",
        "os.pwritev(f, [b'ab', b'c'], 0)",
        "os.pwritev(f, [b'abc'], 10)",
    ),
    "moved": (
        "os.write(f, b'head'); os.lseek(f, 100, 0); os.write(f, b'tail')",
        "os.write(f, b'head'); os.lseek(f, 200, 0); os.write(f, b'tail')",
        "os.write(f, b'he'); os.lseek(f, 0, 1); os.write(f, b'ad'); os.lseek(f, 100, 0);"
        "os.write(f, b'ta'); os.lseek(f, 102, 0); os.write(f, b'il')",
    ),
    "back": (
        "os.write(f, b'0000data'); os.lseek(f, 0, 0); os.write(f, b'head')",
        "os.write(f, b'0000data'); os.write(f, b'head')",
        "os.write(f, b'0000'); os.write(f, b'data'); os.lseek(f, -8, 1); os.write(f, b'head')",
    ),
    "by a copy": (
        "g = os.dup(f); os.write(f, b'head'); os.lseek(g, 100, 0); os.write(f, b'tail')",
        "g = os.dup(f); os.write(f, b'head'); os.lseek(g, 200, 0); os.write(f, b'tail')",
        "g = os.dup(f); h = os.dup(g); os.write(g, b'head'); os.close(f); os.lseek(g, 100, 0);"
        "os.write(h, b'tail')",
    ),
    "by another copy": (
        "g = fcntl.fcntl(f, fcntl.F_DUPFD, 50); os.lseek(f, 100, 0); os.write(g, b'tail')",
        "g = fcntl.fcntl(f, fcntl.F_DUPFD, 50); os.lseek(f, 200, 0); os.write(g, b'tail')",
        "g = os.dup2(f, 60); os.lseek(g, 100, 0); os.write(f, b'tail')",
    ),
    "inherited": (
        CHILD.format("os.lseek(f, 10, 0); os.write(f, b'ab')"),
        CHILD.format("os.lseek(f, 20, 0); os.write(f, b'ab')"),
        CHILD.format("os.lseek(f, 5, 0); os.lseek(f, 10, 0); os.write(f, b'ab')"),
    ),
    "swapped": (
        "os.pwrite(f, b'aa', 0); os.pwrite(f, b'bb', 4)",
        "os.pwrite(f, b'aa', 4); os.pwrite(f, b'bb', 0)",
        "os.pwrite(f, b'a', 0); os.pwrite(f, b'a', 1); os.pwrite(f, b'bb', 4)",
    ),
    "sent": (
        "os.sendfile(f, source, 0, 8)",
        "os.sendfile(f, source, 4, 8)",
        "os.sendfile(f, source, 0, 5); os.sendfile(f, source, 5, 3)",
    ),
    "copied": (
        "os.copy_file_range(source, f, 8, 0, 0)",
        "os.copy_file_range(source, f, 8, 0, 30)",
        "os.copy_file_range(source, f, 4, 0, 0); os.copy_file_range(source, f, 4, 4, 4)",
    ),
    "from another": (
        "os.sendfile(f, source, 0, 8)",
        "os.sendfile(f, os.open('other', os.O_RDONLY), 0, 8)",
        "os.sendfile(f, source, 0, 8)",
    ),
    "in a row": (
        "os.write(f, b'abcdef')",
        "os.write(f, b'abcdeF')",
        "os.lseek(f, 0, 0); os.write(f, b'abc'); os.write(f, b'def')",
    ),
}  # fmt: skip


def _command(way: int) -> list[str]:
    text = HEAD + "".join(f"f = new({name!r})\n{ways[way]}\n" for name, ways in WAYS.items())
    return [sys.executable, "-I", "-S", "-B", "-c", text + TWICE]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    for name in ("source", "other"):
        (folder / name).write_bytes(b"0123456789abcdef")
    return folder


def test_the_same_bytes_elsewhere_are_found(work: Path, tmp_path: Path) -> None:
    was, now, other = (traced(_command(way), tmp_path, cwd=work) for way in range(3))
    golden = golden_file.load(golden_file.dump(learning.learn([was], "x", ["x"])))
    found = [one.sentence for one in differences.between(golden, [now])]
    for name in WAYS:
        verb = "other bytes to" if name == "in a row" else "to other places in"
        about = [sentence for sentence in found if f"{verb} {name} " in sentence]
        assert len(about) == 1, (name, found)
    again = differences.between(golden, [other])
    assert not [one for one in again if one.kind == "bytes"], again
    assert any("sendfile moved" in sentence for sentence in was.missing)
    assert "where in twice was written by an inherited descriptor is not known" in was.missing


THREADS = """
import os, threading
f = os.open("shared", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
def work(n):
    for at in range(8):
        os.pwrite(f, b"%d" % n * 16, 128 * n + 16 * at + MORE)
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_of_threads_in_any_order(work: Path, tmp_path: Path) -> None:
    def run(more: str) -> Sequence[str]:
        return [sys.executable, "-I", "-S", "-B", "-c", THREADS.replace("MORE", more)]

    golden = learning.learn([traced(run("0"), tmp_path, cwd=work)])
    assert not [
        one for one in differences.between(golden, [traced(run("0"), tmp_path, cwd=work)])
        if one.kind == "bytes"
    ]  # fmt: skip
    moved = differences.between(golden, [traced(run("1"), tmp_path, cwd=work)])
    assert any("to other places in shared" in one.sentence for one in moved), moved


def test_what_varies_is_not_asked_for() -> None:
    assert places.joined("ab", "ab") == "ab"
    assert places.joined("ab", "cd") == places.VARIES
    assert places.joined(places.VARIES, "cd") == places.VARIES
    assert places.differ("", "ab")
    assert not places.differ(places.VARIES, "ab")
    assert not places.differ("~", "ab")
    assert places.differ("~", "~ab")
