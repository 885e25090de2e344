# SPDX-License-Identifier: MIT
"""The assertions of a renacer.toml as tests: one run, an item for each assertion."""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from renacer_otel import recording
from renacer_otel.errors import RenacerError, one_line
from renacer_otel.testing.traced import TracedRun, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest._code.code import ExceptionInfo, TerminalRepr

    from renacer_otel.analysis.assertions.config import Config
    from renacer_otel.analysis.assertions.evaluate import Result
    from renacer_otel.analysis.equivalence.configured import Pair

#: The item that says whether the command did its work at all.
COMMAND = "the command succeeds"
_TAIL = 20
_BOUNDS = {"severity": "below ", "confidence": "at least "}  # by units; else "at most "


class AssertionWarning(UserWarning):
    """An assertion with fail_on_violation = false does not hold, or one holds for an odd reason."""


class Violated(Exception):  # noqa: N818 (what users read is the message)
    """What an item fails with; all of it is for people."""


class AssertionsFile(pytest.File):
    """One renacer.toml. Its command is run, in its folder, when the first of its items is."""

    def collect(self) -> Iterator[pytest.Item]:
        """An item for the command, and one for each assertion."""
        sections = self.assertions.sections
        if self.assertions.assertions or "semantic_equivalence" not in sections:
            self._check_settings()
            if not self._trace:
                yield CommandItem.from_parent(self, name=COMMAND)
        for assertion in self.assertions.assertions:
            yield AssertionItem.from_parent(self, name=assertion.name, line=assertion.line)
        if "semantic_equivalence" in sections:
            yield from self._pairs()

    def _pairs(self) -> Iterator[pytest.Item]:
        """An item for each pair of traces of [semantic_equivalence]."""
        from renacer_otel.analysis.assertions import pairs

        line, sentence = pairs.missing(self.assertions)
        if sentence:
            self.warn(AssertionWarning(f"{self.path.name}:{line}: {sentence}"))
        try:
            found = pairs.of(self.assertions)
        except RenacerError as error:
            raise self.CollectError(error.message) from error
        for pair in found:
            at = self.assertions.lines[pairs.KIND]
            yield PairItem.from_parent(self, name=pairs.name_of(pair), line=at, pair=pair)

    @functools.cached_property
    def assertions(self) -> Config:
        """What is in the file. A file that is wrong fails its collection, in one line."""
        from renacer_otel.analysis.assertions import config

        try:
            return config.load(str(self.path))
        except RenacerError as error:
            raise self.CollectError(error.message) from error

    @property
    def _command(self) -> list[str]:
        return list(self.config.getini("renacer_command"))

    @property
    def _trace(self) -> str:
        return str(self.config.getini("renacer_trace"))

    def _check_settings(self) -> None:
        if bool(self._command) == bool(self._trace):
            what = "not both" if self._command else "in the configuration of pytest"
            raise self.CollectError(
                f"{self.path.name}: say what its assertions are about: renacer_command = the"
                f" command and its arguments, or renacer_trace = a TRACE file; {what}"
            )
        if self._trace and not (self.config.rootpath / self._trace).is_file():
            raise self.CollectError(
                f"renacer_trace = {one_line(self._trace, 120)}: there is no such file below"
                f" {self.config.rootpath}"
            )

    @functools.cached_property
    def ran(self) -> TracedRun:
        """The run of the command. Skips where tracing is forbidden; fails where it cannot run."""
        folder = tempfile.mkdtemp(prefix="renacer-", dir=self._base)
        trace = os.path.join(folder, "assertions.renacer")
        try:
            done = recording.record(
                self._command, trace, cwd=self.path.parent, options=self._captured
            )
        except recording.Forbidden as error:
            raise pytest.skip.Exception(f"tracing is forbidden: {error}") from None
        except (OSError, recording.RecorderError) as error:
            raise Violated(getattr(error, "strerror", None) or str(error)) from error
        return TracedRun(tuple(self._command), done, Path(trace), str(self.path.parent))

    @property
    def _captured(self) -> list[str]:
        from renacer_otel.analysis.assertions import evaluate

        return ["--capture", "rss"] if evaluate.wants_peaks(self.assertions) else []

    @property
    def _base(self) -> Path:
        factory: pytest.TempPathFactory = self.config._tmp_path_factory  # type: ignore[attr-defined]  # noqa: SLF001
        return factory.getbasetemp()

    @functools.cached_property
    def results(self) -> dict[str, Result]:
        """What came of each assertion, by its name."""
        from renacer_otel.analysis.assertions import evaluate
        from renacer_otel.analysis.assertions.subject import Subject
        from renacer_otel.analysis.causality.history import History
        from renacer_otel.spans import replay

        if self._trace:
            run = replay.of_trace(self.config.rootpath / self._trace, details=True)
        else:
            run = self.ran.columns
        subject = Subject(History.of(run))
        return {result.name: result for result in evaluate.evaluate(self.assertions, subject)}


class _Item(pytest.Item):
    parent: AssertionsFile

    def __init__(self, *, line: int = 1, **more: Any) -> None:
        super().__init__(**more)
        self._line = line

    def repr_failure(  # type: ignore[override]
        self, excinfo: ExceptionInfo[BaseException]
    ) -> str | TerminalRepr:
        """The words alone where the words are ours."""
        if isinstance(excinfo.value, Violated):
            return str(excinfo.value)
        if isinstance(excinfo.value, RenacerError):
            return excinfo.value.message
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[os.PathLike[str], int, str]:
        """Where the assertion stands."""
        return self.path, self._line - 1, self.name


class CommandItem(_Item):
    """Holds if the command exits with 0."""

    def runtest(self) -> None:
        """Runs it."""
        run = self.parent.ran
        if run.exit_code == 0:
            return
        lines = [f"{shown(run.args)} exited with {run.exit_code}"]
        for name, told in (("standard output", run.outlines), ("standard error", run.errlines)):
            if told:
                lines += [f"the end of its {name}:"]
                lines += [f"    {one_line(line, 400)}" for line in told[-_TAIL:]]
        raise Violated("\n".join(lines))


class AssertionItem(_Item):
    """One assertion: violated or not to be known, it fails; if it only warns, it warns."""

    @property
    def _result(self) -> Result:
        return self.parent.results[self.name]

    def runtest(self) -> None:
        """Looks its result up."""
        from renacer_otel.analysis.assertions import evaluate

        result = self._result
        if result.status in (evaluate.VIOLATED, evaluate.UNKNOWN):
            raise Violated("\n".join(_told(result)))
        doubtful = any(each.startswith(evaluate.WARNING) for each in result.evidence)
        if result.status == evaluate.WARNED or (result.status == evaluate.HOLDS and doubtful):
            self.warn(AssertionWarning("\n".join(_told(result))))
        elif result.status != evaluate.HOLDS:
            pytest.skip(f"{result.status}: {result.message}")


class PairItem(AssertionItem):
    """Two traces of [semantic_equivalence], which need no run."""

    def __init__(self, *, pair: Pair, **more: Any) -> None:
        super().__init__(**more)
        self._pair = pair

    @property
    def _result(self) -> Result:
        from renacer_otel.analysis.assertions import pairs

        return pairs.result(self.parent.assertions, self._pair)


def _told(result: Result) -> Iterator[str]:
    yield f"{result.status}: {one_line(result.name, 80)} ({result.kind}): {result.message}"
    for name, value in (("actual", result.actual), ("expected", result.expected)):
        if value is not None:
            bound = _BOUNDS.get(result.unit, "at most ") if name == "expected" else ""
            yield f"    {name}: {bound}{_figure(value)} {result.unit}"
    for sentence in result.evidence:
        yield f"    {sentence}"


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"
