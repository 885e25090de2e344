# SPDX-License-Identifier: MIT
"""Commands of several kinds, bare and under tracers: what each tracer adds to their time.

Each load is a command in a folder of its own that it can run in again and again. They take long
enough that the start of a tracer, which `startup` measures, does not decide; their files are best
in memory, where no disk has a say.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import timing

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parent
WORKLOADS = SOURCES / "tests" / "programs" / "workloads"
RENACER = [sys.executable, "-m", "renacer_otel", "-q"]


class Load(NamedTuple):
    """A command, the folder it runs in, and how much of what `strace -f -o` adds ours may."""

    name: str
    words: list[str]
    folder: Path
    of_free: float | None = None


def dd(calls: int) -> list[str]:
    """A command of `calls` reads and writes of one byte, and some dozens to start up."""
    count = f"count={calls // 2}"
    return ["dd", "if=/dev/zero", "of=/dev/null", "bs=1", count, "status=none"]


def compiled(source: str, folder: Path, *flags: str) -> str | None:
    """A program of this folder, built; None without a compiler."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        return None
    made = folder / Path(source).stem
    subprocess.run([compiler, "-O2", *flags, "-o", made, HERE / source], check=True)
    return str(made)


def _fresh(base: Path, name: str) -> Path:
    folder = base / name
    folder.mkdir()
    return folder


def _git(base: Path) -> Load:
    """Clone, commits, merge, rebase, gc, in a repository made by the tests of real programs."""
    sys.path.insert(0, str(SOURCES))
    from tests.programs.catalogue import git_repository

    folder = _fresh(base, "git")
    git_repository(folder)
    shutil.copytree(folder / "origin.git", folder / "origin.kept")
    again = "rm -rf work origin.git; cp -r origin.kept origin.git; exec sh "
    words = ["sh", "-c", again + str(WORKLOADS / "git.sh")]
    return Load("git script", words, folder, of_free=0.5)


def make(base: Path) -> Load:
    """A build of the core by two compilers at a time."""
    folder = _fresh(base, "make")
    shutil.copytree(SOURCES / "native", folder / "native")
    shutil.copy(WORKLOADS / "core.mk", folder / "Makefile")
    return Load("make -j2", ["make", "-B", "-s", "-j2"], folder)


def _tar(base: Path) -> Load:
    folder = _fresh(base, "tar")
    text = b"".join(f"line {number} of text\n".encode() for number in range(1_000_000))
    for number in range(10):
        (folder / f"text{number}").write_bytes(text[: 10 << 20])
    return Load("tar | gzip, 100 MB", ["sh", "-c", "tar -cf - text* | gzip | sha256sum"], folder)


def all_loads(base: Path, dd_calls: int = 200_000) -> list[Load]:
    """The loads whose programs this machine has; `base` is an empty folder."""
    script = str(WORKLOADS / "tree.sh")
    tree = _fresh(base, "tree")
    server = f"{sys.executable} {WORKLOADS / 'server.py'}"
    imports = f"{sys.executable} -c 'import asyncio, json, argparse, decimal'"
    python = ["sh", "-c", f"for i in 1 2 3 4 5 6 7 8 9 10; do {imports}; done"]
    found = [
        Load("dd, 1 byte", dd(dd_calls), base, of_free=1 / 8),
        Load("500 processes", ["sh", "-c", f"sh {script}; test $? = 1"], tree, of_free=0.5),
        Load("python, 10 starts", python, base),
        Load("asyncio server", ["sh", "-c", f"{server}; {server}; {server}; test $? = 9"], base),
        Load("process pool", [sys.executable, str(WORKLOADS / "pool.py")], _fresh(base, "pool")),
        _tar(base),
    ]
    if shutil.which("git"):
        found.insert(1, _git(base))
    if shutil.which("make") and shutil.which("cc"):
        found.insert(3, make(base))
    if shutil.which("sqlite3"):
        folder = _fresh(base, "sqlite")
        script = str(WORKLOADS / "sqlite.sh")
        again = f"rm -f *.db; sh {script} 2>&1"
        found.append(Load("sqlite3, 5 times", ["sh", "-c", "; ".join([again] * 5)], folder))
    return found


def spin(base: Path, threads: int) -> Load | None:
    """Threads that compute and nothing else; None without a compiler."""
    program = compiled("spin.c", base, "-pthread")
    if program is None:
        return None
    return Load(f"{threads} threads that compute", [program, str(threads), "2000"], base)


class Overhead(NamedTuple):
    """Median wall seconds bare and traced, and what the last line said that tracing added."""

    bare: float
    traced: float
    told: float


def overhead(load: Load, rounds: int, *options: str) -> Overhead:
    """Bare and traced in turn, by a clock outside."""
    out = str(load.folder / "trace.out")
    ours = [*RENACER[:-1], "-o", out, *options, "--", *load.words]
    timing.once(load.words, cwd=load.folder)
    samples = timing.in_turn({"bare": load.words, "ours": ours}, rounds, cwd=load.folder)
    said = [re.search(r"about ([\d.]+) s of it added", run.said) for run in samples["ours"]]
    told = statistics.median(float(found[1]) for found in said if found)
    return Overhead(timing.median_wall(samples["bare"]), timing.median_wall(samples["ours"]), told)


def measure(load: Load, rounds: int, minimal: str | None) -> dict[str, float]:
    """Median wall seconds by tracer: bare, ours, minimal, strace, pinned; run in turn."""
    out = str(load.folder / "trace.out")
    strace = ["strace", "-f", "-o", out, *load.words]
    commands = {"bare": load.words, "ours": [*RENACER, "-o", out, "--", *load.words]}
    if minimal:
        commands["minimal"] = [minimal, *load.words]
    if shutil.which("strace"):
        commands["strace"] = strace
        if shutil.which("taskset"):
            commands["pinned"] = ["taskset", "-c", "0", *strace]
    timing.once(load.words, cwd=load.folder)
    samples = timing.in_turn(commands, rounds, cwd=load.folder)
    return {name: timing.median_wall(found) for name, found in samples.items()}
