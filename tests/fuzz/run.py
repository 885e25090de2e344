# SPDX-License-Identifier: MIT
"""Feeds the program damaged input, its core with sanitizers: `./dev fuzz`.

usage: ./dev fuzz [TARGET...] [--seconds N] [--seed N]
       ./dev fuzz TARGET --replay FILE

  protocol   the socket of a real sidecar: frames, descriptors, rings
  ring       the ring in the core, whose writer lies while it is read
  spool      the folder of a spool
  trace      TRACE files; their records through the interpreter and the encoders
  otlp-json  OTLP/JSON and renacer-json
  core       what else the core reads: arguments of calls, ELF files, lines of sources

Without names, all but core. --seconds: for each target, 15 unless it is said, with
RENACER_TEST_SCALE=full 1800. As many run at a time as there are CPUs. The inputs follow from the
seed, which is told; what has broken a promise is kept in a file, which --replay takes.

Exit code 0: all hold; 1: a promise is broken; 125: it could not be tried.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.fuzz import built, corpus
from tests.scale import FULL

#: What each is made of: programs of C ("c:…") and of Python, one after the other.
TARGETS = {
    "protocol": ("protocol",),
    "ring": ("c:writer", "c:ring"),
    "spool": ("spools",),
    "trace": ("traces", "c:spans", "c:event"),
    "otlp-json": ("otlp_json",),
    "core": ("c:decode", "c:shape", "c:elf_tls", "c:source"),
}
DEFAULT = tuple(name for name in TARGETS if name != "core")
SECONDS = 1800 if FULL else 15
_START_S = 180.0  # beyond its time: a start beside a load, and the end of a sidecar
_TOLD = 6000  # characters of what a target said at its end
KEPT = built.ROOT / "build" / "fuzz-found"


class Piece(NamedTuple):
    """How one program did. `rate`: inputs a second; `slowest`: CPU seconds, of Python's only."""

    name: str
    inputs: int
    seconds: float
    slowest: float
    failure: str


def _words(name: str, kit: built.Built, rest: list[str]) -> tuple[list[str], dict[str, str]]:
    if name.startswith("c:"):
        return [str(kit.driver), name[2:], *rest], kit.environ
    python = [sys.executable, "-m", "tests.fuzz.python_target", name, *rest]
    return python, kit.python_environ


def _ended(words: list[str], environ: dict[str, str], cwd: Path, seconds: float) -> tuple[int, str]:
    """(exit code, what it said); nothing that it started outlives it."""
    with subprocess.Popen(
        words,
        env=environ,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        errors="backslashreplace",
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            return -1, f"{said}\nit did not end"
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, said


def _run(name: str, kit: built.Built, seconds: int, seed: int, folder: Path) -> Piece:
    """One program for so long; what it was given last is kept where it fails."""
    given = folder / f"{name.replace(':', '-')}.input"
    rest = [str(seconds), str(seed), str(given)]
    if name.startswith("c:"):
        rest.append(str(folder / "records"))
    words, environ = _words(name, kit, rest)
    since = time.monotonic()
    code, said = _ended(words, environ, kit.tree, seconds + _START_S)
    took = time.monotonic() - since
    if code != 0:
        KEPT.mkdir(parents=True, exist_ok=True)
        kept = KEPT / f"{name.replace(':', '-')}-{seed:x}"
        if given.exists():
            shutil.copyfile(given, kept)
        return Piece(name, 0, took, 0.0, f"{said[-_TOLD:]}\nexit code {code}; its input: {kept}")
    inputs, *slowest = said.split()[-2 if not name.startswith("c:") else -1 :]
    return Piece(name, int(inputs), seconds, float(slowest[0]) if slowest else 0.0, "")


def _target(name: str, kit: built.Built, seconds: int, seed: int, folder: Path) -> list[Piece]:
    pieces = TARGETS[name]
    each = max(seconds // len(pieces), 1)
    return [_run(piece, kit, each, seed, folder) for piece in pieces]


def _tell(target: str, piece: Piece) -> None:
    if piece.failure:
        print(f"fuzz: {target} ({piece.name}): BROKEN\n{piece.failure}", flush=True)
        return
    slowest = f", slowest {piece.slowest:.3f} s" if piece.slowest else ""
    rate = piece.inputs / max(piece.seconds, 1)
    print(f"fuzz: {target} ({piece.name}): {piece.inputs:,} inputs, {rate:,.0f} a second{slowest}",
          flush=True)  # fmt: skip


def _replay(name: str, path: str) -> int:
    kit = built.build()
    # The file's name says which of the target's programs it is of.
    for piece in TARGETS[name]:
        if Path(path).name.startswith(f"{piece.replace(':', '-')}-") or len(TARGETS[name]) == 1:
            words, environ = _words(piece, kit, ["replay", os.path.abspath(path)])
            return subprocess.run(words, env=environ, cwd=kit.tree, check=False).returncode
    print(f"fuzz: {path}: its name says none of {', '.join(TARGETS[name])}", file=sys.stderr)
    return 125


def main(arguments: list[str]) -> int:
    """See the module's docstring."""
    parser = argparse.ArgumentParser("./dev fuzz", usage=__doc__, add_help=False)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []])
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--seed", type=lambda text: int(text, 0), default=None)
    parser.add_argument("--replay")
    parser.add_argument("-h", "--help", action="store_true")
    given = parser.parse_args(arguments)
    if given.help:
        print(__doc__)
        return 0
    try:
        if given.replay:
            if len(given.targets) != 1:
                parser.error("--replay is of one target")
            return _replay(given.targets[0], given.replay)
        return _fuzz(given.targets or DEFAULT, given.seconds, given.seed)
    except built.BuildFailed as error:
        print(f"fuzz: {error}", file=sys.stderr)
        return 125


def _fuzz(targets: list[str] | tuple[str, ...], seconds: int, seed: int | None) -> int:
    kit = built.build()
    seed = secrets.randbits(48) if seed is None else seed
    print(f"fuzz: --seed {seed:#x}, {seconds} s each", flush=True)
    broken = 0
    with tempfile.TemporaryDirectory(prefix="renacer-fuzz-") as made:
        folder = Path(made)
        (folder / "corpus").mkdir()
        (folder / "records").write_bytes(corpus.records(folder / "corpus"))
        at_a_time = len(os.sched_getaffinity(0))
        with concurrent.futures.ThreadPoolExecutor(at_a_time) as pool:
            work = {
                pool.submit(_target, name, kit, seconds, seed, folder): name for name in targets
            }
            for done in concurrent.futures.as_completed(work):
                for piece in done.result():
                    _tell(work[done], piece)
                    broken += bool(piece.failure)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
