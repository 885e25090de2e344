# SPDX-License-Identifier: MIT
"""`golden capture`: runs a command several times, and writes what these runs have in common."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel._version import __version__
from renacer_otel.analysis.golden import golden_file, learning, timing
from renacer_otel.analysis.golden.load import Load, machine
from renacer_otel.cli import recording
from renacer_otel.cli.golden_runs import observe
from renacer_otel.errors import OutputError, RenacerError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from renacer_otel.analysis.golden.model import Golden
    from renacer_otel.analysis.summary import Summary
    from renacer_otel.cli.golden_runs import Observed

_PAGE = "ANALYSIS.md"
_LONGEST_PAGE = 16 << 20  # characters


class CommandFailed(RenacerError):  # noqa: N818 (as the exit code is called)
    """The command did not end alike in all runs."""

    exit_code = analysis_exit_code = 4


class Captured(NamedTuple):
    """What was written, and what of it is not as it might be."""

    golden: Golden
    files: list[str]
    notes: list[str]


def capture(
    name: str,
    command: Sequence[str],
    folder: str,
    *,
    runs: int,
    keep: Sequence[str] = (),
    source: bool = False,
) -> Captured:
    """Runs it once to fill caches, then so often; and writes. `keep`: rules switched off.

    Raises CommandFailed where runs end differently, OutputError, CommandNotFound, EngineError, …
    """
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="renacer-otel-") as place:
        recording.record(command, os.path.join(place, "before.renacer"))
        load = Load()
        observed = []
        for number in range(runs):
            trace = os.path.join(place, f"{number}.renacer")
            observed.append(observe(command, trace, keep=keep, source=source))
            if number:
                os.unlink(trace)
        ending = _ending(name, command, observed, notes)
        golden = learning.learn(
            [one.form for one in observed], name, command, tool_version=__version__
        )
        golden = _with_times(golden, observed, load, notes)
        files = _write(golden, observed[0], folder, source=source)
    _write_page(golden, files, folder, ending, notes)
    return Captured(golden, [*files, _PAGE], notes)


def _ending(
    name: str, command: Sequence[str], observed: Sequence[Observed], notes: list[str]
) -> str:
    """How all runs ended. Raises CommandFailed where that is not the same."""
    last = observed[-1].ran
    endings = [one.ran.exit for one in observed]
    if len(set(endings)) > 1:
        words = last_words(next(one.ran.output for one in observed if one.ran.failed))
        raise CommandFailed(
            f"{name}: nothing captured: {one_line(command[0], 80)} does not end alike in all runs:"
            f" {', '.join(endings)}{words}"
        )
    if last.failed:
        notes.append(
            f"the command {recording.how_it_ended(last)} in each run, and so it is to"
            + last_words(last.output)
        )
    return last.exit


def last_words(output: bytes) -> str:
    """The last line that the command has written, to be added to a sentence; "" = none."""
    lines = output.decode("utf-8", "backslashreplace").strip().splitlines()
    return f"; it said: {one_line(lines[-1], 160)}" if lines else ""


def _with_times(
    golden: Golden, observed: Sequence[Observed], load: Load, notes: list[str]
) -> Golden:
    """With CPU times and waits; of no machine where it was not fit to take them."""
    place = machine()
    if why := load.why_unfit():
        notes.append(f"checks will not compare times, as {why}")
        place = ""
    cpu, off_cpu = timing.figures_of([one.sample for one in observed])
    figures = replace(golden.form.figures, cpu_us=cpu, off_cpu_us=off_cpu, machine=place)
    return replace(golden, form=replace(golden.form, figures=figures))


def _write(golden: Golden, first: Observed, folder: str, *, source: bool) -> list[str]:
    """The files of a golden trace; their names. Raises OutputError."""
    from renacer_otel.spans import listing

    name = golden.name
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{one_line(folder, 120)}: {error.strerror}") from error
    trace, code = first.ran.trace, first.ran.exit_code
    files = [f"{name}.golden", f"{name}.json", f"{name}_summary.txt"]
    _replace(os.path.join(folder, files[1]), listing.of_trace(trace, code, sources=False))
    _replace(os.path.join(folder, files[2]), [_table(_summary(trace)).encode()])
    lines = os.path.join(folder, f"{name}_source.json")
    if source:
        files.append(f"{name}_source.json")
        _replace(lines, listing.of_trace(trace, code))
    elif os.path.exists(lines):
        os.unlink(lines)  # of the trace that is replaced
    golden_file.write(golden, os.path.join(folder, files[0]))
    return files


def _replace(path: str, parts: Iterable[bytes]) -> None:
    """Writes a file whole, or leaves the former one as it is. Raises OutputError."""
    unfinished = f"{path}.{os.getpid()}"
    try:
        with open(unfinished, "wb") as file:
            file.writelines(parts)
        os.replace(unfinished, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise OutputError(f"{one_line(path, 120)}: {error.strerror}") from error


def _summary(trace: str) -> Summary:
    from renacer_otel.analysis import summary

    return summary.of_trace(trace, "all", wall=True)


def _table(found: Summary) -> str:
    from renacer_otel.reporters import summary_table

    return summary_table.text(found, summary_table.COLUMNS)


def _write_page(
    golden: Golden, files: Sequence[str], folder: str, ending: str, notes: Sequence[str]
) -> None:
    """The golden's section of ANALYSIS.md. Raises OutputError."""
    from renacer_otel.reporters import golden_analysis

    path = os.path.join(folder, _PAGE)
    captured = golden_analysis.Captured(golden, files, ending, machine(), notes)
    with _locked(folder):
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read(_LONGEST_PAGE + 1)
        except FileNotFoundError:
            text = ""
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is no text"
            raise OutputError(f"{one_line(path, 120)}: {reason}") from error
        if len(text) > _LONGEST_PAGE:
            raise OutputError(f"{one_line(path, 120)}: too long to add a section; move it away")
        made = golden_analysis.updated(text, captured)
        _replace(path, [made.encode("utf-8", "backslashreplace")])


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[None]:
    """For a while, no other capture writes the page."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
