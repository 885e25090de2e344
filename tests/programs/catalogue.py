# SPDX-License-Identifier: MIT
"""The real programs: what is run, and what of it may differ from one run to the next.

Whatever differs between two untraced runs (times, process ids) is left out of the comparison by
a rule that says why; all else must be the same, byte by byte.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.scale import FULL

if TYPE_CHECKING:
    from collections.abc import Callable

WORKLOADS = Path(__file__).parent / "workloads"
SOURCES = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Rule:
    """A normalisation of what is printed: a pattern, what stands for it, and why."""

    pattern: str
    by: str
    why: str


@dataclass(frozen=True)
class Program:
    """`words` run in a fresh folder that `prepare`, untraced, has filled."""

    name: str
    words: tuple[str, ...]
    needs: tuple[str, ...] = ()
    prepare: Callable[[Path], None] = lambda folder: None
    rules: tuple[Rule, ...] = ()
    any_order: str = ""  # why lines may come in any order; "" = they may not
    left_out: tuple[tuple[str, str], ...] = ()  # globs of files, and why
    in_ci: bool = False
    dialogue: bool = False  # talks with a terminal: see dialogue.py
    filtered: bool = False  # traced once more, a filter for one call on
    exported: bool = False  # and once more into a receiver


def _sh(name: str) -> tuple[str, ...]:
    return ("sh", str(WORKLOADS / name))


def _python(name: str) -> tuple[str, ...]:
    return (sys.executable, str(WORKLOADS / name))


def _lines(seed: int, count: int) -> str:
    """Text that compresses about as well as sources do; always the same."""
    chance = random.Random(seed)
    words = [f"word{chance.randrange(400)}" for _ in range(400)]
    return "".join(" ".join(chance.choices(words, k=9)) + "\n" for _ in range(count))


def git_repository(folder: Path) -> None:
    """A bare repository of 60 commits on two branches, by git fast-import."""
    origin = folder / "origin.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", origin], check=True)
    stream = []
    for number in range(60):
        branch = "topic" if number % 3 == 2 else "main"
        text = _lines(number, 60)
        stream.append(f"commit refs/heads/{branch}\nmark :{number + 1}\n")
        stream.append(f"committer A <a@example.org> {1_700_000_000 + number} +0000\n")
        message = f"Change {number}"
        stream.append(f"data {len(message)}\n{message}\n")
        if number == 2:
            stream.append("from :2\n")
        path = f"{branch}/d{number % 5}/f{number % 7}.txt"
        stream.append(f"M 100644 inline {path}\ndata {len(text)}\n{text}\n")
    subprocess.run(
        ["git", "-C", origin, "fast-import", "--quiet"],
        input="".join(stream),
        text=True,
        check=True,
    )


def _c_project(folder: Path) -> None:
    """The sources of our own core, or the smallest part of what is compiled, with a makefile."""
    larger = {str(SOURCES / "native" / name) for name in ("spans", "decode")}
    shutil.copytree(
        SOURCES / "native",
        folder / "native",
        ignore=lambda path, names: [
            name for name in names if not FULL and path in larger and name.endswith(".c")
        ],
    )
    shutil.copy(WORKLOADS / "core.mk", folder / "Makefile")


def _go_module(folder: Path) -> None:
    shutil.copytree(WORKLOADS / "go", folder / "module")


def _cargo_project(folder: Path) -> None:
    shutil.copytree(WORKLOADS / "cargo", folder / "project")


def _much_data(folder: Path) -> None:
    """Files of 200 MB together: half of it text, half of it noise."""
    data = folder / "data"
    data.mkdir()
    for number in range(20 if FULL else 2):
        (data / f"noise{number}").write_bytes(random.Random(number).randbytes(5_000_000))
        text = _lines(number, 2000).encode()
        (data / f"text{number}").write_bytes((text * (5_000_000 // len(text) + 1))[:5_000_000])


_SECONDS = Rule(r"\d+\.\d+s", "TIMEs", "prints how long it took")
_NUMBERS = Rule(r'"\d+\.\d+"', '"RATE"', "prints rates and latencies")
_PIDS = Rule(r"\[(\d+)\] \d+", r"[\1] PID", "the shell prints the process id of a new job")
_GIT_INDEX = ("*/.git/index", "times and inode numbers; its contents are printed by ls-files")

PROGRAMS = (
    Program(
        "git clone, commit, gc", _sh("git.sh"), ("git",), git_repository,
        left_out=(_GIT_INDEX,), in_ci=True, filtered=True, exported=True,
    ),
    Program(
        "make -j4 of a C project", ("make", "-j4"), ("make", "cc", "ar"), _c_project,
        any_order="four jobs print as they end", in_ci=True, filtered=True, exported=True,
    ),
    Program("sqlite3", _sh("sqlite.sh"), ("sqlite3",), in_ci=True),
    Program(
        "redis-server, redis-benchmark", _sh("redis.sh"), ("redis-server", "redis-benchmark"),
        rules=(_NUMBERS,), left_out=(("server.log", "times and process ids"),
        ("dump.rdb", "holds the time of its making; its contents are printed as a digest")),
        in_ci=True, exported=True,
    ),
    Program(
        "go build", _sh("go.sh"), ("go",), _go_module,
        left_out=(("cache/*", "go's build cache: names and dates by time"),
                  ("tmp/*", "go's scratch folder"), ("home/*", "go's telemetry counters")),
    ),
    Program("node HTTP server under load", ("node", str(WORKLOADS / "http.js")), ("node",)),
    Program(
        "python multiprocessing pool", _python("pool.py"), in_ci=True, filtered=True,
        exported=True,
    ),
    Program("python asyncio server", _python("server.py"), in_ci=True),
    Program(
        "bash job control in a terminal", ("bash", "--norc", "--noprofile", "-i"), ("bash",),
        rules=(_PIDS,), in_ci=True, dialogue=True,
    ),
    Program(
        "tar | gzip | sha256sum, 200 MB" if FULL else "tar | gzip | sha256sum, 20 MB",
        _sh("tar.sh"), ("tar", "gzip", "sha256sum"), _much_data, in_ci=True,
    ),
    Program(
        "cargo build", _sh("cargo.sh"), ("cargo", "rustc", "cc"), _cargo_project,
        rules=(_SECONDS,),
        left_out=(("project/target/*", "cargo's state: paths by time; the program is copied out"),
                  ("home/*", "cargo's own state")),
    ),
    Program(
        "500 processes of a shell tree", _sh("tree.sh"), any_order="they print as they end",
        in_ci=True, filtered=True, exported=True,
    ),
)  # fmt: skip
