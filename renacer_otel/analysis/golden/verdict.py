# SPDX-License-Identifier: MIT
"""What came of a check against one golden trace, for reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from renacer_otel.analysis.golden.model import Severity
from renacer_otel.errors import EXIT_NO_TRACE, EXIT_UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from renacer_otel.analysis.golden.model import Difference
    from renacer_otel.analysis.golden.timing import Slower

SAME, CHANGED, COMMAND_FAILED = 0, 1, 4
#: What a note begins with that tells of no fault, but of where it was run.
TIMES_LEFT_OUT = "times were not compared"
_STATUS = {
    SAME: "same",
    CHANGED: "changed",
    EXIT_NO_TRACE: "missing",
    EXIT_UNREADABLE: "unreadable",
    COMMAND_FAILED: "failed",
}
#: Of several exit codes the gravest counts; what is not here is graver than all.
_BY_GRAVITY = (SAME, CHANGED, COMMAND_FAILED, EXIT_NO_TRACE, EXIT_UNREADABLE)


class Told(NamedTuple):
    """Something that is wrong. `difference`: of which it is told; `is_minor`: it fails no check."""

    sentence: str
    difference: Difference | None
    is_minor: bool = False


@dataclass
class Verdict:
    """One golden trace and the command as it is now; `error`: why there is nothing to tell of it.

    `differences`: the most important first. `notes`: what else there is to know, in sentences.
    Where it was `updated` they are those from the former golden trace, and `was` is its status.
    """

    name: str
    command: Sequence[str] = ()
    exit_code: int = SAME
    differences: list[Difference] = field(default_factory=list)
    slower: list[Slower] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    runs: int = 0
    golden_runs: int = 0
    seconds: float = 0.0
    error: str = ""
    updated: bool = False
    not_updated: str = ""  # why it could not be captured again; `was` is its status
    was: str = ""
    strict: bool = False  # what is minor is a change, too
    is_diff: bool = False  # of two traces: `name` says which
    kept: Sequence[str] = ()  # rules that are switched off in it
    copy_of: str = ""  # each run begins in a new copy of this folder
    source: bool = False  # it tells where in the source calls are made

    @property
    def status(self) -> str:
        """same, changed, missing, unreadable, failed, or error."""
        return _STATUS.get(self.exit_code, "error")

    @property
    def told(self) -> list[Told]:
        """All that is wrong, the most important first."""
        found = [Told(self.error, None)] if self.error else []
        changed = [one for one in self.differences if one.severity == Severity.CHANGED]
        minor = [one for one in self.differences if one.severity != Severity.CHANGED]
        found += [Told(one.sentence, one) for one in changed]
        found += [Told(one.sentence, None) for one in self.slower]
        found += [Told(one.sentence, one, not self.strict) for one in minor]
        return found


def gravest(codes: Iterable[int]) -> int:
    """The exit code of many."""
    return max(codes, key=_gravity, default=SAME)


def _gravity(code: int) -> int:
    return _BY_GRAVITY.index(code) if code in _BY_GRAVITY else len(_BY_GRAVITY)
