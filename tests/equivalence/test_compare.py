# SPDX-License-Identifier: MIT
"""`renacer-otel compare`: verdicts, rules, reports and exit codes."""

from __future__ import annotations

import os
import shutil
import socket
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

import pytest

from renacer_otel.analysis.equivalence import evidence
from tests.cli.tool import renacer
from tests.equivalence.comparing import compared, python, sentences, sh, traces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_equal_whatever_the_calls() -> None:
    code, found = compared(
        sh("printf a > x; printf b >> x; printf c >> x; mkdir d; echo done; echo no >&2"),
        python(
            "import os, mmap, sys\n"
            "with open('t', 'w+b') as f:\n"
            "    f.truncate(3)\n"
            "    with mmap.mmap(f.fileno(), 3) as m: m[:] = b'abc'\n"
            "os.rename('t', 'x'); os.mkdir('d')\n"
            "sys.stderr.write('no\\n'); print('done')"
        ),
    )
    assert code == 0
    assert found["equal"]
    assert found["confidence"] >= 0.9
    assert [each["kind"] for each in found["doubts"]] == ["once"]
    assert found["measures"]["a"]["calls"] > 0


SHORT = "differs: 2 bytes by A, {} bytes by B; first at byte 1, line 1: 'a' and {}"
OTHER, NOTHING = SHORT.format(2, "'b'"), SHORT.format(0, "nothing")
DIFFERENT = {
    "content": ("echo a > f", "echo b > f", f"f: content {OTHER}"),
    "mode": ("echo a > f", "echo a > f; chmod 600 f", "f: mode is 0644 by A, 0600 by B"),
    "time": (
        "touch -d @1000 f",
        "touch -d @2000 f",
        "f: time set is 1970-01-01T00:16:40Z by A, 1970-01-01T00:33:20Z by B",
    ),
    "missing": ("echo a > f", "true", "f: a file by A, not there by B"),
    "type": ("echo a > f", "mkdir f", "f: a file by A, a folder by B"),
    "target": ("ln -s x f", "ln -s y f", "f: target is x by A, y by B"),
    "links": (
        "echo a > f; ln f g",
        "echo a > f; cp f g",
        "f: names of one file is f, g by A, not set by B",
    ),
    "stdout": ("echo a", "echo b", f"standard output {OTHER}"),
    "stderr": ("echo a >&2", "true", f"standard error {NOTHING}"),
    "child": ("(echo a > f)", "(echo b > f)", f"f: content {OTHER}"),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_one_difference_is_one_sentence(name: str) -> None:
    a, b, sentence = DIFFERENT[name]
    code, found = compared(sh(f"umask 022; {a}"), sh(f"umask 022; {b}"))
    assert code == 1
    assert not found["equal"]
    assert sentences(found) == [sentence]


def test_exit_status_and_signals() -> None:
    code, found = compared("true", sh("exit 3"))
    assert (code, sentences(found)) == (4, ["A exits with 0, B exits with 3"])
    code, found = compared(sh("exit 3"), sh("(exit 3)"))
    assert (code, found["equal"], found["failed_alike"]) == (0, True, "exits with 3")
    code, found = compared(sh("kill -USR1 $PPID"), "true")
    assert sentences(found) == ["SIGUSR1: sent to processes outside is 1 by A, not set by B"]
    code, found = compared(sh("kill -9 $$"), sh("kill -15 $$"))
    assert (code, sentences(found)) == (4, ["A is ended by SIGKILL, B is ended by SIGTERM"])


WRITE = (
    "import os\n"
    "f = os.open('t', os.O_WRONLY | os.O_CREAT, 0o644)\n"
    "os.write(f, b'data')\n"
    "{before}os.rename('t', 'f')\n{after}os.close(f)\n{last}"
)
FSYNC = "os.fsync(f)\n"
FOLDER = "d = os.open('.', os.O_RDONLY)\nos.fsync(d)\n"


def written(before: str = "", after: str = "", last: str = "") -> str:
    return python(WRITE.format(before=before, after=after, last=last))


def test_durability() -> None:
    code, found = compared(written(before=FSYNC), written())
    assert (code, sentences(found)) == (1, ["f: its data: synced by A, not synced by B"])
    code, found = compared(written(before=FSYNC), written(after=FSYNC))
    assert code == 1
    assert "f: its data: synced by A, synced only after it had its name by B" in sentences(found)
    code, found = compared(written(before=FSYNC, last=FOLDER), written(before=FSYNC))
    assert (code, sentences(found)) == (1, ["f: its name: synced by A, not synced by B"])
    in_place = python(
        "import os\nf = os.open('f', os.O_WRONLY | os.O_CREAT | os.O_DSYNC, 0o644)\n"
        "os.write(f, b'da')\nos.write(f, b'ta')"
    )
    assert compared(written(before=FSYNC), in_place)[0] == 0
    code, found = compared(written(before=FSYNC), written(), "--ignore", "durability")
    assert (code, found["left_out"]) == (0, ["durability"])


def test_order_of_syncs() -> None:
    both = (
        "import os\nfor name in {}:\n"
        "    f = os.open(name, os.O_WRONLY | os.O_CREAT, 0o644)\n"
        "    os.write(f, b'x'); os.fsync(f); os.close(f)"
    )
    code, found = compared(python(both.format("'ab'")), python(both.format("'ba'")))
    assert code == 1
    assert sentences(found) == [
        "made durable in another order: a (data), then b (data) by A; b (data), then a (data) by B"
    ]


def test_what_varies_by_itself() -> None:
    code, found = compared(python("import os; print(os.getpid())"), sh("echo $$"))
    assert (code, found["confidence"]) == (1, 0.7)
    assert [each["hint"] for each in found["differences"]] == ["only process ids differ"]
    now = ("--run", sh("date +%s"))
    code, found = traces(*now, *now)  # twice each, and not within one second
    assert (code, found["equal"]) == (1, True)
    assert [each["kind"] for each in found["doubts"]] == ["varies"]


SENDS = """
import socket
kind, bound, *sent = {}
with socket.socket(socket.AF_UNIX, getattr(socket, kind)) as s:
    s.connect("\\0{}")
    for each in sent: s.send(each.encode())
s = socket.socket(socket.AF_UNIX if isinstance(bound, str) else socket.AF_INET)
s.bind(bound); s.listen()
"""


def test_messages_and_addresses(held: Held) -> None:
    def differ(*ways: object) -> list[str]:
        a, b = (python(SENDS.format(way, held.name)) for way in ways)
        return sentences(compared(a, b)[1])

    end = f"connection to @{held.name}"
    one, two = ("SOCK_SEQPACKET", "x", "0123456789"), ("SOCK_SEQPACKET", "x", "01234", "56789")
    assert differ(one, two) == [f"{end}: messages sent differ: 1 by A, 2 by B"]
    uneven = ("SOCK_SEQPACKET", "x", "0123", "456789")
    assert differ(two, uneven) == [f"{end}: messages sent differ in their lengths: 2 of them"]
    hidden = ("SOCK_SEQPACKET", f"\0{held.name}.", "0123456789")
    plain = SENDS.format(one, held.name)
    linger = "    s.setsockopt(1, 13, bytes([1] + 7 * [0]))\n    s.conn"
    harsh = python(plain.replace("    s.conn", linger))
    assert sentences(compared(python(plain), harsh)[1]) == [
        f"{end}: setting of its socket is not set by A, SO_LINGER {{l_onoff=1, l_linger=0}} by B"
    ]
    elsewhere = ("SOCK_SEQPACKET", ("127.0.0.2", held.port), "0123456789")
    assert differ(hidden, elsewhere) == [
        f"listens on 127.0.0.2:{held.port}: no socket of A's, 1 socket of B's",
        f"listens on @{held.name}.: 1 socket of A's, no socket of B's",
    ]


def test_a_server_and_its_client_in_one_thread() -> None:
    script = (
        "import os, socket\n"
        "server, client = (socket.socket(socket.AF_UNIX) for _ in range(2))\n"
        "server.bind({0!r}); server.listen(); client.connect({0!r})\n"
        "client.send(b'{0}'); server.accept(); os.unlink({0!r})"
    )
    assert compared(python(script.format("x")), python(script.format("y")))[0] == 0


def test_what_is_left_running(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = (sh("sleep 0 & wait"), "true")
    assert compared(*ways)[0] == 0
    monkeypatch.setattr(evidence, "_LATER_NS", (-1 << 60, -1 << 60))  # as if it ended long after
    code, found = compared(*ways)
    assert (code, sentences(found)) == (1, ["left running in the end: sleep by A, nothing by B"])


class Held(NamedTuple):
    """Of listeners that nobody else has: an abstract name, where packets are taken, and a port."""

    name: str
    port: int


@pytest.fixture
def held() -> Iterator[Held]:
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener,
    ):
        port = other.getsockname()[1]
        name = f"held-{os.getpid()}-{port}"
        listener.bind(f"\0{name}")
        listener.listen(16)
        yield Held(name, port)


LEAVES = """
import ctypes
c = ctypes.CDLL(None)
number = c.shmget({key}, 100, 0o1600)
c.shmat.restype = ctypes.c_void_p
ctypes.memmove(ctypes.c_void_p(c.shmat(number, None, 0)), b"{data}", 3)
gone = c.semget(0, 1, 0o1600)
c.semctl(gone, 0, 0)
"""


def test_what_is_left_of_system_v() -> None:
    key = os.getpid()
    a, b, c = (python(LEAVES.format(key=key, data=data)) for data in ("abc", "abc", "abd"))
    code, found = compared(a, b)
    assert (code, [each["kind"] for each in found["doubts"]]) == (0, ["once"])
    assert found["compared"]["ipc"] == 2
    name = f"shared memory {key:#x}"
    assert sentences(compared(a, c)[1]) == [
        f"{name}: content differs: 100 bytes by A, 100 bytes by B"
    ]
    assert sentences(compared(a, "true")[1]) == [f"{name}: left behind by A only"]
    with open("/proc/sysvipc/shm", encoding="ascii") as file:
        assert key not in [int(line.split()[0]) for line in list(file)[1:]]


def test_rules() -> None:
    in_place, renamed = sh("echo a > f"), sh("echo a > t; mv t f")
    assert compared(in_place, renamed)[0] == 0
    code, found = compared(in_place, renamed, "--strict", "writes")
    assert (code, len(found["differences"])) == (1, 1)
    at_once, appended = sh("printf abc > f"), sh("printf a > f; printf bc >> f")
    assert compared(at_once, appended)[0] == 0
    assert compared(at_once, appended, "--strict", "writes")[0] == 1
    old, new = sh("echo a > f; touch -d @1000 f"), sh("echo a > f")
    assert compared(old, new)[0] == 0
    assert compared(old, new, "--strict", "times")[0] == 1
    cache = sh("mkdir __pycache__; echo x > __pycache__/a.pyc")
    assert compared(cache, "true")[0] == 0
    assert compared(cache, "true", "--strict", "caches")[0] == 1


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_index_of_git_is_what_is_staged() -> None:
    a = sh("git init -q .; echo x > f; git add f")
    b = sh("git init -q .; echo y > f; git add f; echo xx > f; echo x > f; git add -A .")
    c = sh("git init -q .; echo x > f; chmod 755 f; git add f; chmod 644 f")
    words = ("--ignore", "durability")
    code, found = compared(a, a, *words)
    assert code == 0, found
    code, found = compared(a, b, *words)
    assert {each["subject"].split("/")[1] for each in found["differences"]} == {"objects"}
    code, found = compared(a, c, *words)
    assert [each["subject"] for each in found["differences"]] == [".git/index"]


def test_files_elsewhere(tmp_path: Path) -> None:
    target = tmp_path / "out"
    code, found = compared(sh(f"echo a > {target}"), sh(f"echo b > {target}"))
    assert code == 1
    assert [each["subject"] for each in found["differences"]] == [str(target)]
    code, found = compared(
        sh(f"echo a > {target}"), sh(f"echo a > {target}.t; mv {target}.t {target}")
    )
    assert code == 0
    assert "outside" in [each["kind"] for each in found["doubts"]]


def test_reports(tmp_path: Path) -> None:
    words = ("--runs", "1", "--run", "echo a", "--run", "echo b")
    done = renacer("compare", *words)
    assert done.out.splitlines()[:4] == [
        "not equal, confidence 0.99",
        "  A: echo a",
        "  B: echo b",
        f"  standard output {OTHER}",
    ]
    report = tmp_path / "report.xml"
    assert renacer("compare", *words, "--format", "junit", "-o", report).code == 1
    suite = ElementTree.parse(report).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    assert suite.find("testcase/failure") is not None
    _, found = compared(os.fsdecode(b"echo \xff"), "echo a")
    assert found["a"] == r"echo \xff"
