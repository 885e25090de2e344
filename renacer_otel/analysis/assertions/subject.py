# SPDX-License-Identifier: MIT
"""What assertions look at: the columns of a trace, and what many of them need made once."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from renacer_otel.analysis.causality.critical_path import CriticalPath, critical_path
from renacer_otel.analysis.causality.naming import process_name
from renacer_otel.errors import one_line
from renacer_otel.spans import grouping, replay

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from renacer_otel.analysis.causality.history import History

    Mask = NDArray[np.bool_]

_NO_CALLS = np.zeros(0, replay.DETAIL)


class Subject:
    """A trace, as rules see it. Columns have a value for each call, in the order of their ends.

    `calls` (replay.CALL), `args` (6 words a call), `path`, `peer` and `object`: numbers of the
    file, the other end and the kernel's object that a call is about, 0 = none; `process`: ordinals;
    `polls`: 1 = it asks what is ready with a timeout of 0.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self.run = history.run
        details = self.run.details
        rows = details.rows if details is not None else _NO_CALLS
        if len(rows) != len(self.run.calls):
            raise ValueError("the trace was not read with details")
        self.calls = self.run.calls
        self.args: NDArray[Any] = rows["args"]
        self.path: NDArray[Any] = rows["path"]
        self.peer: NDArray[Any] = rows["peer"]
        self.object: NDArray[Any] = rows["object"]
        self.polls: NDArray[Any] = rows["polls"]
        self.result: NDArray[Any] = self.calls["result"]
        self._details = details

    @functools.cached_property
    def process(self) -> NDArray[Any]:
        """The ordinal of each call's process."""
        found: NDArray[Any] = self.run.threads["ordinal"][self.calls["thread"]]
        return found

    @functools.cached_property
    def succeeded(self) -> Mask:
        """Calls that ended well."""
        bad = self.calls["flags"] & np.uint16(replay.FAILED | replay.UNFINISHED)
        found: Mask = bad == 0
        return found

    @functools.cached_property
    def _coded(self) -> tuple[NDArray[Any], list[str]]:
        """The names of calls: an index for each call, and what it means."""
        return replay.call_names(self.calls)

    @property
    def codes(self) -> NDArray[Any]:
        """An index into `names` for each call."""
        return self._coded[0]

    @property
    def names(self) -> list[str]:
        """The names of the calls that there are; of several ABIs one may come twice."""
        return self._coded[1]

    def named(self, words: Iterable[str]) -> Mask:
        """Calls that have one of these names."""
        codes, names = self._coded
        wanted = set(words)
        table = np.array([name in wanted for name in names], bool)
        found: Mask = table[codes] if len(table) else np.zeros(len(codes), bool)
        return found

    @functools.cached_property
    def by_thread(self) -> NDArray[Any]:
        """The rows of calls by thread, and in each by their entries."""
        return np.lexsort((self.calls["seq"], self.calls["thread"]))

    @functools.cached_property
    def critical_path(self) -> CriticalPath:
        """The longest causal path."""
        return critical_path(self.history)

    @property
    def command(self) -> str:
        """The name of the command; "" = none."""
        words = self.run.metadata.get("command")
        return os.path.basename(str(words[0])) if isinstance(words, list) and words else ""

    def who(self, ordinal: int) -> str:
        """A process in words: sh[123]."""
        return process_name(self.history, int(ordinal))

    def program(self, ordinal: int) -> str:
        """The name of a process's program; "" = unknown."""
        process = self.run.processes.get(int(ordinal))
        return process.name if process else ""

    def words(self, text: int) -> str:
        """A path or peer by its number, one printable line."""
        assert self._details is not None
        return one_line(os.fsdecode(self._details.text(int(text))), 120)

    def bytes_of(self, text: int) -> bytes:
        """The same as the program gave it."""
        assert self._details is not None
        return self._details.text(int(text))


def groups(
    rows: NDArray[Any], *columns: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Rows that are alike in all columns: (the first row of each group, counts, group of each).

    `columns` are of all calls, `rows` the indexes of those to be looked at.
    """
    first, key = grouping.grouped(*(column[rows] for column in columns))
    return rows[first], np.bincount(key, minlength=len(first)), key
