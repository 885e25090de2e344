# SPDX-License-Identifier: MIT
"""How many spans and bytes runs make, with and without folding.

usage: folding.py [CALLS]; a table of each load and mode on standard output. CALLS: of dd's copy
(1,000,000).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import loads

from renacer_otel.exporters.receiver import Receiver

MODES = {
    "off": ["--fold", "off"],
    "auto": ["--fold", "auto"],
    "always": ["--fold", "always"],
}


class Made(NamedTuple):
    """What a collector got: bytes are those of its requests."""

    spans: int
    size: int


def measure(words: list[str], folder: Path, options: list[str]) -> Made:
    """One run of a command, nothing of which may be lost."""
    with Receiver("count") as receiver:
        endpoint = ["--otlp-endpoint", receiver.endpoint, "--flush-timeout", "300s"]
        subprocess.run(
            [*loads.RENACER, *endpoint, *options, "--fail-on-loss", "--", *words],
            cwd=folder, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        totals = receiver.totals()
    return Made(totals["spans"], totals["bytes"])


def main(calls: int) -> None:
    """All loads, all modes."""
    with tempfile.TemporaryDirectory(prefix="renacer-") as name:
        base = Path(name)
        repository = base / "repository"
        subprocess.run(["git", "init", "-q", repository], check=True)
        for number in range(200):
            (repository / f"file{number}").write_text("x")
        chosen = {
            f"dd, {calls:,} calls": (loads.dd(calls), base),
            "git status": (["git", "status"], repository),
            "find /usr/include": (["find", "/usr/include"], base),
        }
        load = loads.make(base)
        chosen[load.name] = (load.words, load.folder)
        for title, (words, folder) in chosen.items():
            for mode, options in MODES.items():
                made = measure(words, folder, options)
                print(json.dumps({"load": title, "fold": mode, **made._asdict()}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
