# SPDX-License-Identifier: MIT
"""One run of a command, as golden traces see it."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.analysis.golden import canonical, waits
from renacer_otel.analysis.golden.timing import Sample
from renacer_otel.cli import copies, recording
from renacer_otel.spans import replay

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from renacer_otel.analysis.golden.model import Canonical
    from renacer_otel.cli.recording import Ran

#: Of `run`: what is compared beside the calls.
CAPTURE = ("--capture", "writes")
SOURCE = ("--source",)


class Observed(NamedTuple):
    """A run: what it did, how long it took, how it ended."""

    form: Canonical
    sample: Sample
    ran: Ran


class How(NamedTuple):
    """How a golden trace's command is run.

    `keep`: rules switched off; `copy_of`: each run begins in a new copy of this folder, "" = all
    run where we are; `goldens`: the folder of golden traces, which is not copied; `places`: names
    of folders, which stand for their paths.
    """

    keep: Sequence[str] = ()
    source: bool = False
    copy_of: str = ""
    goldens: str = ""
    places: Mapping[str, str] = MappingProxyType({})


def observe(command: Sequence[str], trace: str, how: How) -> Observed:
    """Runs the command into a TRACE file, and interprets that.

    Raises CommandNotFound, CommandNotExecutable, EngineError, TraceUnreadable, UsageError.
    """
    options = (*CAPTURE, *(SOURCE if how.source else ()))
    trace = os.path.abspath(trace)
    with _copied(how) as more:
        ran = recording.record(command, trace, (*options, *more))
    run = replay.of_trace(trace, shown=True, portable="folder" not in how.keep)
    stops = int((run.end or {}).get("stops", 0))
    # Half of what a call takes that does nothing is the traced side's own part of its two stops.
    cpu = ran.cpu_ns - stops * waits.least(run) // 4
    sample = Sample(max(cpu, 0) // 1000, waits.of_run(run))
    return Observed(canonical.of_replay(run, how.keep, how.places), sample, ran)


@contextmanager
def _copied(how: How) -> Iterator[Sequence[str]]:
    """Meanwhile we are in a new copy, if there are to be some. Gives options of `run`: PWD is where
    the command is, since shells ask the kernel where it is not, as in a container or by cron.

    Each copy has another place: so what depends on it is learned to vary.
    """
    if not how.copy_of:
        try:
            here = os.getcwd()
        except OSError:  # it is gone
            yield ()
        else:
            yield ("-E", f"PWD={here}")
        return
    copies.require_folder(how.copy_of)
    before = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with tempfile.TemporaryDirectory(prefix="renacer-otel-") as room:
            work = os.path.join(room, "work")
            try:
                copies.copy(how.copy_of, work, without=(room, how.goldens))
                os.chdir(work)
                yield ("-E", f"PWD={work}")
            finally:
                os.fchdir(before)
                copies.remove(work)
    finally:
        os.close(before)
