# SPDX-License-Identifier: MIT
"""The corpus: pairs of programs that do the same, and mutants that differ in one effect.

A folder of corpus/ is a pair: two programs, and pair.toml with what they are about, their arguments
and files, and their mutants: [name, which program, the text in it that is changed, into what].

Pairs come in rounds (`added`), each split by itself: a half that was held out stays so when others
are added. What was held out until somebody mended what it showed is of the tuning half (`seen`).
"""

from __future__ import annotations

import importlib
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from renacer_otel.analysis.equivalence import evidence
from renacer_otel.cli import copies, trials

if TYPE_CHECKING:
    from renacer_otel.analysis.equivalence.state import State

CORPUS = Path(__file__).parent / "corpus"
#: By which the corpus is split into two halves.
SEED = 6
_BEFORE = 1_700_000_000
_TOOLS = {".c": "cc", ".go": "go", ".rs": "rustc", ".sh": "sh"}


class Mutant(NamedTuple):
    """`side`: "a" or "b", whose text `old` becomes `new`."""

    name: str
    side: str
    old: str
    new: str


@dataclass
class Pair:
    """`programs`: by side; `files`, `modes` (octal), `links` (to what): what a run begins with."""

    name: str
    about: str
    programs: dict[str, Path]
    args: list[str]
    files: dict[str, str]
    modes: dict[str, str]
    links: dict[str, str]
    added: int
    seen: bool
    mutants: list[Mutant] = field(default_factory=list)

    @property
    def lacks(self) -> str:
        """A tool that the pair needs and that is not here; "" = none."""
        tools = [_TOOLS.get(each.suffix, "") for each in self.programs.values()]
        return next((tool for tool in tools if tool and shutil.which(tool) is None), "")


def load() -> list[Pair]:
    """All pairs, by name."""
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    pairs = []
    for file in sorted(CORPUS.glob("*/pair.toml")):
        found: dict[str, Any] = toml.loads(file.read_text(encoding="utf-8"))
        pair = Pair(
            file.parent.name,
            found["about"],
            {side: file.parent / found[side] for side in "ab"},
            found.get("args", []),
            found.get("files", {}),
            found.get("modes", {}),
            found.get("links", {}),
            found.get("added", 1),
            found.get("seen", False),
            [Mutant(*row) for row in found["mutants"]],
        )
        for mutant in pair.mutants:
            source = pair.programs[mutant.side].read_text(encoding="utf-8")
            assert mutant.old in source, (pair.name, mutant)
        pairs.append(pair)
    return pairs


def halves(pairs: list[Pair]) -> tuple[list[Pair], list[Pair]]:
    """(the tuning half, the held-out half)."""
    tuning: list[Pair] = []
    held_out: list[Pair] = []
    for number in sorted({pair.added for pair in pairs}):
        mixed = sorted((pair for pair in pairs if pair.added == number), key=lambda pair: pair.name)
        random.Random(SEED).shuffle(mixed)
        for at, pair in enumerate(mixed):
            is_tuning = pair.seen or at < len(mixed) // 2
            (tuning if is_tuning else held_out).append(pair)
    return tuning, held_out


class Seen(NamedTuple):
    """What a run left behind, looked at and as its trace alone tells it."""

    real: State
    traced: State


class Bench:
    """Builds and runs programs of the corpus, until close()."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="equivalence-"))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._server = threading.Thread(target=self._serve, daemon=True)
        self._server.start()
        self._seen: dict[tuple[str, str, Mutant | None], Seen] = {}

    def close(self) -> None:
        """Ends the server, and removes what was built."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._server.join(10)
        shutil.rmtree(self._folder)

    def _serve(self) -> None:
        """A server elsewhere: answers each request with the same page."""
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                threading.Thread(target=_answer, args=(peer,), daemon=True).start()

    def _command(self, pair: Pair, side: str, mutant: Mutant | None) -> list[str]:
        source = pair.programs[side]
        number = pair.mutants.index(mutant) + 1 if mutant else 0
        folder = self._folder / f"{pair.name}.{side}.{number}"
        folder.mkdir(exist_ok=True)
        text = source.read_text(encoding="utf-8")
        if mutant:
            text = text.replace(mutant.old, mutant.new)
        file, made = folder / f"program{source.suffix}", folder / "program"
        file.write_text(text, encoding="utf-8")
        build = {
            ".c": ["cc", "-std=gnu11", "-D_GNU_SOURCE", "-w", "-o", str(made), str(file)],
            ".go": ["go", "build", "-o", str(made), str(file)],
            ".rs": ["rustc", "--edition", "2021", "-o", str(made), str(file)],
        }.get(source.suffix)
        port = str(self._listener.getsockname()[1])
        arguments = [word.replace("{PORT}", port) for word in pair.args]
        if build is not None:
            subprocess.run(build, check=True, stdin=subprocess.DEVNULL)
            return [str(made), *arguments]
        shown = ["sh"] if source.suffix == ".sh" else [sys.executable, "-I", "-S"]
        return [*shown, str(file), *arguments]

    def run(self, pair: Pair, side: str, mutant: Mutant | None = None) -> Seen:
        """One run, which is remembered."""
        known = self._seen.get((pair.name, side, mutant))
        if known is not None:
            return known
        command = self._command(pair, side, mutant)
        start = self._folder / "start"
        copies.remove(str(start))
        start.mkdir()
        for name, text in pair.files.items():
            (start / name).parent.mkdir(exist_ok=True)
            (start / name).write_text(text, encoding="utf-8")
        for name, target in pair.links.items():
            (start / name).symlink_to(target)
        for name, mode in pair.modes.items():
            (start / name).chmod(int(mode, 8))
        for path in (*start.rglob("*"), start):  # as a user's files, which were there long before
            os.utime(path, (_BEFORE, _BEFORE), follow_symlinks=False)
        room = self._folder / "room"
        room.mkdir(exist_ok=True)
        trial = trials.trial(command, str(start), str(room), hashes=True, caches=False)
        state, said, run, _ = trial
        assert not said, said
        seen = Seen(state, evidence.of_trace(run))
        self._seen[pair.name, side, mutant] = seen
        return seen


def _answer(peer: socket.socket) -> None:
    asked = b""
    with peer, suppress(OSError):
        while b"\r\n\r\n" not in asked and (data := peer.recv(1000)):
            asked += data
        peer.sendall(b"HTTP/1.0 200 OK\r\n\r\nthe page\n")
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(1000):  # until the other end is closed: no reset
            pass
