# SPDX-License-Identifier: MIT
"""Runs a command of ours in this process, and says what it took: JSON in the file named first.

Its own peak resident memory, in bytes: what wait4(2) tells of a child begins with its parent's.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path


def main() -> int:
    from renacer_otel.cli.main import main as renacer

    code = renacer(sys.argv[2:])
    status = Path("/proc/self/status").read_text(encoding="ascii").split()
    used = resource.getrusage(resource.RUSAGE_SELF)
    found = {
        "peak": int(status[status.index("VmHWM:") + 1]) << 10,
        "cpu": used.ru_utime + used.ru_stime,
    }
    Path(sys.argv[1]).write_text(json.dumps(found), encoding="ascii")
    return code


if __name__ == "__main__":
    sys.exit(main())
