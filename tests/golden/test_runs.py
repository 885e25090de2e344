# SPDX-License-Identifier: MIT
"""Real commands, beside a load: what several runs taught, further runs fit."""

from __future__ import annotations

import shutil
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from renacer_otel.analysis.golden import canonical, differences, golden_file, learning, rules
from renacer_otel.errors import UsageError
from renacer_otel.spans import replay
from tests.golden.runs import load, traced

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = [sys.executable, "-I", "-S", "-B", "-c"]
POOL = """
import concurrent.futures, sys
def job(n):
    with open(f"{sys.argv[1]}/out{n}", "w") as file:
        file.write("r" * n)
    return n
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    for done in concurrent.futures.as_completed([pool.submit(job, n) for n in range(1, 12)]):
        print(done.result(), flush=True)
"""
SERVER = """
import os, signal, socket
listening = socket.socket()
listening.bind(("127.0.0.1", 0))
listening.listen(50)
workers = []
for _ in range(3):
    workers.append(os.fork())
    if not workers[-1]:
        while True:
            connection, _ = listening.accept()
            connection.sendall(connection.recv(100) * 3)
            connection.close()
for _ in range(8):
    with socket.create_connection(listening.getsockname()) as client:
        client.sendall(b"hello")
        while client.recv(100):
            pass
for worker in workers:
    os.kill(worker, signal.SIGKILL)
for worker in workers:
    os.waitpid(worker, 0)
"""
SQLITE = """
import os, sqlite3, sys
path = sys.argv[1] + "/db"
if os.path.exists(path):
    os.unlink(path)
with sqlite3.connect(path) as db:
    db.execute("create table t (a)")
    for n in range(3):
        db.execute("insert into t values (?)", (n,))
        db.commit()
"""
SHELL = """
sort "$0/input" | head -n 3 > "$0/sorted"
made=$(mktemp "$0/XXXXXXXX")
echo $$ > "$made"
cp "$made" "$0/copy.$$"
rm "$made" "$0/copy.$$"
"""


def _commands(folder: Path) -> dict[str, list[str]]:
    return {
        "sort": ["sort", f"{folder}/input", "-o", f"{folder}/sorted"],
        "tar": ["tar", "-cf", f"{folder}/all.tar", "-C", str(folder), "input", "files"],
        "pool": [*PYTHON, POOL, str(folder)],
        "server": [*PYTHON, SERVER],
        "sqlite": [*PYTHON, SQLITE, str(folder)],
        "shell": ["sh", "-c", SHELL, str(folder)],
        "git": ["git", "-C", str(folder / "files"), "status"],
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the commands work on."""
    work = tmp_path / "work"
    (work / "files").mkdir(parents=True)
    (work / "input").write_text("".join(f"{n * 7919 % 10007} line\n" for n in range(3000)))
    for n in range(5):
        (work / "files" / f"f{n}").write_text("x" * n)
    return work


@pytest.mark.parametrize("name", ["sort", "tar", "pool", "server", "sqlite", "shell", "git"])
def test_reruns_are_alike(name: str, folder: Path, tmp_path: Path, test_scale: int) -> None:
    """Beside a load where who is first decides what is done; all of them in full size."""
    beside = load() if test_scale > 1 or name in ("pool", "server", "shell") else nullcontext()
    command = _commands(folder)[name]
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]}")
    if name == "git":
        traced(["git", "init", "-q", folder / "files"], tmp_path)
        traced(command, tmp_path)
    with beside:
        golden = learning.learn([traced(command, tmp_path) for _ in range(2)], name, command)
        golden = golden_file.load(golden_file.dump(golden))
        for _ in range(2 * test_scale):
            found = differences.between(golden, [traced(command, tmp_path)])
            assert [one.sentence for one in found if differences.changed([one])] == []


def test_a_trace_without_arguments_tells_so(folder: Path, tmp_path: Path) -> None:
    command = ["cp", f"{folder}/input", f"{folder}/copy"]
    full = traced(command, tmp_path)
    run = replay.of_trace(tmp_path / "run.renacer", details=True)
    poor = canonical.of_replay(run)
    assert not any("arguments" in sentence for sentence in full.missing)
    assert "the arguments of calls, but for paths, are not in the trace" in poor.missing
    opened = {str(part.item) for part in poor.roles[0].items if part.item.call == "openat"}
    assert f"openat({folder}/copy)" in opened
    found = differences.between(learning.learn([poor]), [poor])
    assert found == []


def test_each_rule_can_be_switched_off(folder: Path, tmp_path: Path) -> None:
    """What a rule has taken out is there again, and then runs differ by it."""
    command = [*PYTHON, POOL, str(folder)]
    plain = traced(command, tmp_path)
    calls = {part.item.call for role in plain.roles for part in role.items}
    assert calls.isdisjoint({"futex", "munmap", "gettid", "close", "lseek", "clone3"})
    kept = traced(command, tmp_path, tuple(rules.RULES))
    back = {part.item.call for role in kept.roles for part in role.items}
    assert back >= {"munmap", "close", "lseek", "rt_sigprocmask", "brk"}
    assert kept.kept == tuple(sorted(rules.RULES))
    assert not any(kept.normalised.values())
    assert set(plain.normalised) >= {"memory", "loader", "transfers", "threads", "closing"}
    with pytest.raises(ValueError, match="rules"):
        differences.between(learning.learn([plain]), [kept])
    with pytest.raises(ValueError, match="rules"):
        learning.learn([plain, kept])
    with pytest.raises(UsageError, match="did you mean loader"):
        traced(command, tmp_path, ["laoder"])
