# SPDX-License-Identifier: MIT
"""`golden capture`: runs a command several times, and writes what these runs have in common."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import tempfile
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel._version import __version__
from renacer_otel.analysis.golden import (
    differences,
    golden_file,
    lasting,
    learning,
    settled,
    timing,
)
from renacer_otel.analysis.golden.load import Load, machine
from renacer_otel.cli import recording, stopping
from renacer_otel.cli.golden_runs import observe
from renacer_otel.errors import OutputError, RenacerError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from renacer_otel.analysis.golden.model import Golden
    from renacer_otel.analysis.summary import Summary
    from renacer_otel.cli.golden_runs import How, Observed

_PAGE = "ANALYSIS.md"
_ANOTHER = "golden traces go into a folder that you may write: --dir FOLDER"
_LONGEST_PAGE = 16 << 20  # characters
_LEFT = "what it leaves in its folder, --in-copy-of FOLDER runs it in a new copy each time"


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
    how: How,
) -> Captured:
    """Runs it once to fill caches, then so often; and writes.

    Raises CommandFailed where runs end differently, OutputError, CommandNotFound, EngineError, …
    """
    notes: list[str] = []
    how = how._replace(goldens=folder)
    names = [*_names(name, source=how.source), _PAGE]
    _refuse_to_replace(folder, names)
    with _made(folder, names), tempfile.TemporaryDirectory(prefix="renacer-otel-") as place:
        first = observe(command, os.path.join(place, "before.renacer"), how)
        load = Load()
        observed: list[Observed] = []
        over = 0.0  # when the first of these was
        for number in range(runs):
            trace = os.path.join(place, f"{number}.renacer")
            if number == runs - 1 and observed:
                recording.wait_for_another_second(over)
            observed.append(observe(command, trace, how))
            if number:
                os.unlink(trace)
            else:
                over = time.time()
        ending = _ending(name, command, [first, *observed], how, notes)
        golden = learning.learn(
            [one.form for one in observed], name, command, tool_version=__version__
        )
        if told := settled.warning([one.form for one in observed]):
            notes.append(told)
        golden = replace(golden, has_first=True, copy_of=_from_here(how.copy_of))
        words = repr(golden.form)
        golden = replace(golden, places=tuple(p for p in sorted(how.places) if f"<{p}>" in words))
        golden = _with_first(golden, first, how, notes)
        golden = _with_times(golden, observed, load, notes)
        with stopping.whole():
            files = _write(golden, observed[0], folder, source=how.source)
            _write_page(golden, files, folder, ending, notes)
    return Captured(golden, [*files, _PAGE], notes)


def _refuse_to_replace(folder: str, names: Sequence[str]) -> None:
    """Raises OutputError where a file is read-only for everybody: so somebody has locked it."""
    for path in (os.path.join(folder, name) for name in names):
        with contextlib.suppress(OSError):
            if not os.stat(path).st_mode & 0o222:
                raise OutputError(
                    f"{one_line(path, 120)}: read-only, and so not replaced; to capture it again,"
                    " chmod u+w it first"
                )


def _names(name: str, *, source: bool) -> list[str]:
    """The files of a golden trace."""
    files = [f"{name}.golden", f"{name}.json", f"{name}_summary.txt"]
    return [*files, f"{name}_source.json"] if source else files


@contextlib.contextmanager
def _made(folder: str, names: Sequence[str]) -> Iterator[None]:
    """The folder of golden traces and the files that come into it, empty where they are not there:
    so each run, also of checks, finds the same names. Of what is not written nothing stays. Raises
    OutputError."""
    was_there = os.path.isdir(folder)
    made: list[str] = []
    try:
        with stopping.whole():
            _make(folder, names, made)
        yield
    finally:
        with stopping.whole(), contextlib.suppress(OSError):
            _remove_empty(folder, made)
            if not was_there:
                os.rmdir(folder)


def _make(folder: str, names: Sequence[str], made: list[str]) -> None:
    """Adds to `made` what was not there before."""
    path = folder
    try:
        os.makedirs(folder, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
            raise PermissionError(errno.EACCES, "cannot be written")
        for path in (os.path.join(folder, name) for name in names):
            with contextlib.suppress(FileExistsError), open(path, "x"):
                made.append(path)
    except OSError as error:
        is_file = path == folder and isinstance(error, (FileExistsError, NotADirectoryError))
        reason = "not a folder" if is_file else error.strerror
        raise OutputError(f"{one_line(path, 120)}: {reason}; {_ANOTHER}") from error


def _remove_empty(folder: str, made: Sequence[str]) -> None:
    """What was made, and not written since by another capture."""
    with _locked(folder):
        for path in made:
            with contextlib.suppress(OSError):
                if not os.path.getsize(path):
                    os.unlink(path)


def _from_here(folder: str) -> str:
    """A folder as a check elsewhere can have it, if it is below ours."""
    here = os.path.relpath(folder) if folder else ""
    return folder if here.startswith("..") else here


def _with_first(golden: Golden, first: Observed, how: How, notes: list[str]) -> Golden:
    """With what the first run did, if that was something else."""
    found = differences.between(golden, [first.form])
    if not found:
        return golden
    told = [one.sentence for one in lasting.but_caches(found) if differences.changed([one])]
    if told:
        notes.append(
            "the first run, which does not count, did otherwise than those after it:"
            f" {told[0]}" + ("" if how.copy_of else f"; if so because of {_LEFT}")
        )
    both = replace(golden, first=(first.form,))
    try:
        golden_file.dump(both)
    except OutputError:  # of many calls, one form alone has room in a file
        return replace(golden, has_first=False)
    return both


def _ending(
    name: str, command: Sequence[str], observed: Sequence[Observed], how: How, notes: list[str]
) -> str:
    """How all runs ended. Raises CommandFailed where that is not the same."""
    last = observed[-1].ran
    endings = [one.ran.exit for one in observed]
    if len(set(endings)) > 1:
        words = last_words(next(one.ran.output for one in observed if one.ran.failed))
        again = len(set(endings[1:])) == 1 and not how.copy_of
        raise CommandFailed(
            f"{name}: nothing captured: {one_line(command[0], 80)} does not end alike in all runs:"
            f" {', '.join(endings)}{words}" + (f"; if because of {_LEFT}" if again else "")
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
    trace, code = first.ran.trace, first.ran.exit_code
    files = _names(name, source=source)
    _replace(os.path.join(folder, files[1]), listing.of_trace(trace, code, sources=False))
    _replace(os.path.join(folder, files[2]), [_table(_summary(trace)).encode()])
    lines = os.path.join(folder, f"{name}_source.json")
    if source:
        _replace(lines, listing.of_trace(trace, code))
    elif os.path.exists(lines):
        os.unlink(lines)  # of the trace that is replaced
    golden_file.write(golden, os.path.join(folder, files[0]))
    return files


def _replace(path: str, parts: Iterable[bytes]) -> None:
    """Writes a file whole, or leaves the former one as it is. Raises OutputError."""
    unfinished = f"{path}.{os.getpid()}"
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished)
        with open(unfinished, "xb") as file:  # no link by that name is followed
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
