# SPDX-License-Identifier: MIT
"""Files that the tracer looked at: `compare` of two TRACE files knows what they are in the end."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from renacer_otel.analysis.equivalence import looked
from renacer_otel.cli.main import main
from renacer_otel.ring import trace_file
from tests.cli.tool import renacer

if TYPE_CHECKING:
    from collections.abc import Callable

PYTHON = [sys.executable, "-I", "-S", "-c"]


class Folder:
    """What a run begins with is made anew by `begin`; traces are beside it."""

    def __init__(self, room: Path, begin: Callable[[Path], None] = lambda _: None) -> None:
        self._room, self._begin = room, begin
        self._count = 0

    def trace(self, command: list[str], capture: str = "hashes") -> Path:
        self._count += 1
        trace = self._room / f"{self._count}.renacer"
        work = self._room / f"work{self._count}"
        work.mkdir()
        self._begin(work)
        words = ("-q", "--format", "record", "--capture", capture, "-o", str(trace))
        done = renacer(*words, "--", *command, cwd=work)
        assert done.code == 0, done.err
        return trace

    def compare(
        self, a: list[str], b: list[str], capture: str = "hashes"
    ) -> tuple[bool, float, list[str]]:
        """Whether they are equal, how sure, and what differs."""
        traces = [str(self.trace(command, capture)) for command in (a, b)]
        report = self._room / "report"
        main(["compare", "--format", "json", "-o", str(report), *traces])
        found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        found = found["comparisons"][0] if "comparisons" in found else found
        sentences = [each["sentence"] for each in found["differences"]]
        return found["equal"], found["confidence"], sentences


def py(script: str) -> list[str]:
    return [*PYTHON, script]


def sh(script: str) -> list[str]:
    return ["sh", "-c", script]


def with_file(folder: Path) -> None:
    (folder / "f").write_bytes(b"abcdefgh\n")


#: By file: what is done to it in one way, and in another.
SAME = {
    "part": ("f = open(name, 'r+b', 0); f.seek(2); f.write(b'XY')",
             "d = open(name, 'rb').read(); open(name, 'wb').write(d[:2] + b'XY' + d[4:])"),
    "map": ("f = open(name, 'r+b'); m = mmap.mmap(f.fileno(), 0); m[2:4] = b'XY'",
            "os.pwrite(os.open(name, os.O_RDWR), b'XY', 2)"),
    "send": ("a = os.open(name, 0); b = os.open(name + '2', 0o102, 0o644); os.sendfile(b, a, 0, 9)",
             "open(name + '2', 'wb').write(open(name, 'rb').read())"),
    "again": ("open(name, 'wb').write(b'abcdefgh' + bytes([10]))", "pass"),
    "mode": ("os.chmod(name, os.stat(name).st_mode & 0o7777)", "pass"),
    "gone": ("open(name + '2', 'w').write('x'); os.unlink(name + '2')", "pass"),
    "attribute": ("os.setxattr(name, 'user.a', b'1'); os.setxattr(name, 'user.b', b'2')",
                  "os.setxattr(name, 'user.b', b'2'); os.setxattr(name, 'user.a', b'1')"),
}  # fmt: skip
OTHER = {
    "bytes": ("f = open(name, 'r+b', 0); f.write(b'x')", "f = open(name, 'r+b', 0); f.write(b'y')"),
    "map": ("f = open(name, 'r+b'); m = mmap.mmap(f.fileno(), 0); m[2:4] = b'XY'", "pass"),
    "mode": ("os.chmod(name, 0o600)", "os.chmod(name, 0o640)"),
    "name": ("os.rename(name, name + '2')", "pass"),
    "one": ("os.link(name, name + '2')", "open(name + '2', 'wb').write(open(name, 'rb').read())"),
    "soft": ("os.symlink(name, name + '2')", "os.symlink('x', name + '2')"),
    "new": ("open(name + '2', 'x')", "pass"),
    "socket": ("socket.socket(socket.AF_UNIX).bind(name + '2')", "pass"),
}
SAID = [
    "bytes: content differs: 9 bytes by A, 9 bytes by B",
    "map: content differs: 9 bytes by A, 9 bytes by B",
    "mode: mode is 0600 by A, 0640 by B",
    "name: a file by B, not there by A",
    "name2: a file by A, not there by B",
    "new2: a file by A, not there by B",
    "one: names of one file is one, one2 by A, not set by B",
    "socket2: a socket by A, not there by B",
    "soft2: target is soft by A, x by B",
]


def ways(folder: Path, what: dict[str, tuple[str, str]]) -> tuple[list[str], list[str]]:
    """Both commands; `folder` is one on the file system on which they will run."""
    lines: list[list[str]] = [["import mmap, os, socket"], ["import mmap, os, socket"]]
    for name, both in what.items():
        if name == "attribute" and not has_attributes(folder):
            continue
        for side, text in zip(lines, both, strict=True):
            side.append(f"name = {name!r}\n{text}")
    return py("\n".join(lines[0])), py("\n".join(lines[1]))


def has_attributes(folder: Path) -> bool:
    try:
        os.setxattr(folder, "user.test", b"1")
    except OSError:
        return False
    os.removexattr(folder, "user.test")
    return True


def begin_with(names: dict[str, tuple[str, str]]) -> Callable[[Path], None]:
    def begin(folder: Path) -> None:
        for name in names:
            (folder / name).write_bytes(b"abcdefgh\n")

    return begin


def test_the_same_in_other_ways(tmp_path: Path) -> None:
    folder = Folder(tmp_path, begin_with(SAME))
    equal, sure, differences = folder.compare(*ways(tmp_path, SAME))
    assert (equal, sure, differences) == (True, 0.97, [])


def test_what_differs(tmp_path: Path) -> None:
    folder = Folder(tmp_path, begin_with(OTHER))
    equal, sure, differences = folder.compare(*ways(tmp_path, OTHER))
    assert (equal, sure, differences) == (False, 0.99, SAID)
    if has_attributes(tmp_path):
        one, other = (py(f"import os; os.setxattr('map', 'user.a', {value})")
                      for value in ("b'1'", "b'2'"))  # fmt: skip
        equal, _, differences = folder.compare(one, other)
        assert not equal
        assert differences[0].startswith("map: extended attributes is of hash ")


def test_names_that_are_links(tmp_path: Path) -> None:
    def begin(folder: Path) -> None:
        (folder / "real").mkdir()
        (folder / "real" / "f").write_text("old\n")
        (folder / "link").symlink_to("real")
        (folder / "to").symlink_to("link/f")
        (folder / "dangling").symlink_to("real/new")

    folder = Folder(tmp_path, begin)
    plain = sh("echo a >> real/f; echo b > real/new; cd link; echo c >> f")
    # A name of the tracer's own is not the command's.
    linked = "echo a >> to; echo b > dangling; echo {} >> link/f; : > /dev/stdout"
    assert folder.compare(sh(linked.format("c")), plain) == (True, 0.97, [])
    equal, _, differences = folder.compare(sh(linked.format("d")), plain)
    assert (equal, differences) == (
        False, ["real/f: content differs: 8 bytes by A, 8 bytes by B"],
    )  # fmt: skip
    if os.geteuid() == 0:
        other = py("import os; os.chown('to', 1, 1, follow_symlinks=False)")
        equal, _, differences = folder.compare(other, ["true"])
        assert (equal, differences) == (False, ["to: owner is 1:1 by A, 0:0 by B"])


def test_what_is_synced_by_a_name_with_links_is_not_known(tmp_path: Path) -> None:
    def begin(folder: Path) -> None:
        (folder / "real").mkdir()
        (folder / "link").symlink_to("real")

    folder = Folder(tmp_path, begin)
    script = "import os; f = open('{}/f', 'w'); f.write('x'); f.flush(); os.fsync(f.fileno())"
    linked, plain = py(script.format("link")), py(script.format("real"))
    equal, sure, _ = folder.compare(linked, plain)
    assert equal
    assert sure < 0.9
    assert folder.compare(linked, linked) == (True, 0.97, [])
    equal, _, differences = folder.compare(plain, py("open('real/f', 'w').write('x')"))
    assert (equal, differences) == (
        False, ["real/f: its data: synced by A, not synced by B"],
    )  # fmt: skip


def test_whole_folders_move(tmp_path: Path) -> None:
    def begin(folder: Path) -> None:
        (folder / "old" / "deep").mkdir(parents=True)
        (folder / "old" / "f").write_text("f\n")
        (folder / "old" / "deep" / "g").write_text("g\n")

    folder = Folder(tmp_path, begin)
    by_copy = "cp -r old new && rm -r old"
    assert folder.compare(sh("mv old new"), sh(by_copy)) == (True, 0.97, [])
    equal, _, differences = folder.compare(sh("mv old new"), sh(f"{by_copy}; echo > new/deep/g"))
    assert (equal, differences) == (
        False, ["new/deep/g: content differs: 2 bytes by A, 1 byte by B"],
    )  # fmt: skip


def test_other_names_of_before_are_not_known(tmp_path: Path) -> None:
    def begin(folder: Path) -> None:
        (folder / "f").write_text("f\n")
        os.link(folder / "f", folder / "g")

    equal, sure, _ = Folder(tmp_path, begin).compare(sh("echo x >> f"), sh("echo x >> g"))
    assert equal
    assert sure < 0.9


def test_a_file_too_long_is_not_known(tmp_path: Path) -> None:
    def begin(folder: Path) -> None:
        with (folder / "f").open("wb") as file:
            file.truncate((64 << 20) + 1)

    script = "f = open('f', 'r+b', 0); f.write({})"
    equal, sure, _ = Folder(tmp_path, begin).compare(
        py(script.format("b'x'")), py(script.format("b'y'"))
    )
    assert equal
    assert sure < 0.9


def test_it_began_otherwise(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    traces = []
    for name in ("a", "b"):
        traces.append(str(tmp_path / name))
        words = ("-q", "--format", "record", "--capture", "hashes", "-o", traces[-1])
        assert renacer(*words, "--", *sh("echo x > f"), cwd=work).code == 0
    report = tmp_path / "report"
    assert main(["compare", "--format", "json", "-o", str(report), *traces]) == 0
    assert "f was not the same before both runs" in report.read_text(encoding="utf-8")


def test_without_a_look_what_may_be_as_before_is_no_difference(tmp_path: Path) -> None:
    again = py("d = open('f', 'rb').read(); open('f', 'wb').write(d)")
    read = py("open('f', 'rb').read()")
    folder = Folder(tmp_path, with_file)
    equal, sure, _ = folder.compare(again, read, "writes")
    assert equal
    assert sure < 0.9
    equal, sure, _ = folder.compare(sh("mv f g"), sh("cp f g; rm f"), "writes")
    assert equal
    assert sure < 0.9


def test_what_a_trace_file_says(tmp_path: Path) -> None:
    trace = Folder(tmp_path, with_file).trace(sh("echo x > f; chmod 600 f"))
    with trace_file.open_trace(trace) as reader:
        for _ in reader:
            pass
        assert reader.metadata["states"] is True
        assert reader.end
        assert reader.end["files_not_seen"] == 0
        ((path, before, after),) = reader.end["files"]
    assert Path(path).name == "f"
    assert (before[0], before[4], after[0], after[4]) == (0o100644, 9, 0o100600, 2)


GOOD = [0o100644, 0, 0, 1, 3, 1, 2, 0, [0, 0], [1, 2], None]


@pytest.mark.parametrize(
    "end",
    [
        {},
        {"files": [], "files_not_seen": "x"},
        {"files": 5, "files_not_seen": 0},
        {"files": [["f", GOOD]], "files_not_seen": 0},
        {"files": [["f", GOOD, GOOD[:-1]]], "files_not_seen": 0},
        {"files": [["f", GOOD, [-2, *GOOD[1:]]]], "files_not_seen": 0},
        {"files": [["f", GOOD, [1 << 40, *GOOD[1:]]]], "files_not_seen": 0},
        {"files": [["f", GOOD, [*GOOD[:7], 1 << 70, *GOOD[8:]]]], "files_not_seen": 0},
        {"files": [["f", GOOD, [*GOOD[:9], [1 << 64, 0], None]]], "files_not_seen": 0},
        {"files": [["f", GOOD, [*GOOD[:8], 7, None, None]]], "files_not_seen": 0},
    ],
)
def test_a_lying_end_is_no_look(end: dict[str, Any]) -> None:
    run: Any = SimpleNamespace(metadata={"states": True}, end=end)
    assert looked.of_run(run, str, lambda _: True) is None
    run = SimpleNamespace(
        metadata={"states": True}, end={"files": [["f", GOOD, None]], "files_not_seen": 0}
    )
    assert looked.of_run(run, str, lambda _: True) is not None
