# SPDX-License-Identifier: MIT
"""Runs a program bare and traced in the same folder, and tells what differs."""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
import os
import re
import shutil
import stat
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from renacer_otel.exporters.receiver import Receiver
from tests.cli.tool import Totals, read_totals
from tests.engine.tools import PROGRAM, environment
from tests.programs import dialogue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.programs.catalogue import Program

# Only against hanging for ever: nothing waits for it where all is well.
PATIENCE = 900.0


@dataclass(frozen=True)
class Ran:
    """What became of a run: exit code (-signal), what it printed, its files, its seconds."""

    status: int
    output: str
    errors: str
    files: dict[str, str]
    seconds: float


@dataclass(frozen=True)
class Traced:
    """A traced run: the same of the command, the numbers of the last line, spans received."""

    ran: Ran
    totals: Totals
    received: int | None


def _describe(path: Path) -> str:
    """Kind, mode, and what it holds."""
    status = path.lstat()
    mode = stat.filemode(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return f"{mode} -> {os.readlink(path)}"
    if stat.S_ISREG(status.st_mode):
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while piece := file.read(1 << 20):
                digest.update(piece)
        return f"{mode} {status.st_size} bytes {digest.hexdigest()}"
    return mode


def _tree(folder: Path, left_out: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Every file of a folder, path to description, but those that match a glob."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern, _ in left_out):
            found[name] = _describe(path)
    return found


def _normalised(program: Program, text: str) -> str:
    for rule in program.rules:
        text = re.sub(rule.pattern, rule.by, text)
    return "".join(sorted(text.splitlines(keepends=True))) if program.any_order else text


def _folder(program: Program, base: Path) -> Path:
    """The program's folder: empty, but for what it starts with; always of the same name."""
    folder = base / "run"
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    program.prepare(folder)
    return folder


def _execute(program: Program, before: Sequence[str], base: Path) -> Ran:
    folder = _folder(program, base)
    words = [*before, *program.words]
    began = time.perf_counter()
    if program.dialogue:
        status, output = dialogue.talk(words, folder)
        errors = ""
    else:
        status, output, errors = _pipe(words, folder)
    seconds = time.perf_counter() - began
    return Ran(status, output, errors, _tree(folder, program.left_out), seconds)


def _pipe(words: Sequence[str], folder: Path) -> tuple[int, str, str]:
    """Runs in a folder of its own; kills the whole group if it takes longer than PATIENCE."""
    with subprocess.Popen(
        words,
        cwd=folder,
        env=environment(LC_ALL="C", PYTHONDONTWRITEBYTECODE="1"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="backslashreplace",
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=PATIENCE)
        except BaseException:
            os.killpg(process.pid, 9)
            raise
    return process.returncode, output, errors


def run_bare(program: Program, base: Path) -> Ran:
    """The program alone."""
    return _execute(program, (), base)


def run_traced(
    program: Program, base: Path, options: Sequence[str] = (), *, export: bool = False
) -> Traced:
    """The program under the tracer; its own last line is taken off what the command printed."""
    with ExitStack() as stack:
        before = [str(word) for word in PROGRAM]
        receiver = None
        if export:
            receiver = stack.enter_context(Receiver(mode="count"))
            before += ["--otlp-endpoint", receiver.endpoint, "--flush-timeout", "60s"]
            before += ["--fold", "off"]  # a span for each call
        else:
            before += ["-o", str(base / "trace.txt")]
        ran = _execute(program, [*before, *options, "--"], base)
        received = receiver.count if receiver else None
    if program.dialogue:
        printed, line = _without_last_line(ran.output)
        ran = Ran(ran.status, printed, ran.errors, ran.files, ran.seconds)
    else:
        printed, line = _without_last_line(ran.errors)
        ran = Ran(ran.status, ran.output, printed, ran.files, ran.seconds)
    return Traced(ran, read_totals(line), received)


def _without_last_line(text: str) -> tuple[str, str]:
    found = re.search(r"(?s)\A(.*?)(renacer-otel: [^\r\n]*)\r?\n\Z", text)
    assert found, text
    return found[1], found[2]


def differences(program: Program, bare: Ran, traced: Ran) -> list[str]:
    """What the tracer changed: one line each, none if nothing."""
    found = []
    if bare.status != traced.status:
        found.append(f"exit {bare.status} bare, {traced.status} traced")
    for stream in ("output", "errors"):
        before, after = (
            _normalised(program, getattr(ran, stream)).splitlines() for ran in (bare, traced)
        )
        if before != after:
            diff = difflib.unified_diff(before, after, "bare", "traced", lineterm="", n=0)
            found += [f"{stream}: {line}" for line in list(diff)[:20]]
    for name in sorted(bare.files.keys() | traced.files.keys()):
        was, now = (ran.files.get(name, "absent") for ran in (bare, traced))
        if was != now:
            found.append(f"file {name}: {was} bare, {now} traced")
    return found
