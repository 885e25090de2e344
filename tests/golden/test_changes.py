# SPDX-License-Identifier: MIT
"""Seeded changes of a program: each is found, and named by the first sentence."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from renacer_otel.analysis.golden import differences, learning
from tests.golden.runs import traced

if TYPE_CHECKING:
    from pathlib import Path

    from renacer_otel.analysis.golden.model import Golden

PROGRAM = """
import os, select, signal, socket, subprocess, sys
out = os.open("out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
os.write(out, b"hello world")
os.fsync(out)
os.close(out)
os.rename("out", "final")
os.chmod("final", 0o600)
for name in ("first", "second"):
    os.makedirs(name, exist_ok=True)
    within = os.open(name, os.O_RDONLY)
    os.close(os.open("by", os.O_CREAT | os.O_WRONLY, 0o620, dir_fd=within))
    os.chdir(name)
    os.close(os.open("at", os.O_CREAT | os.O_WRONLY, 0o620))
    os.chdir("..")
subprocess.run(["/bin/echo", "a"])
hostname = open("/etc/passwd").read()
listening = socket.socket()
listening.bind(("127.0.0.1", 0))
listening.listen(1)
client = socket.create_connection(listening.getsockname())
client.sendall(b"ping")
server = listening.accept()[0]
server.recv(4)
signal.signal(signal.SIGUSR1, lambda *_: None)
os.kill(os.getpid(), signal.SIGUSR1)
child = os.fork()
if not child:
    pairs = [socket.socketpair() for _ in range(2)]
    for pair in pairs:
        select.select([], [pair[0]], [])
        pair[0].sendall(b"round")
    os._exit(0)
os.waitpid(child, 0)
memory = bytearray(3000000)
os.write(1, b"said")
os.write(2, b"told")
# more
sys.exit(3)
"""


class Change(NamedTuple):
    """What is replaced, by what, and words of the first sentence."""

    was: str
    now: str
    kind: str
    words: str


CHANGES = {
    "one more file": Change("# more", "open('new', 'w')", "file", "now also opens new for writing"),
    "another mode": Change("0o644", "0o600", "mode", "out for writing with mode 0600 instead of"),
    "no fsync": Change("os.fsync(out)", "", "sync", "no longer syncs out to disk (fsync)"),
    "another order": Change(
        'os.fsync(out)\nos.close(out)\nos.rename("out", "final")',
        'os.rename("out", "final")\nos.fsync(out)\nos.close(out)',
        "order", "renames out to final before fsync(out)",
    ),
    "argv": Change('echo", "a"', 'echo", "b"', "argv", "is now run as: /bin/echo b"),
    "other bytes": Change("hello world", "hellO world", "bytes", "writes other bytes to out"),
    "more bytes": Change("hello world", "hello worlds", "bytes", "writes 12 bytes to out instead"),
    "chmod": Change("0o600", "0o640", "mode", "sets the mode of final to 0640 instead of 0600"),
    "exit code": Change("exit(3)", "exit(4)", "exit", "exit code 4 instead of exit code 3"),
    "more memory": Change("3000000", "9000000", "memory", "KiB at once instead of at most"),
    "one more reading": Change(
        "# more", "open('/etc/group').close()", "call", "now also opens /etc/group for reading"
    ),
    "another process": Change(
        "# more", "subprocess.run(['/bin/true'])", "process", "now also runs /bin/true"
    ),
    "no process": Change(
        'subprocess.run(["/bin/echo", "a"])', "", "process", "no longer runs /bin/echo a"
    ),
    "another signal": Change(
        "getpid(), signal.SIGUSR1", "getpid(), signal.SIGCONT", "effect", "sends SIGCONT to"
    ),
    "another peer": Change(
        "# more",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.2', 9))",
        "network", "now also connects to",
    ),
    "removed": Change("# more", "os.unlink('final')", "file", "now also removes final"),
    "a stream in the place of another": Change(
        'os.write(1, b"said")', 'os.dup2(1, 2); os.write(1, b"said")',
        "bytes", "no longer writes to <stderr>",
    ),
    "two streams swapped": Change(
        'os.write(1, b"said")',
        'one = os.dup(1); os.dup2(2, 1); os.dup2(one, 2); os.write(1, b"said")',
        "bytes", "writes other bytes to <stderr> (4 as before)",
    ),
    "a file in the place of a stream": Change(
        'os.write(1, b"said")', 'os.dup2(os.open("final", os.O_WRONLY), 1); os.write(1, b"said")',
        "file", "now also opens final for writing",
    ),
    "appended": Change("O_TRUNC", "O_APPEND", "file", "O_APPEND"),
    "bytes to one of several that are waited for": Change(
        'b"round"', 'b"rouNd" if pair is pairs[1] else b"round"',
        "bytes", "writes other bytes to <socket> (10 as before)",
    ),
    "an option of one that waits in rounds": Change(
        "    for pair in pairs:", "    pairs[1][0].setsockopt(1, 9, 1)\n    for pair in pairs:",
        "call", "now also calls setsockopt(<socket>, SOL_SOCKET, SO_KEEPALIVE, [1], 4)",
    ),
    "a signal to a process of others": Change(
        "# more", "os.kill(os.getppid(), 0)", "effect", "now also sends 0 to <process outside>"
    ),
    "another folder of one that waits in rounds": Change(
        "    pairs = [", "    os.chdir('/'); pairs = [", "call", "now also changes to the folder /"
    ),
    "one more file of its folder": Change(
        "# more", "open('final').close()", "input", "now also opens final for reading"
    ),
    "relative to another folder": Change(
        "0o620, dir_fd=within", '0o620, dir_fd=os.open("first", os.O_RDONLY)',
        "file", "no longer opens second/by for writing",
    ),
    "from another folder": Change(
        "os.chdir(name)", 'os.chdir("second")', "file", "no longer opens first/at for writing"
    ),
    "to another folder": Change(
        'os.chdir("..")', 'os.unlink("at") if name[0] == "s" else 0; os.chdir("..")',
        "file", "now also removes second/at",
    ),
    "a look at another folder's file": Change(
        "# more", 'os.chdir("first"); open("by").close()',
        "input", "also opens first/by for reading",
    ),
    "standard input": Change("# more", "os.read(0, 1)", "call", "now also reads from <stdin>"),
    "one thread": Change(
        "# more",
        "import threading; t = threading.Thread(target=int); t.start(); t.join()",
        "threads", "1 threads beside its first instead of 0",
    ),
}  # fmt: skip


def _command(text: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-B", "-c", text]


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> tuple[Golden, Path]:
    """What the program does, and where."""
    folder = tmp_path_factory.mktemp("changes")
    command = _command(PROGRAM)
    return learning.learn(
        [traced(command, folder, cwd=folder) for _ in range(3)], "x", command
    ), folder


def test_nothing_changed(golden: tuple[Golden, Path]) -> None:
    known, folder = golden
    again = [traced(_command(PROGRAM), folder, cwd=folder)]
    assert not differences.changed(differences.between(known, again))


@pytest.mark.parametrize("name", list(CHANGES))
def test_a_change_is_found_and_named_first(name: str, golden: tuple[Golden, Path]) -> None:
    known, folder = golden
    change = CHANGES[name]
    assert PROGRAM.count(change.was) == 1
    text = PROGRAM.replace(change.was, change.now)
    found = differences.between(known, [traced(_command(text), folder, cwd=folder)])
    assert found
    assert differences.changed(found)
    assert found[0].kind == change.kind, [one.sentence for one in found]
    assert change.words in found[0].sentence
    assert found[0].sentence.isprintable()


def test_what_not_all_runs_show_is_no_difference(golden: tuple[Golden, Path]) -> None:
    known, folder = golden
    plain = traced(_command(PROGRAM), folder, cwd=folder)
    other = traced(_command(PROGRAM.replace("exit(3)", "exit(4)")), folder, cwd=folder)
    assert differences.changed(differences.between(known, [other, other]))
    assert not differences.changed(differences.between(known, [other, plain]))


@pytest.mark.needs("cc")
def test_a_difference_tells_the_line(tmp_path: Path) -> None:
    """Of programs with lines in them, recorded with --source."""
    program, text = tmp_path / "program", tmp_path / "program.c"
    opening = f'\topen("{tmp_path}/%s", O_CREAT | O_WRONLY, 0600);'
    lines = ["#include <fcntl.h>", "int main(void)", "{", opening % "a"]
    runs = []
    for more in ("", opening % "b"):
        text.write_text("\n".join([*lines, more, "\treturn 0;", "}", ""]))
        compiler = ["cc", "-g", "-O0", "-fno-omit-frame-pointer", "-o", str(program), str(text)]
        subprocess.run(compiler, check=True, cwd=tmp_path)
        runs.append(traced([program], tmp_path, options=["--source"]))
    found = differences.between(learning.learn(runs[:1]), runs[1:])
    assert found[0].source.endswith("program.c:5")
    assert found[0].sentence.endswith(f", at {found[0].source}")
