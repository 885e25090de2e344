# SPDX-License-Identifier: MIT
"""Where in their programs' sources calls were made: of a TRACE file recorded with ``--source``.

The core records the first stack frame outside the C library at each call's entry, as a place in
the file that its code is from, and looks for its line and function when the TRACE is read.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from renacer_otel.spans.replay import Details

# enum rn_source_how of event.h.
_WAYS = {1: "direct", 2: "cfi", 3: "none", 4: "lost", 5: "abi"}


class Frame(NamedTuple):
    """A place in a source. What is not known is "" or 0."""

    file: str  # as the compiler was given it, from the folder in which it ran: src/main.c
    line: int
    function: str
    module: str  # the file that the code is from: a program, a shared object; "[anon]": none
    offset: int  # in it
    by: str  # direct, cfi; and of no place none (libc alone), lost, abi: docs/source.md
    path: str  # of the file, absolute where the program says so

    @property
    def where(self) -> str:
        """ "src/main.c:41"; without lines "prog+0x1136"; "" = no place is known."""
        if self.line:
            return f"{self.file}:{self.line}"
        return f"{self.module.rpartition('/')[2]}+{self.offset:#x}" if self.module else ""


def resolve(details: Details, call: int) -> Frame | None:
    """Where the call in this row was made; None: that was not recorded."""
    source = int(details.rows["source"][call])
    return frame(details, source) if source else None


def frame(details: Details, source: int) -> Frame:
    """A row of Details.sources; what the column `source` names."""
    row = details.sources[source]
    file, function, module, path = (
        os.fsdecode(details.text(int(row[name]))) for name in ("file", "function", "module", "path")
    )
    way = _WAYS.get(int(row["how"]), "")
    return Frame(file, int(row["line"]), function, module, int(row["offset"]), way, path)
