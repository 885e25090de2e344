# SPDX-License-Identifier: MIT
"""Whether failures come again: python -m tests.again, after a run of pytest that failed (.ci/run).

Each test that failed in the last run, of which there may be eight, is run ten times alone beside
more busy loops than there are CPUs. It ends with 1 if one fails again; else the names are told.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.load import beside

MOST = 8
TIMES = 10
_CACHE = Path(".pytest_cache/v")


def _load(name: str) -> object:
    try:
        return json.loads((_CACHE / name).read_text())
    except (OSError, ValueError):
        return None


def failed() -> list[str]:
    """The tests that failed in the last run; none where it did not come to its end."""
    found = _load("cache/lastfailed")
    ended = _load("renacer/exit") == 1  # pytest.ExitCode.TESTS_FAILED
    return sorted(found) if ended and isinstance(found, dict) else []


def main() -> int:
    """Runs them; returns the exit code."""
    tests = failed()
    if not 0 < len(tests) <= MOST:
        print(f"again: {len(tests)} tests to confirm; 1 to {MOST} are (none: pytest broke off)")
        return 1
    with beside():
        for test in tests:
            for nth in range(1, TIMES + 1):
                pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
                done = subprocess.run([*pytest, "-o", "pythonpath=.", test], check=False)
                if done.returncode:
                    print(f"again: {test}: failed once more, in run {nth} of {TIMES}")
                    return 1
    for test in tests:
        print(f"UNSTABLE {test}: failed once, then passed {TIMES} times beside a load")
    return 0


if __name__ == "__main__":
    sys.exit(main())
