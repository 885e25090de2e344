# SPDX-License-Identifier: MIT
"""Ids of threads and processes in text traces: replaced where an id stands, and nowhere else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# In these lines every number that is one of the ids is meant as such. Elsewhere a size, say, may
# be the same number by chance.
_OF_IDS = re.compile(
    r"---|\+\+\+|(?:v?fork|clone3?|wait4|waitid|t?g?kill|getp?pid|gettid|[gs]etpgid|[gs]etsid|ptrace"
    r"|rt_sigtimedwait|rt_sigreturn|set_tid_address|rt_t?g?sigqueueinfo|pidfd_open|kcmp)\("
    r"|fcntl\([^,]*, F_GETOWN\)"
)
_BEFORE = (
    r"pid=|[A-Z]:"  # members of structures; [ROUTE:PID]
    r'|^(?:prlimit64|sched_[gs]etaffinity|migrate_pages|process_vm_(?:read|write)v)\(|"/proc/'
)


class Ids:
    """The ids that occur in a trace."""

    def __init__(self, ids: Iterable[int | str]) -> None:
        any_of = "|".join(map(str, ids)) or "(?!)"
        self._all = re.compile(rf"\b(?:{any_of})\b")
        self._some = re.compile(rf"({_BEFORE})(?:{any_of})\b")

    def hidden(self, line: str) -> str:
        """A line, without what stands before the call, with PID in the place of ids."""
        if _OF_IDS.match(line):
            return self._all.sub("PID", line)
        return self._some.sub(r"\1PID", line)
