# SPDX-License-Identifier: MIT
"""What a launched program is told of markers; see docs/markers.md.

RENACER_MARKERS=1:NNNNN: they are asked for, and so many seccomp filters are known to let them
through. The core adds one for its own, native/engine/marker.c.
"""

from __future__ import annotations

import re

VARIABLE = "RENACER_MARKERS"


def value_for(status: str = "/proc/thread-self/status") -> str:
    """Its value: what we are under ourselves, the command will be."""
    try:
        with open(status, encoding="ascii", errors="replace") as file:
            match = re.search(r"^Seccomp_filters:\s*(\d{1,5})$", file.read(), re.MULTILINE)
    except OSError:
        match = None
    return f"1:{int(match[1]) if match else 0:05d}"
