# SPDX-License-Identifier: MIT
"""The fixture `golden_trace`: a command still does what its golden trace has.

It is `renacer-otel golden check`, in a process of its own; with --golden-update what has changed is
captured again. Of several workers one at a time writes: `golden capture` sees to that.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from renacer_otel import api, recording
from renacer_otel.errors import one_line
from renacer_otel.testing.traced import shown

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from renacer_otel.recording import Word

_FIRST = ": the first run, which does not count, did otherwise"
_SAME, _CHANGED, _MISSING, _UNREADABLE, _FAILED = 0, 1, 2, 3, 4
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127
_TO_CAPTURE = (_CHANGED, _MISSING, _UNREADABLE, _FAILED)
_MOST = 20  # differences


class GoldenTrace:
    """What a command is to do: NAME.golden in the folder of golden traces."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path

    def __repr__(self) -> str:
        return f"<golden trace {self.name}>"


class GoldenRun:
    """What it does now. It is equal to the golden trace if nothing has changed.

    `status`: same, changed, failed, missing, unreadable; `differences`: those that count, as
    sentences; `minor`: others; `notes`: what else there is to know; `updated`: by --golden-update.
    """

    def __init__(self, args: tuple[str, ...], told: Mapping[str, Any]) -> None:
        self.args = args
        self.status = str(told["status"])
        self.exit_code = int(told["exit_code"])
        self.error = str(told["error"] or "")
        self.notes = tuple(map(str, told["notes"]))
        self.updated = bool(told["updated"])
        self._found = list(told["differences"])
        self._slower = list(told["slower"])

    @property
    def differences(self) -> tuple[str, ...]:
        """The most important first; what takes longer is told last."""
        if self.exit_code == _SAME:
            return ()
        count = [one for one in self._found if one["severity"] == "changed"]
        if not count and not self._slower:
            count = self._found
        return tuple(str(one["sentence"]) for one in (*count, *self._slower))

    @property
    def minor(self) -> tuple[str, ...]:
        """What does not make a change."""
        return tuple(str(one["sentence"]) for one in self._found if one["severity"] == "minor")

    def __eq__(self, other: object) -> bool:
        return self.exit_code == _SAME if isinstance(other, GoldenTrace) else NotImplemented

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<{shown(self.args)}: {self.status}>"

    def _lines(self, verbose: int) -> Iterator[list[str]]:
        """Of each difference: its sentence; if that is wanted, what was before and is now."""
        changed = [one for one in self._found if one["severity"] == "changed"]
        minor = [one for one in self._found if one not in changed]
        if changed or self._slower:  # else they are what counts
            minor = [{**one, "sentence": f"minor: {one['sentence']}"} for one in minor]
            minor = minor if verbose > 0 else []
        for one in (*changed, *self._slower, *minor):
            where = f", at {one['source']}" if one.get("source") else ""
            lines = [f"  {one_line(str(one['sentence']), 400)}{where}"]
            if verbose > 0 and (one.get("expected") or one.get("actual")):
                lines += [f"    before: {one_line(str(one['expected']) or 'nothing', 400)}"]
                lines += [f"    now:    {one_line(str(one['actual']) or 'nothing', 400)}"]
            yield lines

    @property
    def headline(self) -> str:
        """The most important of it in one sentence."""
        told = [*([self.error] if self.error else []), *self.differences]
        more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
        return f"{told[0]}{more}" if told else self.status

    def explained(self, golden: GoldenTrace, verbose: int) -> Iterator[str]:
        """Why it is not equal, line by line."""
        yield f"{shown(self.args)} against golden trace {golden.name}: {self.status}"
        if self.error:
            yield f"  {one_line(self.error, 400)}"
        lines = list(self._lines(verbose))
        most = len(lines) if verbose > 1 else _MOST
        for part in lines[:most]:
            yield from part
        if lines[most:]:
            yield f"  and {len(lines[most:])} more: pytest -vv tells all"
        for note in self.notes:
            yield f"  note: {one_line(note, 400)}"
        if self.exit_code in (_CHANGED, _FAILED):
            yield f"pytest --golden-update takes that as what is wanted: {golden.path}"


class GoldenChecker:
    """Call it with a name and a command, as in `golden_trace("sorted", ["sort", "words.txt"])`."""

    def __init__(
        self,
        folder: Path,
        *,
        update: bool,
        tell: Callable[[str], None],
        places: Callable[[], Mapping[str, str]],
        captured: Captured,
    ) -> None:
        """`tell`: takes a sentence about what was captured; `places`: folders that have another
        path in each session, by names that stand for them; `captured`: in this session."""
        self._places = places
        self._captured = captured
        self._folder = folder
        self._update = update
        self._tell = tell

    def __call__(
        self,
        name: str,
        command: Sequence[Word],
        *,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        strict: bool = False,
        timing: bool = False,
        runs: int = 5,
        in_copy_of: str | os.PathLike[str] | None = None,
    ) -> GoldenRun:
        """Fails the test unless it does the same; where it does not, it is run up to three times.

        `strict`: what hardly matters is a change, too, and the first run counts; `timing`: times
        are compared; `runs`: how many teach a golden trace that is made by --golden-update;
        `in_copy_of`: each run begins in a new copy of this folder, instead of in `cwd`.
        Raises as subprocess.run does. Skips the test where tracing is forbidden.
        """
        __tracebackhide__ = True
        words = tuple(os.fsdecode(word) for word in recording.words_of(command))
        options = ["--strict"] * strict + ["--ignore-timing"] * (not timing)
        where: dict[str, Any] = {"cwd": cwd, "env": env, "timeout": timeout}
        how = [f"--place={place}={path}" for place, path in self._placed(cwd or os.getcwd())]
        if in_copy_of is not None:
            how.append(f"--in-copy-of={os.path.abspath(os.fspath(in_copy_of))}")
        golden = GoldenTrace(name, self._folder / f"{name}.golden")
        run = self._check(name, words, [*options, *how], where)
        if self._update and run.exit_code in _TO_CAPTURE:
            with self._captured.of(name) as by:
                if by.test:  # maybe only just, by another worker
                    run = self._check(name, words, [*options, *how], where)
                    if run.exit_code in _TO_CAPTURE:
                        raise pytest.fail.Exception(_taken(name, by.test, run), pytrace=True)
                else:
                    self._capture(name, words, ["--runs", str(runs), *how], where)
                    is_new = run.exit_code == _MISSING
                    what = "captured" if is_new else f"captured again: {run.headline}"
                    run = self._check(name, words, [*options, *how], where)
                    run.updated = True
                    by.test = self._captured.test
                    self._tell(one_line(f"{name} {what}", 400))
        if run.exit_code == _MISSING:
            missing = f"{golden.path}: no such golden trace; pytest --golden-update makes it"
            raise pytest.fail.Exception(missing, pytrace=True)
        _raise(run.exit_code, run.error)
        assert run == golden
        return run

    def _placed(self, cwd: str | os.PathLike[str]) -> Iterator[tuple[str, str]]:
        """Places and their folders. What is in `cwd` is told from there, but for the test's own."""
        above = os.path.join(os.path.realpath(cwd), "")
        for place, path in sorted(self._places().items()):
            if place != "rootdir" or not os.path.realpath(path).startswith(above):
                yield place, path

    def _check(
        self, name: str, words: Sequence[str], options: Sequence[str], where: Mapping[str, Any]
    ) -> GoldenRun:
        __tracebackhide__ = True
        with tempfile.TemporaryDirectory(prefix="renacer-") as folder:
            report = os.path.join(folder, "report.json")
            given = ["check", name, *options, "--dir", str(self._folder)]
            done = _golden([*given, "--format", "json", "-o", report], words, where)
            try:
                with open(report, encoding="utf-8") as file:
                    told = json.load(file)["goldens"][0]
            except OSError:
                raise _failure(api.last_line(done)) from None
        return GoldenRun(tuple(words), told)

    def _capture(
        self, name: str, words: Sequence[str], options: Sequence[str], where: Mapping[str, Any]
    ) -> None:
        __tracebackhide__ = True
        given = ["capture", name, *options, "--dir", str(self._folder)]
        done = _golden(given, words, where)
        if done.returncode == _FAILED:  # it ends otherwise each time
            raise recording.RecorderError(api.last_line(done))
        _raise(done.returncode, api.last_line(done))
        for line in done.stderr.decode("utf-8", "backslashreplace").splitlines():
            if _FIRST in line:
                self._tell(one_line(line.removeprefix("renacer-otel: "), 400))


class Captured:
    """What --golden-update has captured in this session, by whatever worker: a file each."""

    def __init__(self, folder: Callable[[], Path], test: str) -> None:
        """`test`: which asks."""
        self._folder = folder
        self.test = test

    @contextlib.contextmanager
    def of(self, name: str) -> Iterator[Capture]:
        """By which test; the others wait."""
        folder = self._folder() / "renacer-captured"
        folder.mkdir(exist_ok=True)
        path = folder / hashlib.sha256(os.fsencode(name)).hexdigest()
        with open(path, "a+", encoding="utf-8", errors="surrogateescape") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            capture = Capture(file.read())
            before = capture.test
            yield capture
            if capture.test != before:
                file.write(capture.test)
                file.flush()


class Capture:
    """`test`: that has captured it; "" = none."""

    def __init__(self, test: str) -> None:
        self.test = test


def _taken(name: str, test: str, run: GoldenRun) -> str:
    return (
        f"golden trace {name} was captured in this session by {one_line(test, 200)}, and this"
        f" command does otherwise: {run.headline}; give each a name of its own"
    )


def _golden(
    given: Sequence[str], words: Sequence[str], where: Mapping[str, Any]
) -> subprocess.CompletedProcess[bytes]:
    __tracebackhide__ = True
    return api.ran(["golden", *given], words, **where)


def _raise(code: int, text: str) -> None:
    """What is no answer: the exception that says why."""
    __tracebackhide__ = True
    if code in (_SAME, _CHANGED, _UNREADABLE, _FAILED):
        return
    if code == _NOT_FOUND:
        raise FileNotFoundError(text)
    if code == _NOT_EXECUTABLE:
        raise PermissionError(text)
    raise _failure(text)


def _failure(text: str) -> BaseException:
    """What to raise where it failed: a skip if the machine does not let us trace."""
    with tempfile.TemporaryDirectory(prefix="renacer-") as folder:
        try:  # is it the machine?
            recording.record(["true"], os.path.join(folder, "true.renacer"))
        except recording.Forbidden as error:
            return pytest.skip.Exception(f"tracing is forbidden: {error}")
    return recording.RecorderError(text)
