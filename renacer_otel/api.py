# SPDX-License-Identifier: MIT
"""The analysis commands from Python: golden traces, assertions, equivalence, queries.

    from renacer_otel import api

    api.golden_capture("sorted", ["sort", "words.txt"])
    found = api.golden_check("sorted")
    assert found.same, found.differences

Each function is the command of that name (docs/golden-traces.md, assertions.md, equivalence.md,
query.md), in a process of its own: the program that calls is not traced, may have threads, and
stays as it is. What is no answer is raised as errors.RenacerError with the one line that the
command says and its exit code; what subprocess raises (FileNotFoundError for `cwd`,
TimeoutExpired) is raised as it is. `cwd`, `env` and `timeout` (seconds) are those of
subprocess.run; `env` is the command's alone.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from renacer_otel import recording
from renacer_otel.errors import RenacerError, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from renacer_otel.recording import Word

    Path = str | os.PathLike[str]

_BOOT = recording.BOOT.replace("cli.recorder", "cli.main")
# The environment that a command is given may be none in which we could start.
_BOOT_GIVEN = _BOOT.replace(
    "; sys.exit",
    "; from renacer_otel.engine.launch import take_environ; import os;"
    "take_environ(open(0, 'rb', closefd=False)); os.dup2(os.open(os.devnull, os.O_RDONLY), 0);"
    "sys.exit",
)
_PATIENCE_S = 5.0
_OURS = "renacer-otel: "
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Difference:
    """`severity`: changed or minor; `expected`, `actual`: in words; `source`: FILE:LINE or None."""

    kind: str
    severity: str
    sentence: str
    where: str
    expected: str
    actual: str
    source: str | None


@dataclass(frozen=True)
class Slower:
    """A time that has grown: medians in microseconds; `p`: of the test."""

    what: str
    before_us: int
    after_us: int
    p: float
    sentence: str


@dataclass(frozen=True)
class Golden:
    """What came of one golden trace, or of a diff: `status` is same, changed, failed, missing,
    unreadable, … as in the report; `notes`: what else there is to know."""

    name: str
    status: str
    exit_code: int
    error: str | None
    updated: bool
    differences: tuple[Difference, ...]
    slower: tuple[Slower, ...]
    notes: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether nothing has changed that counts."""
        return self.exit_code == 0


@dataclass(frozen=True)
class Result:
    """Of one assertion; `status`: holds, violated, warning, unknown, disabled, …; `actual` and
    `expected` are in `unit`; `evidence`: sentences."""

    name: str
    type: str
    line: int
    status: str
    message: str
    actual: float | None
    expected: float | None
    unit: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Checked:
    """What came of a renacer.toml. `exit_code`: 0 all hold, 1 one is violated, 4 the command
    failed, 125 it cannot be known."""

    exit_code: int
    results: tuple[Result, ...]

    @property
    def holds(self) -> bool:
        """Whether all do."""
        return self.exit_code == 0


@dataclass(frozen=True)
class Comparison:
    """`equal` says what was seen, `exit_code` also whether that is sure enough and as expected (0).

    `confidence`: 0 to 1; `differences`, `doubts`: as in the report; `speedup` and `memory_ratio`:
    A by B, None = not known.
    """

    exit_code: int
    equal: bool
    confidence: float
    differences: tuple[dict[str, Any], ...]
    doubts: tuple[dict[str, Any], ...]
    measures: dict[str, Any] = field(default_factory=dict)
    speedup: float | None = None
    memory_ratio: float | None = None


def record(
    command: Sequence[Word],
    trace: Path,
    *,
    options: Sequence[str] = ("--capture", "hashes"),
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Runs a command into the TRACE file `trace`; its outputs and exit code as subprocess has them.

    `options`: more of `renacer-otel run`. Raises FileNotFoundError, PermissionError where the
    command cannot be run.
    """
    try:
        done = recording.record(
            command, os.path.abspath(trace), cwd=cwd, env=env, timeout=timeout, options=options
        )
    except (recording.Forbidden, recording.RecorderError) as error:
        raise RenacerError(str(error)) from error
    code = os.waitstatus_to_exitcode(done.wait_status)
    return subprocess.CompletedProcess(list(command), code, done.stdout, done.stderr)


def golden_capture(
    name: str,
    command: Sequence[Word],
    *,
    folder: Path = "golden_traces",
    runs: int = 5,
    source: bool = False,
    keep: Sequence[str] = (),
    places: Mapping[str, Path] | None = None,
    in_copy_of: Path | None = None,
    **how: Any,
) -> tuple[str, ...]:
    """Captures a golden trace; what there is to tell, line by line. `how`: cwd, env, timeout."""
    words = ["golden", "capture", name, f"--runs={runs}", *_where(folder, places, in_copy_of)]
    words += ["--source"] * source + [f"--keep={rule}" for rule in keep]
    done = _ran_well(words, recording.words_of(command), **how)
    return tuple(line.removeprefix(_OURS) for line in _lines(done))


def golden_check(
    name: str,
    command: Sequence[Word] | None = None,
    *,
    folder: Path = "golden_traces",
    places: Mapping[str, Path] | None = None,
    in_copy_of: Path | None = None,
    strict: bool = False,
    ignore_timing: bool = False,
    tolerance: float | None = None,
    update: bool = False,
    **how: Any,
) -> Golden:
    """Runs it again: the command of the golden trace, or this one. `how`: cwd, env, timeout."""
    words = ["golden", "check", name, *_where(folder, places, in_copy_of)]
    words += ["--strict"] * strict + ["--ignore-timing"] * ignore_timing + ["--update"] * update
    words += [] if tolerance is None else [f"--tolerance={tolerance:g}"]
    given = None if command is None else recording.words_of(command)
    return _golden(_told(words, given, **how)["goldens"][0])


def golden_check_all(*, folder: Path = "golden_traces", **how: Any) -> tuple[Golden, ...]:
    """Of every golden trace of the folder."""
    words = ["golden", "check", "--all", *_where(folder, None, None)]
    return tuple(map(_golden, _told(words, None, **how)["goldens"]))


def golden_diff(before: Path, after: Path, *, strict: bool = False, **how: Any) -> Golden:
    """How `after` differs: TRACE files, .golden files, renacer-json, OTLP/JSON."""
    words = ["golden", "diff", os.fspath(before), os.fspath(after), *["--strict"] * strict]
    return _golden(_told(words, None, **how)["goldens"][0])


def check(
    trace: Path | None = None,
    command: Sequence[Word] | None = None,
    *,
    config: Path = "renacer.toml",
    lenient: bool = False,
    **how: Any,
) -> Checked:
    """Whether assertions hold for a TRACE file, or for a command, whose streams are ours."""
    words = ["check", f"--config={os.fspath(config)}", *["--lenient"] * lenient]
    words += [] if trace is None else [os.fspath(trace)]
    given = None if command is None else recording.words_of(command)
    told = _told(words, given, **how)
    return Checked(told["exit_code"], tuple(_made(Result, one) for one in told["results"]))


def compare(
    a: Path,
    b: Path,
    *,
    strict: Sequence[str] = (),
    ignore: Sequence[str] = (),
    min_confidence: float | None = None,
    config: Path | None = None,
    **how: Any,
) -> Comparison:
    """Whether two TRACE files are of runs that left the same behind."""
    words = ["compare", *_rules(strict, ignore, min_confidence, config)]
    return _made(Comparison, _told([*words, os.fspath(a), os.fspath(b)], None, **how))


def compare_runs(
    a: Sequence[str],
    b: Sequence[str],
    *,
    in_copy_of: Path | None = None,
    runs: int | None = None,
    strict: Sequence[str] = (),
    ignore: Sequence[str] = (),
    min_confidence: float | None = None,
    config: Path | None = None,
    **how: Any,
) -> Comparison:
    """Whether two commands leave the same behind, each run in its own copy of a folder."""
    words = ["compare", *_rules(strict, ignore, min_confidence, config)]
    words += [f"--run={shlex.join(map(os.fspath, side))}" for side in (a, b)]
    words += [] if in_copy_of is None else [f"--in-copy-of={os.fspath(in_copy_of)}"]
    words += [] if runs is None else [f"--runs={runs}"]
    return _made(Comparison, _told(words, None, **how))


def query(trace: Path, sql: str, **how: Any) -> list[dict[str, Any]]:
    """The rows that a SELECT finds in a TRACE file, by the names of their columns (DuckDB)."""
    done = _ran_well(["query", "--format=json", os.fspath(trace), sql], None, **how)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def ran(
    words: Sequence[str],
    command: Sequence[str | bytes] | None,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Runs `renacer-otel WORDS [-- COMMAND]`; cut short, it ends what it runs, and its copies."""
    __tracebackhide__ = True
    given = [] if command is None else ["--", *command]
    with tempfile.TemporaryFile() as environ:
        if env is not None:
            recording.write_environ(environ, env)
        boot = _BOOT if env is None else _BOOT_GIVEN
        process = recording.started(
            [sys.executable, "-c", boot, recording.PACKAGES, *words, *given],
            cwd=cwd,
            stdin=environ if env is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    with process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException as error:
            process.terminate()
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()  # and so the kernel kills all that it traces
            if isinstance(error, subprocess.TimeoutExpired):
                what = words if command is None else list(command)
                raise subprocess.TimeoutExpired(what, error.timeout) from None
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _ran_well(
    words: Sequence[str], command: Sequence[str | bytes] | None, **how: Any
) -> subprocess.CompletedProcess[bytes]:
    """As ran(). Raises RenacerError unless it exited with 0."""
    done = ran(words, command, **how)
    if done.returncode:
        raise RenacerError(last_line(done), done.returncode)
    return done


def _where(folder: Path, places: Mapping[str, Path] | None, in_copy_of: Path | None) -> list[str]:
    words = [f"--dir={os.fspath(folder)}"]
    words += [f"--place={name}={os.fspath(path)}" for name, path in (places or {}).items()]
    return words + ([] if in_copy_of is None else [f"--in-copy-of={os.fspath(in_copy_of)}"])


def _rules(
    strict: Sequence[str], ignore: Sequence[str], least: float | None, config: Path | None
) -> list[str]:
    words = [f"--strict={','.join(strict)}"] if strict else []
    words += [f"--ignore={','.join(ignore)}"] if ignore else []
    words += [] if least is None else [f"--min-confidence={least:g}"]
    return words + ([] if config is None else [f"--config={os.fspath(config)}"])


def _told(words: Sequence[str], command: Sequence[str | bytes] | None, **how: Any) -> Any:
    """The report of a command as JSON. Raises RenacerError where there is none."""
    with tempfile.TemporaryDirectory(prefix="renacer-") as folder:
        report = os.path.join(folder, "report.json")
        done = ran([*words, "--format=json", f"--output={report}"], command, **how)
        try:
            with open(report, encoding="utf-8") as file:
                return json.load(file)
        except OSError:
            raise RenacerError(last_line(done), done.returncode) from None


def _made(kind: type[_Made], told: Mapping[str, Any]) -> _Made:
    return kind(**{
        one.name: tuple(value) if isinstance(value := told[one.name], list) else value
        for one in fields(kind)  # type: ignore[arg-type]
    })  # fmt: skip


def _golden(told: Mapping[str, Any]) -> Golden:
    differences = [_made(Difference, one) for one in told["differences"]]
    slower = [_made(Slower, one) for one in told["slower"]]
    return _made(Golden, {**told, "differences": differences, "slower": slower})


def _lines(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    return done.stderr.decode("utf-8", "backslashreplace").strip().splitlines()


def last_line(done: subprocess.CompletedProcess[bytes]) -> str:
    """The last that it said."""
    lines = _lines(done)
    last = lines[-1] if lines else f"it exited with {done.returncode}"
    return one_line(last.removeprefix(_OURS), 400)
