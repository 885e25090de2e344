# SPDX-License-Identifier: MIT
"""Why programs that were run may have failed: they began in another folder than was meant."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import numpy as np

from renacer_otel.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from renacer_otel.spans.replay import Replay

_NOT_AS_EXPECTED = (-errno.ENOENT, -errno.EEXIST)


def not_as_expected(run: Replay) -> frozenset[str]:
    """Paths, as they were given, of calls that failed as there was no such file, or was one."""
    if run.details is None or not len(run.calls):
        return frozenset()
    failed = np.isin(run.calls["result"], _NOT_AS_EXPECTED)
    indexes = np.unique(run.details.rows["path"][failed]).tolist()
    return frozenset(os.fsdecode(run.details.text(index)) for index in indexes if index)


def hint(failed: Iterable[str], changed: Iterable[str], *, has_folder: bool) -> str:
    """What to do otherwise; "" = nothing. `failed`: of all runs; `changed`: outside of their
    folders; `has_folder`: each began in a copy of one."""
    paths = sorted(set(failed))
    here = [path for path in paths if not os.path.isabs(path) and os.path.lexists(path)]
    if here and not has_folder:
        return (
            f"each run began in an empty folder, where there is no {one_line(here[0], 60)}, as"
            " there is here: add --in-copy-of ."
        )
    shared = set(changed)
    for path in paths:
        if path in shared:
            return (
                f"one run met what another had done to {one_line(path, 60)}: let them work in a"
                " folder of their own, by paths relative to it; --in-copy-of DIR begins with files"
            )
    return ""
