# SPDX-License-Identifier: MIT
"""Real commands for golden traces: what each runs, and what it finds in its folder.

Each leaves its folder as every run of it leaves it, so that it can be run again and again there.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SUBJECTS = Path(__file__).parent / "subjects"
EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "trivial_cli"
#: In the words of a command: where the server of pages listens (server.py).
SERVER = "{server}"
_LONG_AGO = 1_700_000_000


def _nothing(folder: Path) -> None:
    """An empty folder will do."""


@dataclass(frozen=True)
class Command:
    """`words` are run in a folder into which `subjects` were copied and that `prepare` filled."""

    name: str
    words: tuple[str, ...]
    needs: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    prepare: Callable[[Path], None] = _nothing

    @property
    def missing(self) -> list[str]:
        """The programs that it needs and that are not here."""
        return [tool for tool in self.needs if shutil.which(tool) is None]

    @property
    def wants_server(self) -> bool:
        """Whether a server must be there while it runs."""
        return any(SERVER in word for word in self.words)

    def make(self, folder: Path) -> None:
        """The folder, with all that the command finds in it."""
        folder.mkdir(parents=True)
        for name in self.subjects:
            source = SUBJECTS / name
            if source.is_dir():
                shutil.copytree(source, folder, dirs_exist_ok=True)
            else:
                shutil.copy(source, folder)
        self.prepare(folder)

    def environment(self, folder: Path) -> dict[str, str]:
        """Without what a user's own settings change."""
        return {
            **os.environ,
            "HOME": str(folder),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
        }


def _compiler() -> str:
    """No cache of a compiler, which is one kind of program today and another tomorrow."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, "cc")
        if os.access(path, os.X_OK) and "ccache" not in os.path.realpath(path):
            return path
    return "cc"


def lines(seed: int, count: int) -> str:
    """Text; always the same."""
    chance = random.Random(seed)
    words = [f"word{chance.randrange(400)}" for _ in range(200)]
    return "".join(" ".join(chance.choices(words, k=9)) + "\n" for _ in range(count))


def _tree(folder: Path) -> None:
    """60 text files in 5 folders, a link, a program."""
    for number in range(60):
        path = folder / "tree" / f"d{number % 5}" / f"f{number // 5}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines(number, 10 + 3 * number))
    (folder / "tree" / "latest").symlink_to("d4/f11.txt")
    script = folder / "tree" / "run.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    _age(folder / "tree")


def _age(tree: Path) -> None:
    for path in (*tree.rglob("*"), tree):
        os.utime(path, (_LONG_AGO, _LONG_AGO), follow_symlinks=False)


def _repository(folder: Path) -> None:
    """1,200 files, of which git reads the states by two threads; some changed, staged, new."""
    for number in range(1200):
        path = folder / f"d{number % 12}" / f"f{number // 12}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{number}\n")
    _age(folder)
    environment = {
        **os.environ, "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_DATE": f"{_LONG_AGO} +0000", "GIT_COMMITTER_DATE": f"{_LONG_AGO} +0000",
    }  # fmt: skip

    def git(*words: str) -> None:
        subprocess.run(
            ["git", *words], cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True
        )

    git("init", "--quiet", "-b", "main")
    git("config", "user.name", "A")
    git("config", "user.email", "a@example.org")
    git("add", ".")
    git("commit", "--quiet", "-m", "All")
    (folder / "d1" / "f1.txt").write_text("changed\n")
    staged = folder / "staged.txt"
    staged.write_text("staged\n")
    # As new as the index, it would make git write the index anew: gitformat-index(5), racy git.
    os.utime(staged, (_LONG_AGO, _LONG_AGO))
    git("add", "staged.txt")
    (folder / "new.txt").write_text("new\n")
    (folder / "d2" / "f2.txt").unlink()
    git("status", "--short")


def _big_file(folder: Path) -> None:
    (folder / "big.txt").write_text(lines(1, 60_000))
    (folder / "runs").mkdir()


def _form(folder: Path) -> None:
    (folder / "form.txt").write_text(lines(2, 20))


def _example(folder: Path) -> None:
    shutil.copytree(
        EXAMPLE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("golden_traces", "build")
    )


def _compiled_example(folder: Path) -> None:
    _example(folder)
    subprocess.run(["sh", "build.sh"], cwd=folder, check=True)


def _python(name: str, *words: str) -> tuple[str, ...]:
    return (sys.executable, name, *words)


COMMANDS = (
    Command("git_status", ("git", "status"), ("git",), prepare=_repository),
    Command(
        "sqlite", ("sh", "store.sh"), ("sqlite3",), subjects=("store.sh", "store.sql")
    ),
    Command(
        "curl",
        ("curl", "-sS", "-o", "page.html", "--data-binary", "@form.txt", f"http://{SERVER}/page"),
        ("curl",), prepare=_form,
    ),
    Command("tar", ("tar", "-cf", "all.tar", "tree"), ("tar",), prepare=_tree),
    Command(
        "sort", ("sort", "--parallel=2", "-S", "1M", "-T", "runs", "-o", "sorted.txt", "big.txt"),
        ("sort",), prepare=_big_file,
    ),
    Command("pipeline", ("sh", "pack.sh"), ("gzip",), ("pack.sh",), _tree),
    Command("thread_pool", _python("thread_pool.py"), (), ("thread_pool.py",), _tree),
    Command("fork_server", _python("fork_server.py"), (), ("fork_server.py",)),
    Command("process_pool", _python("process_pool.py"), (), ("process_pool.py",)),
    Command(
        "make", ("make", "-B", "-j2", f"CC={_compiler()}"), ("make", "cc", "ar"), ("project",)
    ),
    Command("asyncio", _python("asyncio_echo.py"), (), ("asyncio_echo.py",)),
    Command("search", ("sh", "search.sh"), ("find", "xargs", "grep"), ("search.sh",), _tree),
    Command(
        "trivial_cli_c", ("build/trivial_cli", "--name", "Ada"), ("cc",),
        prepare=_compiled_example,
    ),
    Command(
        "trivial_cli_python", _python("-SE", "trivial_cli.py", "--name", "Ada"), (),
        prepare=_example,
    ),
)  # fmt: skip


def chosen(names: list[str]) -> list[Command]:
    """Those of these names; none: all. ValueError: there is none such."""
    known = {command.name: command for command in COMMANDS}
    for name in names:
        if name not in known:
            raise ValueError(f"no command is called {name}: {', '.join(known)}")
    return [known[name] for name in names] if names else list(COMMANDS)
