# SPDX-License-Identifier: MIT
"""Where a program was looked for in vain, along PATH, before it was found: as machines have it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from renacer_otel.spans import grouping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from renacer_otel.spans.replay import Replay

_LOOKS = frozenset(
    "stat stat64 lstat lstat64 newfstatat fstatat64 statx access faccessat faccessat2".split()
)
_EXECS = frozenset("execve execveat".split())
_USUAL = "/usr/bin"
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR)


class _Search(NamedTuple):
    """One thread looks for one name in folders, one after the other, until it finds it."""

    rows: list[int]  # of those where it is not
    folders: list[str]  # that of `found` at last
    found: str  # "": nowhere

    def in_vain(self, programs: set[str], known: set[str]) -> list[int]:
        """Rows that are left out. `programs`: what was run; `known`: folders of PATH."""
        if self.found:
            is_search = self.found in programs or known.issuperset(self.folders)
            return self.rows if is_search else []
        if not known or not known.issubset(self.folders):
            return []
        # That it was looked for stays, once, in a folder that all have.
        usual = self.folders.index(_USUAL) if _USUAL in self.folders else -1
        stays = self.rows[usual]
        return [row for row in self.rows if row != stays]


def in_vain(
    run: Replay,
    called: tuple[NDArray[Any], list[str]],
    texts: Sequence[str],
    error: NDArray[Any],
    over: NDArray[np.bool_],
) -> list[int]:
    """Rows of calls that looked for a program where it is not. `texts`: of the details; `error`: of
    each call, 0 = none; `over`: it has returned.

    It is known to be one if what was found was run, or by the folders, which are those of such
    searches: a file of settings, sought in several places, is none.
    """
    assert run.details is not None
    codes, names = called
    path = run.details.rows["path"]
    ran = _named(names, codes, _EXECS) & over & (error == 0)
    programs = {texts[int(at)] for at in np.unique(path[ran])}
    rows = np.flatnonzero(_named(names, codes, _LOOKS) & over & (path > 0))
    missed = np.isin(error[rows], _NOT_THERE)
    if not programs or not missed.any():
        return []
    rows = rows[np.lexsort((run.calls["seq"][rows], run.calls["thread"][rows]))]
    looks = _Looks(run, rows, texts, error)
    searches = looks.searches({program.rpartition("/")[2] for program in programs})
    known = {folder for search in searches if search.found in programs for folder in search.folders}
    searches = looks.searches(looks.missed_in(known))
    return [row for search in searches for row in search.in_vain(programs, known)]


def _named(names: Sequence[str], codes: NDArray[Any], wanted: frozenset[str]) -> NDArray[np.bool_]:
    table = np.array([name in wanted for name in names], bool)
    return table[codes] if len(table) else np.zeros(0, bool)


class _Looks:
    """Calls that look at a path, by their threads and in order."""

    def __init__(
        self, run: Replay, rows: NDArray[np.int64], texts: Sequence[str], error: NDArray[Any]
    ) -> None:
        assert run.details is not None
        ids, self._at = grouping.indexed(run.details.rows["path"][rows])
        self._rows, self._thread, self._error = rows, run.calls["thread"][rows], error[rows]
        self._paths = [texts[int(one)] for one in ids]
        self._parts = [path.rpartition("/") for path in self._paths]

    def missed_in(self, folders: set[str]) -> set[str]:
        """Names that are not in one of these folders, of those looked for there."""
        missed = np.unique(self._at[np.isin(self._error, _NOT_THERE)])
        parts = [self._parts[one] for one in missed.tolist()]
        return {name for folder, slash, name in parts if slash and folder in folders}

    def searches(self, names: set[str]) -> list[_Search]:
        """Looks of one thread for one of these names, until it is found or another is sought."""
        wanted = np.array([part[2] in names for part in self._parts], bool)
        places = np.flatnonzero(wanted[self._at])
        found: list[_Search] = []
        search, before = _Search([], [], ""), (-1, "")
        for row, thread, at, code in zip(
            self._rows[places].tolist(), self._thread[places].tolist(),
            self._at[places].tolist(), self._error[places].tolist(), strict=True,
        ):  # fmt: skip
            folder, _, name = self._parts[at]
            is_miss, here = code in _NOT_THERE, (thread, name if self._paths[at][0] == "/" else "")
            if search.rows and (here != before or not (is_miss or code == 0)):
                found.append(search)
                search = _Search([], [], "")
            before = here
            if here[1] and is_miss:
                search.rows.append(row)
                search.folders.append(folder)
            elif search.rows:
                found.append(_Search(search.rows, [*search.folders, folder], self._paths[at]))
                search = _Search([], [], "")
        return [*found, search] if search.rows else found
