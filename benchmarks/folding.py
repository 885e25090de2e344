# SPDX-License-Identifier: MIT
"""How many spans, bytes and traces runs make, with and without folding.

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
    """What a collector got: `calls` is the sum over all spans; `largest`: spans of one trace."""

    spans: int
    size: int
    traces: int
    largest: int
    calls: int


def measure(words: list[str], folder: Path, options: list[str]) -> Made:
    """One run of a command. Raises AssertionError where a call is missing."""
    with Receiver() as receiver:
        endpoint = ["--otlp-endpoint", receiver.endpoint, "--flush-timeout", "300s"]
        subprocess.run(
            [*loads.RENACER, *endpoint, *options, "--fail-on-loss", "--", *words],
            cwd=folder, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        size = receiver.totals()["bytes"]
        spans = [item.span for item in receiver.spans]
    calls, total = 0, 0
    traces: dict[bytes, int] = {}
    for span in spans:
        given = {pair.key: pair.value.int_value for pair in span.attributes}
        calls += given.get("renacer.fold.count", 1) if "syscall.name" in given else 0
        if "renacer.command" in given:
            total = given["renacer.calls"]
        traces[span.trace_id] = traces.get(span.trace_id, 0) + 1
    assert calls == total, (calls, total)
    return Made(len(spans), size, len(traces), max(traces.values()), calls)


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
